# SPDX-License-Identifier: Apache-2.0
"""A second writer of chunks or commands keeps the arms from moving, or stops them."""

from __future__ import annotations

import os
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
from onestep_vla_ros.faults.withheld import Withheld  # noqa: E402
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
def output_mode():
    return '["joint_trajectory", "joint_trajectory"]'


@pytest.fixture
def robot(make_node, spin, output_mode):
    return TurnedRobot(make_node, spin, output_mode=output_mode)


@pytest.fixture
def until(robot):
    """Spin until it holds, no longer than the bound and what the machine withheld meanwhile."""
    with Withheld() as machine:
        machine.watch(os.getpid())

        def until(predicate, limit_s=BOUND_S):
            since_s = time.monotonic()
            robot.spin(predicate, what="what the watch has to see")
            took_s = time.monotonic() - since_s
            assert took_s <= limit_s + machine.worst_s(since_s)

        yield until


def mode(robot):
    robot.tick()
    return robot.trace.mode


@pytest.mark.parametrize("topic", TOPICS)
def test_second_publisher_is_a_fault_while_enabled(robot, until, make_node, topic):
    robot.run()
    intruder = make_node("intruder")
    intruder.create_publisher(JointTrajectory, topic, 1)
    until(lambda: mode(robot) is Mode.FAULT)
    robot.until_status(lambda: topic in robot.status["reason"], "the reason")
    assert "/intruder" in robot.status["reason"]
    assert robot.ticks(60) is Mode.FAULT


@pytest.mark.parametrize("topic", TOPICS)
def test_second_publisher_refuses_enable_by_name_until_it_is_gone(robot, until, make_node, topic):
    intruder = make_node("intruder")
    publisher = intruder.create_publisher(JointTrajectory, topic, 1)
    obstacle = robot.carrier.bridge.impediments.obstacle
    until(lambda: obstacle(topic))
    robot.tick()
    answer = robot.enable()
    assert not answer.success
    assert topic in answer.message
    assert "intruder" in answer.message
    intruder.destroy_publisher(publisher)
    until(lambda: not obstacle(topic))
    robot.tick()
    assert robot.enable().success


@pytest.mark.parametrize("output_mode", ['["forward_position", "forward_position"]'])
def test_topics_of_the_chosen_output_are_watched(robot, until, make_node):
    intruder = make_node("intruder")
    intruder.create_publisher(JointTrajectory, "left_arm_controller/joint_trajectory", 1)
    intruder.create_publisher(Float64MultiArray, "right_arm_controller/commands", 1)
    impediments = robot.carrier.bridge.impediments
    until(lambda: impediments.obstacle("right_arm_controller/commands"))
    assert "left_arm" not in impediments.obstacles


def test_killed_publisher_is_out_of_the_graph_within_three_seconds(robot, until):
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
        until(lambda: count("/action_chunk") == 0, limit_s=3.0)
    finally:
        child.kill()
        child.wait()
