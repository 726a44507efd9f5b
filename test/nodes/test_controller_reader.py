# SPDX-License-Identifier: Apache-2.0
"""A real node with a controller's parameters: unsafe ones keep the arms from being enabled."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from turned_robot import TurnedRobot  # noqa: E402

from onestep_vla_ros.core.joints import JOINT_NAMES  # noqa: E402
from onestep_vla_ros.core.supervisor import Mode  # noqa: E402
from onestep_vla_ros.nodes import controller_reader  # noqa: E402

NAME = "left_arm_controller"
JOINTS = list(JOINT_NAMES[:7])


def parameters(**changed):
    """What config/controllers.yaml gives the left arm's controller."""
    sound = {
        "interpolate_from_desired_state": True,
        "allow_nonzero_velocity_at_trajectory_end": False,
        "cmd_timeout": 0.1,
        "constraints.goal_time": 0.05,
        "joints": JOINTS,
        "command_interfaces": ["position"],
        **{f"constraints.{joint}.trajectory": 0.1 for joint in JOINTS[:6]},
        "constraints.left_gripper.trajectory": 0.0,
    }
    return {**sound, **{name.replace("__", "."): value for name, value in changed.items()}}


@pytest.fixture
def robot(make_node, spin):
    return TurnedRobot(make_node, spin)


@pytest.fixture
def make_controller(make_node, robot):
    """Start a controller's node in the bridge's executor."""

    def make(name=NAME, **changed):
        node = make_node(name)
        for key, value in parameters(**changed).items():
            node.declare_parameter(key, value)
        robot.spin(lambda: True, node)
        return node

    return make


def obstacle(robot):
    return robot.carrier.bridge.impediments.obstacle(NAME)


def judged(robot):
    """Spin until the left controller's parameters have been judged."""
    reader = robot.carrier._graph._readers[0]
    robot.spin(lambda: reader._is_judged, what="the verdict")
    robot.tick()


def test_sound_controller_may_be_driven(robot, make_controller):
    make_controller()
    judged(robot)
    assert obstacle(robot) == ""
    assert robot.enable().success


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"interpolate_from_desired_state": False}, "interpolate_from_desired_state"),
        ({"constraints__left_joint3__trajectory": 0.0}, "constraints.left_joint3.trajectory"),
        ({"cmd_timeout": 0.0}, "cmd_timeout"),
        ({"joints": JOINTS[:6]}, "joints"),
    ],
)
def test_unsafe_controller_refuses_enable_by_the_parameters_name(
    robot, make_controller, changed, named
):
    make_controller(**changed)
    judged(robot)
    answer = robot.enable()
    assert not answer.success
    assert NAME in answer.message
    assert named in answer.message


def test_unsafe_controller_that_appears_while_enabled_is_a_fault(robot, make_controller):
    robot.run()
    make_controller(interpolate_from_desired_state=False)
    judged(robot)
    assert robot.ticks(1) is Mode.FAULT
    name = "interpolate_from_desired_state"
    robot.until_status(lambda: name in robot.status["reason"], "the reason")


def test_sound_controller_that_appears_while_enabled_disturbs_nothing(robot, make_controller):
    robot.run()
    make_controller()
    judged(robot)
    assert robot.ticks(3) is not Mode.FAULT


def test_controller_that_is_mended_is_no_obstacle_any_more(robot, make_controller, monkeypatch):
    monkeypatch.setattr(controller_reader, "_AGAIN_S", 0.3)
    node = make_controller(interpolate_from_desired_state=False)
    judged(robot)
    assert "interpolate_from_desired_state" in obstacle(robot)
    node.undeclare_parameter("interpolate_from_desired_state")
    node.declare_parameter("interpolate_from_desired_state", True)
    robot.spin(lambda: obstacle(robot) == "", what="the second verdict")


def test_controller_that_does_not_answer_refuses_enable_and_is_asked_again(
    robot, make_node, monkeypatch
):
    """It offers the services and is stuck: nobody knows whether it is safe."""
    monkeypatch.setattr(controller_reader, "_PATIENCE_S", 0.3)
    make_node(NAME)  # its executor never turns
    robot.spin(lambda: obstacle(robot), what="the obstacle")
    robot.tick()
    answer = robot.enable()
    assert not answer.success
    assert "has not told its parameters" in answer.message
    reader = robot.carrier._graph._readers[0]
    first = reader._asked_s
    robot.spin(lambda: reader._asked_s > first, what="the next question")


def test_controller_that_goes_is_no_obstacle_any_more(robot, make_node):
    node = make_node(NAME)  # its executor never turns, so it stays unknown
    robot.spin(lambda: obstacle(robot), what="the obstacle")
    node.destroy_node()
    robot.spin(lambda: obstacle(robot) == "", what="the way to be free")
    robot.tick()
    assert robot.enable().success


def test_node_that_is_no_trajectory_controller_is_not_judged(robot, make_node):
    node = make_node(NAME)
    node.declare_parameter("kp", 1.0)
    robot.spin(lambda: True, node)
    judged(robot)
    assert robot.enable().success


def test_no_controller_is_asked_when_bare_positions_are_sent(make_node, spin):
    robot = TurnedRobot(make_node, spin, output_mode='["forward_position", "joint_trajectory"]')
    readers = robot.carrier._graph._readers
    assert [reader._controller for reader in readers] == ["/right_arm_controller"]
