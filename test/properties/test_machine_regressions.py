# SPDX-License-Identifier: Apache-2.0
"""What the machine found, each failure once more by hand."""

from __future__ import annotations

import numpy as np
import pytest
from twin_rig import TwinRig, make_config

from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Reason

MODES = ("joint_trajectory", "joint_trajectory_point", "forward_position")


def _moving(**change) -> TwinRig:
    rig = TwinRig(make_config(start_check="off", **change))
    assert rig.recover().is_accepted
    for k in range(6):
        rig.chunk(rig.wave(k, 16, 0.05, 0.5), rig.now, 0.05)
        rig.tick(5)
    assert rig.last.mode is Mode.RUN
    assert np.abs(rig.last.qd).max() > 0.05
    return rig


def test_enable_while_joint_states_flicker_does_not_send_the_arms_to_the_flicker():
    """Three states at +0.3 rad were taken for true; the first command went there."""
    rig = TwinRig(make_config(start_check="off"))
    jumped = rig.q.copy()
    jumped[0] += 0.3
    for k in (1, 2, 3):
        rig.state(jumped, rig.now + 1e-4 * k)
    rig.tick(2)  # back at the true place, not yet believed
    assert rig.both("enable", rig.now).reason is Reason.NO_STATE
    rig.tick(2)
    assert rig.both("enable", rig.now).is_accepted
    measured = rig.q.copy()
    assert (rig.tick().q == measured).all()
    rig.assert_wire()


@pytest.mark.parametrize("arms", MODES)
@pytest.mark.parametrize("gripper", MODES)
def test_gripper_of_its_own_follows_its_own_mode_after_missed_ticks(arms, gripper):
    """It ran along its stop because the arm's controller did: 12 times its jerk on the wire."""
    rig = _moving(output_mode=(arms, arms), gripper_output=gripper)
    for periods in (6.0, 2.5, 30.0):
        rig.tick(1, periods * rig.tc)
        rig.tick(3)
    rig.assert_wire()


def test_reset_and_enable_without_a_tick_between_is_a_new_run():
    rig = _moving()
    rig.both("stop", rig.now)
    rig.sag = np.full(14, 0.01)
    rig.tick(60)
    assert rig.both("reset", rig.now).is_accepted
    assert rig.both("enable", rig.now).is_accepted
    measured = rig.q.copy()
    assert (rig.tick().q == measured).all()
    rig.assert_wire()


@pytest.mark.parametrize("by_s", [-1e-6, -0.01, -10.0])
def test_clock_that_goes_back_while_moving_brakes_and_never_disarms(by_s):
    rig = _moving()
    rig.jump_clock(by_s)
    assert rig.last.q is not None
    rig.tick(60)
    assert rig.last.mode is Mode.FAULT
    rig.assert_wire()
