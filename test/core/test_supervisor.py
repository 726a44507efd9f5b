# SPDX-License-Identifier: Apache-2.0
"""Modes: the most severe wins, faults and stops latch, reasons are words."""

from __future__ import annotations

import math

import pytest

from onestep_vla_ros.core.supervisor import Facts, Mode, Supervisor
from onestep_vla_ros.core.verdict import Reason


def _facts(age=0.0, problem="", rest=True, note="") -> Facts:
    return Facts(
        state_age_s=age, state_note=note, start_problem="", plan_problem=problem, is_at_rest=rest
    )


@pytest.fixture
def enabled():
    supervisor = Supervisor(0.05, 1.0)
    assert supervisor.enable().is_accepted
    return supervisor


def test_nothing_goes_out_before_enable():
    supervisor = Supervisor(0.05, 1.0)
    mode, reason = supervisor.update(_facts())
    assert mode is Mode.IDLE
    assert reason == "not enabled; call bridge/enable"
    assert not supervisor.has_output
    assert "no joint_states yet" in supervisor.update(_facts(age=math.inf))[1]


def test_run_needs_a_plan(enabled):
    assert enabled.update(_facts())[0] is Mode.RUN
    assert enabled.update(_facts(problem="no chunk yet")) == (Mode.HOLD, "no chunk yet")


def test_stale_joint_states_stop_and_say_their_age(enabled):
    assert enabled.update(_facts(age=0.05))[0] is Mode.RUN
    mode, reason = enabled.update(_facts(age=0.12, rest=False))
    assert mode is Mode.STOP
    assert reason == "joint_states are 0.12 s old, allowed 0.05 s"
    with_note = enabled.update(_facts(age=0.12, note="joint missing"))[1]
    assert with_note.endswith("; joint missing")


def test_a_stop_is_left_from_rest_only(enabled):
    enabled.update(_facts(age=0.06, rest=False))
    mode, reason = enabled.update(_facts(rest=False))
    assert mode is Mode.STOP
    assert reason.startswith("braking: joint_states are 0.06 s old")
    assert enabled.update(_facts())[0] is Mode.RUN


def test_joint_states_lost_for_long_are_a_latched_fault(enabled):
    assert enabled.update(_facts(age=1.0))[0] is Mode.STOP
    assert enabled.update(_facts(age=1.001))[0] is Mode.FAULT
    mode, reason = enabled.update(_facts())
    assert mode is Mode.FAULT
    assert "1.00 s old" in reason
    assert "bridge/reset" in reason


def test_fault_beats_stop_beats_the_rest(enabled):
    enabled.stop("stopped by the operator")
    assert enabled.update(_facts(problem="x"))[0] is Mode.STOP
    enabled.fault("a")
    enabled.fault("b")
    mode, reason = enabled.update(_facts(age=0.5))
    assert mode is Mode.FAULT
    assert reason.startswith("a;")


@pytest.mark.parametrize("latch", ["stop", "fault"])
def test_latches_hold_until_reset_at_rest(enabled, latch):
    getattr(enabled, latch)("why")
    for _ in range(3):
        assert enabled.update(_facts(rest=False))[0] in (Mode.STOP, Mode.FAULT)
    assert enabled.enable().reason is Reason.STOPPED
    assert enabled.reset(is_at_rest=False).reason is Reason.NOT_AT_REST
    assert enabled.update(_facts())[0] in (Mode.STOP, Mode.FAULT)
    assert enabled.reset(is_at_rest=True).is_accepted
    assert enabled.update(_facts())[0] is Mode.IDLE
    assert enabled.enable().is_accepted


def test_disable_brakes_first(enabled):
    enabled.disable(is_at_rest=False)
    assert enabled.update(_facts(rest=False)) == (Mode.STOP, "disabled, braking")
    assert enabled.enable().reason is Reason.NOT_AT_REST
    assert enabled.has_output
    assert enabled.update(_facts(rest=True))[0] is Mode.IDLE
    assert not enabled.has_output


def test_fault_survives_disable(enabled):
    enabled.fault("why")
    enabled.disable(is_at_rest=True)
    assert not enabled.has_output
    assert enabled.update(_facts())[0] is Mode.FAULT
    assert not enabled.enable().is_accepted


def test_lost_joint_states_are_no_fault_while_not_enabled():
    supervisor = Supervisor(0.05, 1.0)
    supervisor.update(_facts(age=100.0))
    assert supervisor.update(_facts())[0] is Mode.IDLE
    assert supervisor.enable().is_accepted
