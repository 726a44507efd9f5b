# SPDX-License-Identifier: Apache-2.0
"""What the bridge answers, word for word, and what it does beside the answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bridge_rig import TC, Rig

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected


def test_enable_again_while_moving_changes_nothing(bridge_config, home):
    """Starting anew would send the arms to where they were measured, from full speed."""
    rigs = Rig(bridge_config, home), Rig(bridge_config, home)
    for rig in rigs:
        rig.enable()
        rig.run()
        rig.q = rig.q + 0.01
    rigs[0].bridge.on_joint_state(rigs[0].q, None, rigs[0].now, rigs[0].now)
    rigs[1].bridge.on_joint_state(rigs[1].q, None, rigs[1].now, rigs[1].now)
    assert rigs[0].bridge.enable(rigs[0].now) == Accepted("enabled")
    for _ in range(20):
        a, b = (rig.tick() for rig in rigs)
        assert a.mode is b.mode is Mode.RUN
        assert (a.q == b.q).all()


def test_enable_without_joint_states_says_what_to_do(rig):
    assert rig.bridge.enable(1.0) == Rejected(
        Reason.NO_STATE, "joint_states are inf s old; publish joint_states with all joints"
    )


def test_disable_says_whether_it_brakes_first(rig):
    rig.enable()
    rig.run()
    assert rig.bridge.disable(rig.now) == Accepted("braking, then disabled")
    rig.tick(60)
    rig.enable()
    assert rig.bridge.disable(rig.now) == Accepted("disabled")
    assert rig.bridge.has_output is False


def test_stop_names_the_operator(rig):
    rig.enable()
    rig.bridge.stop(rig.now)
    assert rig.tick().reason == "stopped by the operator; call bridge/reset"


def test_chunk_is_refused_in_words_when_nothing_may_move(rig):
    rig.tick()
    assert rig.send() == Rejected(Reason.NOT_ENABLED, "the arms are not enabled")
    rig.enable()
    assert rig.send(age=0.2) == Rejected(
        Reason.BEFORE_ENABLE, "its observation is from before enable"
    )
    rig.bridge.stop(rig.now)
    stopped = rig.send(age=0.0)
    assert stopped.reason is Reason.STOPPED
    assert stopped.detail.startswith("stopped by the operator")
    rig.tick()
    assert rig.send(age=0.0).reason is Reason.STOPPED


def test_chunk_is_refused_while_joint_states_are_stale(rig):
    rig.enable()
    rig.run()
    rig.has_states = False
    rig.tick(7)
    last = rig.commands[-1]
    assert last.mode is Mode.STOP
    assert rig.send(age=0.0) == Rejected(Reason.STOPPED, last.reason)


def test_chunk_is_refused_while_the_policy_says_it_is_blind(rig):
    rig.enable()
    rig.bridge.on_policy_trouble("top: no picture", rig.now)
    verdict = rig.send(age=0.0)
    assert verdict == Rejected(Reason.BLIND, "the policy cannot act: top: no picture")


def test_chunk_is_refused_on_the_way_to_the_start_pose(bridge_config, home):
    rig = Rig(replace(bridge_config, start_check="ramp"), home)
    rig.bridge.on_start_pose(home + 0.2, home + 0.3)
    rig.enable()
    rig.tick()
    verdict = rig.send(age=0.0)
    assert verdict.reason is Reason.START_POSE
    assert verdict.detail.startswith("going to the start pose")


def test_good_chunk_on_hold_says_what_it_waits_for(bridge_config, home):
    rig = Rig(replace(bridge_config, resume_chunks=3), home)
    rig.enable()
    assert rig.send(age=0.0) == Accepted("1 of 3 good chunks, at rest first")


def test_refused_chunk_keeps_the_reason_to_hold_only_with_a_plan(rig):
    rig.enable()
    rig.send(age=-1.0)
    assert rig.tick().reason.startswith("chunk refused, stamp in the future")
    rig.run()
    rig.send(age=-1.0)
    assert rig.tick().mode is Mode.RUN
    rig.tick(100)
    assert "chunk refused" not in rig.commands[-1].reason


def test_refusals_are_counted_by_topic(rig):
    rig.enable()
    rig.bridge.on_joint_state(np.zeros(3), None, rig.now, rig.now)
    rig.send(age=-1.0)
    assert rig.bridge.counts == {
        "joint_states: malformed": 1,
        "action_chunk: stamp in the future": 1,
    }


@pytest.mark.parametrize("late_s", [0.0, 0.004, 0.009])
def test_chunk_joins_at_the_set_points_time_however_late_the_tick(rig, late_s):
    rig.enable()
    rig.run()
    rig.tick_count += 1
    now = rig.now + late_s
    rig.bridge.on_joint_state(rig.q, None, now, now)
    command = rig.bridge.tick(now)
    assert command.stamp_s == pytest.approx(rig.now + TC)
    assert rig.bridge.on_chunk(Chunk(rig.wave(now), now, 0.04), now).is_accepted
    state = np.stack([command.q, command.qd, command.qdd])
    assert rig.bridge.plan.sample(command.stamp_s) == pytest.approx(state, abs=1e-9)


def test_chunk_before_the_first_tick_joins_one_period_ahead(rig):
    rig.tick()
    rig.bridge.enable(rig.now)
    rig.home = rig.q - 0.2 * np.sin(2.0 * rig.now)
    assert rig.send(age=0.0).is_accepted
    at_rest = np.stack([rig.q, np.zeros(14), np.zeros(14)])
    assert rig.bridge.plan.sample(rig.now + TC) == pytest.approx(at_rest, abs=1e-9)


def test_command_says_yes_or_no_to_whether_a_limit_was_in_the_way(rig):
    rig.enable()
    assert rig.tick().governor_active is False
    rig.run()
    assert rig.commands[-1].governor_active is False
    rig.send(age=0.0, q=rig.home + 0.25 * np.array([[1.0], [-1.0]] * 8))
    assert rig.tick(5).governor_active is True
