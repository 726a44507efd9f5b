# SPDX-License-Identifier: Apache-2.0
"""The driver of increments: each in its own period, to the bit, and stillness between."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint  # noqa: E402

from onestep_vla_ros.nodes.action_driver import ActionDriver  # noqa: E402
from onestep_vla_ros.nodes.messages import to_stamp  # noqa: E402

NAMES = ["dx", "dy", "gripper"]
TC = 0.05


def message(stamp_s, *action, names=NAMES):
    found = JointTrajectory(joint_names=list(names))
    found.header.stamp = to_stamp(stamp_s)
    found.points = [JointTrajectoryPoint(positions=list(action))]
    return found


@pytest.fixture
def driver():
    return ActionDriver(NAMES, ("gripper",), TC)


def test_nothing_is_done_before_anything_was_told(driver):
    assert driver.sample(1.0) is None


def test_an_action_is_carried_out_in_its_period_and_in_no_other(driver):
    action = np.random.default_rng(0).normal(size=3)
    assert driver.take(message(1.0, *action.tolist()))
    assert driver.sample(0.95) is None
    assert driver.has_action(1.0)
    assert driver.sample(1.0).tobytes() == action.tobytes()
    assert not driver.has_action(1.0 + TC)
    assert driver.sample(1.0 + TC).tolist() == [0.0, 0.0, action[2]]


def test_columns_are_mapped_by_name(driver):
    driver.take(message(1.0, 3.0, 1.0, 2.0, names=["gripper", "dx", "dy"]))
    assert driver.sample(1.0).tolist() == [1.0, 2.0, 3.0]


def test_an_episode_begins_with_nothing_told(driver):
    driver.take(message(1.0, 1.0, 2.0, 3.0))
    driver.sample(1.0)
    driver.reset()
    assert driver.sample(1.0 + TC) is None


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (message(1.0, 1.0, 2.0, 3.0, names=["dx", "dy", "jaw"]), "wrong_joints"),
        (message(1.0, 1.0, 2.0), "wrong_length"),
        (message(1.0, 1.0, float("nan"), 0.0), "not_finite"),
        (JointTrajectory(joint_names=NAMES), "wrong_number_of_points"),
    ],
)
def test_what_cannot_be_carried_out_is_counted(driver, wrong, reason):
    assert not driver.take(wrong)
    assert driver.refused == {reason: 1}
    assert driver.sample(1.0) is None
