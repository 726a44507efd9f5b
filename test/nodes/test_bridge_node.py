# SPDX-License-Identifier: Apache-2.0
"""The real bridge node on real topics, in simulated time that the test turns."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from rosgraph_msgs.msg import Clock  # noqa: E402
from tiny_robot import HOME  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402
from turned_robot import TC, TurnedRobot, reach  # noqa: E402

from onestep_vla_ros.core.chunk import Chunk  # noqa: E402
from onestep_vla_ros.core.joints import DOF, JOINT_NAMES  # noqa: E402
from onestep_vla_ros.core.supervisor import Mode  # noqa: E402
from onestep_vla_ros.nodes.messages import (  # noqa: E402
    arrays_to_joint_state,
    chunk_to_trajectory,
    to_seconds,
    to_stamp,
    trajectory_to_chunk,
)
from onestep_vla_ros.nodes.qos import LATCHED  # noqa: E402


@pytest.fixture
def robot(make_node, spin):
    return TurnedRobot(make_node, spin)


def test_nothing_is_commanded_before_enable(robot):
    robot.send_chunk(reach(0.01))
    assert robot.ticks(5) is Mode.IDLE
    assert robot.commands == {"left": [], "right": []}
    robot.until_status(lambda: "enable" in robot.status.get("reason", ""), "the reason")


def test_chunk_moves_the_named_joint_and_every_message_ends_at_rest(robot):
    robot.run()
    left, right = robot.commands["left"], robot.commands["right"]
    assert len(left) == len(right) > 10
    assert left[-1].joint_names == list(JOINT_NAMES[:7])
    assert left[-1].points[0].positions[0] > HOME[0] + 0.01
    assert left[0].points[0].positions.tolist() == HOME[:7].tolist()
    for message in left + right:
        assert set(message.points[-1].velocities) == {0.0}
        assert to_seconds(message.header.stamp) > 0.0
    stamps = [to_seconds(m.header.stamp) for m in left]
    assert np.diff(stamps) == pytest.approx(TC)
    assert robot.trace.chunk_stamp_s > 0.0


def test_lost_joint_states_stop_the_arms_and_loss_for_long_is_a_fault(robot):
    robot.run()
    assert robot.ticks(4, joints=False) is Mode.RUN
    assert robot.ticks(2, joints=False) is Mode.STOP
    assert robot.ticks(100, joints=False) is Mode.FAULT
    assert robot.ticks(5) is Mode.FAULT


def test_joint_state_that_is_not_finite_is_a_fault(robot):
    robot.run()
    message = arrays_to_joint_state(robot.q, np.zeros(DOF), robot.now_s + TC)
    message.position[4] = float("nan")
    robot.joints.publish(message)
    assert robot.ticks(3) is Mode.FAULT
    robot.until_status(lambda: "left_joint5" in robot.status["reason"], "the reason")


def test_disable_brakes_to_rest_then_nothing_is_commanded(robot):
    robot.run()
    assert robot.enable(False).success
    assert robot.ticks(60) is Mode.IDLE
    last = len(robot.commands["left"])
    assert set(robot.commands["left"][-1].points[0].velocities) == {0.0}
    robot.ticks(5)
    assert len(robot.commands["left"]) == last


def test_enable_is_refused_without_joint_states(make_node, spin):
    robot = TurnedRobot(make_node, spin)
    robot.ticks(20, joints=False)
    answer = robot.enable()
    assert not answer.success
    assert "joint" in answer.message


def test_formless_chunk_is_counted_and_the_arms_go_on(robot):
    robot.run()
    message = chunk_to_trajectory(Chunk(reach(0.02), robot.now_s, 0.04))
    message.joint_names[0] = "elbow"
    robot.chunks.publish(message)
    assert robot.ticks(3) is Mode.RUN
    key = "count.action_chunk: malformed"
    robot.until_status(lambda: robot.status.get(key) == "1", "the count")


def test_clock_that_stands_still_commands_nothing_new(robot):
    robot.run()
    before = len(robot.commands["left"])
    robot.clock.publish(Clock(clock=to_stamp(robot.now_s)))
    robot.trace = None
    robot.spin(lambda: robot.trace is not None, what="the answer to the same clock")
    assert len(robot.commands["left"]) == before


@pytest.mark.parametrize("mode", ["joint_trajectory", "forward_position"])
def test_a_tick_that_comes_too_early_is_not_sent_again(make_node, spin, mode):
    """It has the last command: sent twice, a streamed position stood still for a period."""
    robot = TurnedRobot(make_node, spin, output_mode=f'["{mode}", "{mode}"]')
    robot.enable()
    heard = robot.positions if mode == "forward_position" else robot.commands["left"]
    robot.ticks(5)
    robot.tick(period_s=0.0005)
    robot.tick(period_s=0.0095)
    robot.ticks(2)
    robot.spin(lambda: len(heard) >= 8, what="the commands of eight periods")
    robot.ticks(1)
    robot.spin(lambda: len(heard) >= 9, what="one more")
    assert len(heard) == 9


def test_the_plan_is_told_when_a_chunk_takes_over_and_when_it_ends(robot):
    told = []
    robot.node.create_subscription(JointTrajectory, "bridge/plan", told.append, LATCHED)
    robot.spin(lambda: robot.node.count_subscribers("bridge/plan"), what="discovery")
    robot.ticks(2)
    robot.spin(lambda: told and not told[-1].points, what="that nothing is followed")
    assert robot.enable().success
    robot.ticks(2)
    robot.spin(lambda: len(told) > 1, what="that the arms are held")
    held = trajectory_to_chunk(told[-1])
    assert np.array_equal(held.q, np.tile(HOME, (2, 1)))
    assert held.times_s[0] <= robot.now_s
    assert held.times_s[1] > robot.now_s + 3000.0
    robot.send_chunk(reach(0.01))
    robot.ticks(12)
    robot.spin(lambda: len(told[-1].points) > 2, what="the plan")
    plan, bridge = trajectory_to_chunk(told[-1]), robot.carrier.bridge
    for t_s, q in zip(plan.times_s, plan.q, strict=True):
        assert np.allclose(q, bridge.plan.sample(t_s)[0], atol=1e-9)
    assert plan.times_s[0] == pytest.approx(robot.chunk_s, abs=3 * TC)
    assert plan.times_s[-1] == pytest.approx(bridge.plan.end_s, abs=0.06)
    robot.ticks(80)  # the plan runs out
    robot.spin(lambda: len(told[-1].points) == 2, what="that the arms are held")
    assert trajectory_to_chunk(told[-1]).q[0, 0] > HOME[0] + 0.01
    assert len(told) <= 5
