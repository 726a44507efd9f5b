# SPDX-License-Identifier: Apache-2.0
"""What the supervisor answers, word for word: an operator reads it, and scripts match it."""

from __future__ import annotations

import math

import pytest

from onestep_vla_ros.core.supervisor import Facts, Mode, Supervisor
from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected


def _facts(age=0.0, rest=True, **words) -> Facts:
    said = {"state_note": "", "start_problem": "", "plan_problem": "", **words}
    return Facts(state_age_s=age, is_at_rest=rest, **said)


@pytest.fixture
def supervisor():
    return Supervisor(0.05, 1.0)


def test_before_enable(supervisor):
    assert supervisor.has_output is False
    assert supervisor.latched == ""
    assert supervisor.update(_facts()) == (Mode.IDLE, "not enabled; call bridge/enable")
    assert supervisor.update(_facts(math.inf, state_note="bad")) == (
        Mode.IDLE,
        "not enabled; call bridge/enable; no joint_states yet; bad",
    )


def test_enable_and_run_even_if_the_first_look_finds_it_moving(supervisor):
    assert supervisor.enable() == Accepted("enabled")
    assert supervisor.has_output is True
    assert supervisor.update(_facts(rest=False)) == (Mode.RUN, "following the policy")
    assert supervisor.update(_facts(plan_problem="p")) == (Mode.HOLD, "p")
    assert supervisor.update(_facts(plan_problem="p", start_problem="s")) == (Mode.START, "s")


def test_first_enable_is_not_a_return_from_braking(supervisor):
    supervisor.has_output = True
    assert supervisor.update(_facts(rest=False))[0] is Mode.RUN


def test_disable_while_moving_and_at_rest(supervisor):
    supervisor.enable()
    assert supervisor.disable(is_at_rest=False) == Accepted("braking, then disabled")
    assert supervisor.update(_facts(rest=False)) == (Mode.STOP, "disabled, braking")
    assert supervisor.enable() == Rejected(Reason.NOT_AT_REST, "still braking after disable")
    assert supervisor.update(_facts())[0] is Mode.IDLE
    assert supervisor.has_output is False
    assert supervisor.enable() == Accepted("enabled")
    assert supervisor.disable(is_at_rest=True) == Accepted("disabled")
    assert supervisor.has_output is False
    assert supervisor.enable() == Accepted("enabled")
    assert supervisor.update(_facts(rest=False))[0] is Mode.RUN


def test_disable_before_enable_does_nothing(supervisor):
    assert supervisor.disable(is_at_rest=False) == Accepted("disabled")
    assert supervisor.enable() == Accepted("enabled")


def test_latch_and_reset(supervisor):
    supervisor.enable()
    supervisor.stop("first")
    supervisor.stop("second")
    assert supervisor.latched == "first"
    assert supervisor.update(_facts(rest=False)) == (Mode.STOP, "first; call bridge/reset")
    assert supervisor.enable() == Rejected(Reason.STOPPED, "first; call bridge/reset first")
    supervisor.fault("third")
    assert supervisor.latched == "third"
    assert supervisor.update(_facts(rest=False)) == (Mode.FAULT, "third; call bridge/reset")
    still = Rejected(Reason.NOT_AT_REST, "still braking; call bridge/reset at rest")
    assert supervisor.reset(is_at_rest=False) == still
    assert supervisor.latched == "third"
    assert supervisor.reset(is_at_rest=True) == Accepted("reset; call bridge/enable to move")
    assert supervisor.latched == ""
    assert supervisor.has_output is False


def test_reset_ends_a_disable_and_what_was_braked_for(supervisor):
    supervisor.enable()
    supervisor.update(_facts(0.06, rest=False))
    supervisor.disable(is_at_rest=False)
    assert supervisor.reset(is_at_rest=True).is_accepted
    supervisor.has_output = True  # as if enabled, but for what enable itself clears
    assert supervisor.update(_facts(rest=False)) == (Mode.RUN, "following the policy")


def test_enable_ends_what_was_braked_for(supervisor):
    supervisor.enable()
    supervisor.update(_facts(0.06, rest=False))
    supervisor.enable()
    assert supervisor.update(_facts(rest=False)) == (Mode.RUN, "following the policy")


@pytest.mark.parametrize(("age", "words"), [(0.051, "0.05 s old"), (0.9, "0.90 s old")])
def test_stale_states_and_the_way_back(supervisor, age, words):
    supervisor.enable()
    assert supervisor.update(_facts(0.05, rest=False))[0] is Mode.RUN
    why = f"joint_states are {words}, allowed 0.05 s; note"
    assert supervisor.update(_facts(age, rest=False, state_note="note")) == (Mode.STOP, why)
    assert supervisor.update(_facts(rest=False)) == (Mode.STOP, f"braking: {why}")
    assert supervisor.update(_facts())[0] is Mode.RUN
    assert supervisor.update(_facts(rest=False))[0] is Mode.RUN


def test_states_gone_for_long_are_a_fault_only_past_the_deadline_and_only_while_enabled(
    supervisor,
):
    supervisor.update(_facts(5.0))
    assert supervisor.latched == ""
    supervisor.enable()
    assert supervisor.update(_facts(1.0, rest=False))[0] is Mode.STOP
    why = "joint_states are 1.01 s old, allowed 0.05 s"
    assert supervisor.update(_facts(1.01, rest=False)) == (
        Mode.FAULT,
        f"{why}; call bridge/reset",
    )
    assert supervisor.latched == why


def test_silent_only_when_enabled_at_rest_and_the_arms_not_seen(supervisor):
    def look(age: float, rest: bool) -> bool:
        supervisor.update(_facts(age, rest=rest))
        return supervisor.is_silent

    assert supervisor.is_silent is False
    assert look(0.06, True) is False  # not enabled: there is nothing to be silent about
    supervisor.enable()
    assert look(0.05, True) is False
    assert look(0.06, False) is False
    assert look(0.06, True) is True
    assert look(0.05, True) is False


def test_fault_ends_the_output_at_rest_and_never_begins_one(supervisor):
    supervisor.fault("why")
    supervisor.update(_facts(rest=False))
    assert supervisor.has_output is False
    supervisor.reset(is_at_rest=True)
    supervisor.enable()
    supervisor.fault("why")
    supervisor.update(_facts(rest=False))
    assert supervisor.has_output is True
    assert supervisor.update(_facts())[0] is Mode.FAULT
    assert supervisor.has_output is False
