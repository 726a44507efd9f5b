# SPDX-License-Identifier: Apache-2.0
"""A second writer of chunks or commands keeps the arms from moving, or stops them."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from std_msgs.msg import Float64MultiArray  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402
from turned_robot import TurnedRobot  # noqa: E402

from onestep_vla_ros.core.supervisor import Mode  # noqa: E402
from onestep_vla_ros.leash import die_with_parent  # noqa: E402

BOUND_S = 1.0
TOPICS = ("action_chunk", "left_arm_controller/joint_trajectory")
LONELY = """
import time, rclpy
from trajectory_msgs.msg import JointTrajectory
rclpy.init()
publisher = rclpy.create_node("lonely").create_publisher(JointTrajectory, "action_chunk", 1)
while True:
    time.sleep(1.0)
"""


@pytest.fixture
def robot(make_node, spin):
    return TurnedRobot(make_node, spin)


def until(robot, predicate, limit_s=BOUND_S):
    """Spin until it holds; return how long that took [s]."""
    since_s = time.monotonic()
    robot.spin(predicate, what="what the watch has to see")
    took_s = time.monotonic() - since_s
    assert took_s <= limit_s
    return took_s


def mode(robot):
    robot.tick()
    return robot.trace.mode


@pytest.mark.parametrize("topic", TOPICS)
def test_second_publisher_is_a_fault_while_enabled(robot, make_node, topic):
    robot.run()
    intruder = make_node("intruder")
    intruder.create_publisher(JointTrajectory, topic, 1)
    until(robot, lambda: mode(robot) is Mode.FAULT)
    robot.until_status(lambda: topic in robot.status["reason"], "the reason")
    assert "/intruder" in robot.status["reason"]
    assert robot.ticks(60) is Mode.FAULT


@pytest.mark.parametrize("topic", TOPICS)
def test_second_publisher_refuses_enable_by_name_until_it_is_gone(robot, make_node, topic):
    intruder = make_node("intruder")
    publisher = intruder.create_publisher(JointTrajectory, topic, 1)
    obstacle = robot.carrier.bridge.impediments.obstacle
    until(robot, lambda: obstacle(topic))
    robot.tick()
    answer = robot.enable()
    assert not answer.success
    assert topic in answer.message
    assert "intruder" in answer.message
    intruder.destroy_publisher(publisher)
    until(robot, lambda: not obstacle(topic))
    robot.tick()
    assert robot.enable().success


def test_topics_of_the_chosen_output_are_watched(make_node, spin):
    robot = TurnedRobot(make_node, spin, output_mode='["forward_position", "forward_position"]')
    intruder = make_node("intruder")
    intruder.create_publisher(JointTrajectory, "left_arm_controller/joint_trajectory", 1)
    intruder.create_publisher(Float64MultiArray, "right_arm_controller/commands", 1)
    impediments = robot.carrier.bridge.impediments
    until(robot, lambda: impediments.obstacle("right_arm_controller/commands"))
    assert "left_arm" not in impediments.obstacles


def test_killed_publisher_is_out_of_the_graph_within_three_seconds(robot):
    """A policy that is started again after 3 s must be no second publisher (lease, fastdds.xml).

    By default a killed process stays in the graph for 20 s.
    """
    robot.node.destroy_publisher(robot.chunks)
    count = robot.bridge.count_publishers
    robot.spin(lambda: count("/action_chunk") == 0, what="our own publisher's end")
    child = subprocess.Popen([sys.executable, "-c", LONELY], preexec_fn=die_with_parent())
    try:
        robot.spin(lambda: count("/action_chunk") == 1, what="the child's publisher")
        child.kill()
        child.wait()
        until(robot, lambda: count("/action_chunk") == 0, limit_s=3.0)
    finally:
        child.kill()
        child.wait()
