# SPDX-License-Identifier: Apache-2.0
"""The same Bridge over increments: supervised as joints are, and to be still is its rest."""

from dataclasses import replace

import numpy as np
import pytest

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.delta_config import DeltaConfig
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Reason
from onestep_vla_ros.files import read_parameters

CONFIG = from_mapping(DeltaConfig, read_parameters("bridge_libero.yaml"))
TC = CONFIG.control_period_s
STATE = np.array([-0.2, 0.0, 1.1, 3.1, 0.0, 0.0, 0.04, -0.04])
ACTIONS = np.random.default_rng(3).uniform(-1.0, 1.0, (16, 7))


class Rig:
    """A bridge that is told where the arm is before every tick, as seen one period ago."""

    def __init__(self, config=CONFIG):
        self.bridge, self.now, self.sees = Bridge(config), 1.0, True

    def tick(self, count=1):
        commands = []
        for _ in range(count):
            self.now = round(self.now + TC, 9)
            if self.sees:
                seen = self.now - TC
                self.bridge.on_joint_state(STATE, np.zeros(8), seen, self.now)
            commands.append(self.bridge.tick(self.now))
        return commands[-1] if count == 1 else commands

    def chunk(self, q=ACTIONS, age=0.0, period=TC):
        """Send a chunk of what is seen now: its first action is due at the next tick."""
        return self.bridge.on_chunk(Chunk(q, self.now - age, period), self.now)

    def enabled(self):
        self.tick(2)
        assert self.bridge.enable(self.now).is_accepted
        return self


def test_nothing_goes_out_before_enable_or_before_the_first_action():
    rig = Rig()
    assert rig.tick(3)[-1].q is None
    assert rig.chunk().reason is Reason.NOT_ENABLED
    rig.enabled()
    commands = rig.tick(5)
    assert [c.mode for c in commands] == [Mode.HOLD] * 5
    assert not any(c.q is not None for c in commands)


@pytest.mark.parametrize("ticks", [0, 1, 4])
def test_every_action_goes_out_to_the_bit_from_the_first_tick_after_its_chunk(ticks):
    rig = Rig().enabled()
    if ticks:
        rig.tick(ticks)
    assert rig.chunk().is_accepted
    commands = rig.tick(16)
    assert {c.mode for c in commands} == {Mode.RUN}
    assert np.array([c.q for c in commands]).tobytes() == ACTIONS.tobytes()


def test_chunks_follow_each_other_without_a_gap():
    rig = Rig().enabled()
    told = []
    for first in range(3):
        assert rig.chunk(ACTIONS + 0.001 * first).is_accepted
        told += [c.q for c in rig.tick(8)]
    wanted = np.concatenate([ACTIONS[:8] + 0.001 * first for first in range(3)])
    assert np.array_equal(np.array(told), np.clip(wanted, -1.0, 1.0))


def test_a_stream_ends_in_still_with_the_gripper_kept():
    rig = Rig().enabled()
    rig.chunk(ACTIONS[:3])
    commands = rig.tick(8)
    assert [c.mode for c in commands] == [Mode.RUN] * 3 + [Mode.HOLD] * 5
    for command in commands[3:]:
        assert command.q.tolist() == [0.0] * 6 + [ACTIONS[2, 6]]
    assert "run out" in commands[3].reason


def test_actions_beyond_the_limits_are_clipped_and_counted():
    rig = Rig(replace(CONFIG, action_high=(0.5,) * 7)).enabled()
    rig.chunk(np.full((16, 7), 0.9))
    command = rig.tick()
    assert command.q.tolist() == [0.5] * 7
    assert command.governor_active
    assert rig.bridge.ledger.summary().governed_ticks == 1


@pytest.mark.parametrize(
    ("q", "period", "reason"),
    [
        (np.full((16, 7), np.nan), TC, Reason.NOT_FINITE),
        (np.full((16, 7), 2.5), TC, Reason.OUT_OF_RANGE),
        (ACTIONS[:, :6], TC, Reason.WRONG_JOINTS),
        (ACTIONS, 0.04, Reason.WRONG_PERIOD),
        (np.zeros((129, 7)), TC, Reason.WRONG_LENGTH),
    ],
)
def test_bad_chunks_are_refused_counted_and_three_are_a_fault(q, period, reason):
    rig = Rig().enabled()
    rig.chunk()
    for k in range(3):
        rig.tick()
        assert rig.chunk(q, age=-0.001 * k, period=period).reason is reason
    assert rig.bridge.counts[f"action_chunk: {reason.value}"] == 3
    command = rig.tick()
    assert command.mode is Mode.FAULT
    assert command.q[:6].tolist() == [0.0] * 6


def test_an_old_observation_and_a_second_copy_are_refused():
    rig = Rig().enabled()
    rig.tick(8)
    assert rig.chunk(age=0.31).reason is Reason.TOO_OLD
    assert rig.chunk().is_accepted
    assert rig.chunk().reason is Reason.DUPLICATE


def test_stop_is_still_at_once_and_latched():
    rig = Rig().enabled()
    rig.chunk()
    rig.tick(4)
    rig.bridge.stop(rig.now)
    commands = rig.tick(3)
    assert {c.mode for c in commands} == {Mode.STOP}
    assert commands[0].q.tolist() == [0.0] * 6 + [ACTIONS[3, 6]]
    assert rig.bridge.is_at_rest
    assert rig.chunk().reason is Reason.STOPPED
    assert not rig.bridge.enable(rig.now).is_accepted
    assert rig.bridge.reset(rig.now).is_accepted
    assert rig.bridge.enable(rig.now).is_accepted
    assert rig.tick().q is None  # a new run knows of no gripper


def test_states_that_stay_away_are_still_then_silence_then_a_fault():
    rig = Rig().enabled()
    rig.chunk()
    rig.tick(2)
    rig.sees = False
    commands = rig.tick(25)
    moving = [c for c in commands if c.q is not None and c.q[:6].any()]
    assert len(moving) <= 4  # joint_state_timeout_s
    assert commands[5].mode is Mode.STOP
    assert commands[-1].mode is Mode.FAULT
    assert commands[-1].q is None
    assert "joint_states" in commands[-1].reason


@pytest.mark.parametrize("part", range(8))
def test_a_state_outside_its_range_is_a_fault(part):
    rig = Rig().enabled()
    state = STATE.copy()
    state[part] = 50.0
    rig.now += TC
    verdict = rig.bridge.on_joint_state(state, np.zeros(8), rig.now, rig.now)
    assert verdict.reason is Reason.OUT_OF_RANGE
    assert CONFIG.state_names[part] in verdict.detail
    assert rig.bridge.tick(rig.now).mode is Mode.FAULT


def test_a_policy_in_trouble_holds_the_arm():
    rig = Rig().enabled()
    rig.chunk()
    rig.tick()
    rig.bridge.on_policy_trouble("camera 'agentview' is frozen", rig.now)
    command = rig.tick()
    assert command.mode is Mode.HOLD
    assert command.q[:6].tolist() == [0.0] * 6
    assert "agentview" in command.reason


def test_start_states_are_judged_when_asked():
    rig = Rig(replace(CONFIG, start_check="refuse"))
    rig.tick(2)
    assert rig.bridge.enable(rig.now).reason is Reason.START_POSE
    rig.bridge.on_start_pose(STATE - 0.1, STATE + 0.1)
    assert rig.bridge.enable(rig.now).is_accepted


def test_the_same_input_gives_the_same_actions():
    def play():
        rig = Rig().enabled()
        rig.chunk()
        first = rig.tick(5)
        rig.chunk(ACTIONS[::-1].copy())
        return [(c.mode, c.q.tobytes()) for c in first + rig.tick(20)]

    assert play() == play()
