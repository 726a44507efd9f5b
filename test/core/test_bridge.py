# SPDX-License-Identifier: Apache-2.0
"""The bridge as the operator and the policy meet it, on a fake clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bridge_rig import TC, Rig, is_braking

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Reason


def test_nothing_is_commanded_before_enable(rig):
    command = rig.tick()
    assert command.mode is Mode.IDLE
    assert command.q is None
    assert rig.send().reason is Reason.NOT_ENABLED
    assert rig.tick(50).q is None


def test_enable_needs_a_fresh_joint_state(rig):
    assert rig.bridge.enable(0.0).reason is Reason.NO_STATE
    rig.tick()
    rig.has_states = False
    rig.tick(10)
    verdict = rig.bridge.enable(rig.now)
    assert verdict.reason is Reason.NO_STATE
    assert "0.10 s old" in verdict.detail


def test_enable_says_which_joint_keeps_the_state_from_being_fresh(rig):
    rig.q = rig.home.copy()
    rig.q[8] = -0.2
    rig.tick()
    assert "right_joint2 measured at -0.200" in rig.bridge.enable(rig.now).detail


def test_first_command_is_the_measured_state_at_rest(rig):
    command = rig.enable()
    assert (command.q == rig.home).all()
    assert not command.qd.any()
    assert not command.qdd.any()
    assert command.mode is Mode.HOLD
    assert command.reason == "no chunk yet"
    assert (rig.tick(20).q == rig.home).all()


def test_first_command_lies_inside_the_limits(rig):
    rig.q[[6, 13]] = (1.04, -0.04)
    command = rig.enable()
    assert command.q[[6, 13]].tolist() == [1.0, 0.0]


def test_command_follows_the_chunk_on_its_own_clock(rig, check_wire):
    rig.enable()
    rig.run(200)
    for command in rig.commands[-100:]:
        wanted = rig.home + 0.2 * np.sin(2.0 * command.stamp_s)
        assert np.abs(command.q - wanted).max() < 2e-3
    check_wire(rig.commands, rig.config)
    summary = rig.bridge.ledger.summary()
    assert summary.governed_ticks == 0
    assert summary.spliced == 13
    assert summary.capture_to_command.p99_ms == pytest.approx(10.0)


def test_chunk_may_come_between_enable_and_the_first_tick(rig):
    rig.tick()
    rig.bridge.enable(rig.now)
    assert rig.send(age=0.0).is_accepted
    assert (rig.tick().q == rig.home).all()
    assert rig.tick().mode is Mode.RUN


def test_commanded_time_steps_by_exactly_one_period(rig):
    rig.enable()
    rig.run(100)
    stamps = [command.stamp_s for command in rig.commands[2:]]
    assert np.diff(stamps) == pytest.approx(np.full(len(stamps) - 1, TC), abs=1e-12)
    assert rig.commands[-1].stamp_s == pytest.approx(rig.now + TC)


def test_chunk_observed_before_enable_is_refused(rig):
    rig.tick(10)
    rig.enable()
    assert rig.send(age=0.05).reason is Reason.BEFORE_ENABLE


def test_plan_ends_at_rest_and_holds_when_the_policy_dies(rig, check_wire):
    rig.enable()
    rig.run(60)
    rig.tick(100)
    last = rig.commands[-1]
    assert last.mode is Mode.HOLD
    assert "waiting for a good chunk" in last.reason
    assert not last.qd.any()
    assert (rig.tick(50).q == last.q).all()
    check_wire(rig.commands, rig.config)


def test_short_chunk_runs_out_at_rest_on_its_last_waypoint(rig):
    rig.enable()
    chunk = Chunk(rig.wave(rig.now, points=5), rig.now, 0.04)
    assert rig.bridge.on_chunk(chunk, rig.now).is_accepted
    rig.tick(45)
    assert rig.commands[-1].mode is Mode.HOLD
    assert "has run out" in rig.commands[-1].reason
    assert rig.q == pytest.approx(chunk.q[-1], abs=1e-3)


def test_plan_on_an_old_observation_is_let_go(bridge_config, home):
    rig = Rig(replace(bridge_config, max_plan_age_s=0.3), home)
    rig.enable()
    rig.run(49)  # the newest observation is from the tick before the last
    stamp = rig.now - TC
    while rig.commands[-1].mode is Mode.RUN:
        rig.tick()
    assert 0.3 < rig.now - stamp <= 0.3 + TC + 1e-9
    assert is_braking(rig.commands[-2], rig.commands[-1])


def test_stop_brakes_at_once_latches_and_says_when_it_is_done(rig):
    rig.enable()
    rig.run()
    assert rig.bridge.stop(rig.now).detail == "stopping"
    assert rig.tick().mode is Mode.STOP
    assert is_braking(rig.commands[-2], rig.commands[-1])
    assert rig.bridge.reset(rig.now).reason is Reason.NOT_AT_REST
    rig.tick(40)
    assert rig.bridge.is_at_rest
    assert rig.bridge.stop(rig.now).detail == "stopped"
    assert rig.send().reason is Reason.STOPPED
    assert rig.tick().mode is Mode.STOP
    assert rig.bridge.reset(rig.now).is_accepted
    assert rig.tick().mode is Mode.IDLE


def test_disable_brakes_then_falls_silent(rig, check_wire):
    rig.enable()
    rig.run()
    rig.bridge.disable(rig.now)
    assert rig.tick().mode is Mode.STOP
    rig.tick(40)
    assert rig.commands[-1].q is None
    assert rig.commands[-1].mode is Mode.IDLE
    sent = [command for command in rig.commands if command.q is not None]
    assert not sent[-1].qd.any()
    check_wire(rig.commands, rig.config)
    assert (rig.enable().q == rig.q).all()


def test_output_is_anchored_to_the_command_never_to_feedback(bridge_config, home):
    rng = np.random.default_rng(0)
    exact, noisy = Rig(bridge_config, home), Rig(bridge_config, home)
    for rig in (exact, noisy):
        rig.enable()
    for k in range(150):
        for rig in (exact, noisy):
            if k % 16 == 0:
                assert rig.send(age=0.0).is_accepted
            if rig is noisy:
                rig.q = rig.q - 0.03 + rng.normal(0.0, 0.005, 14)
            rig.tick()
        assert (exact.commands[-1].q == noisy.commands[-1].q).all()
