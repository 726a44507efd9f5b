# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from onestep_vla_ros.core.embodiment import BIMANUAL_YAM, EMBODIMENTS, LIBERO_PANDA, known_by


@pytest.mark.parametrize("robot", EMBODIMENTS, ids=lambda r: r.robot_type)
def test_what_it_says_of_its_parts_fits_their_number(robot):
    actions, states = len(robot.action_names), len(robot.state_names)
    assert len(robot.low) == len(robot.high) == actions
    assert sorted((*robot.grippers, *robot.others)) == list(range(actions))
    assert set(robot.relative) <= set(robot.others)
    assert all(robot.action_names[i] == robot.state_names[i] for i in robot.relative)
    assert set(robot.near) < set(range(states))
    assert known_by(robot.action_names) is robot
    assert known_by(list(robot.action_names)) is robot


def test_other_joints_and_another_order_are_of_no_robot():
    assert known_by(["joint1"]) is None
    assert known_by(BIMANUAL_YAM.action_names[::-1]) is None


def test_arms_are_left_to_the_governor_and_steps_are_kept_in_range():
    wild = np.full((2, 14), 9.0)
    wild[1] = -9.0
    kept = BIMANUAL_YAM.clip(wild)
    assert kept[:, 0].tolist() == [9.0, -9.0]
    assert kept[:, 6].tolist() == kept[:, 13].tolist() == [1.0, 0.0]
    assert np.array_equal(LIBERO_PANDA.clip(wild[:, :7]), np.sign(wild[:, :7]))
    assert np.isnan(LIBERO_PANDA.clip(np.full(7, np.nan))).all()
