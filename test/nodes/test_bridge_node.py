# SPDX-License-Identifier: Apache-2.0
"""The real bridge node on real topics, in simulated time that the test turns."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from conftest import HOME  # noqa: E402
from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402
from std_srvs.srv import SetBool, Trigger  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from onestep_vla_ros.core.chunk import Chunk  # noqa: E402
from onestep_vla_ros.core.joints import DOF, JOINT_NAMES  # noqa: E402
from onestep_vla_ros.core.supervisor import Mode  # noqa: E402
from onestep_vla_ros.nodes.bridge_node import BridgeCarrier  # noqa: E402
from onestep_vla_ros.nodes.messages import (  # noqa: E402
    arrays_to_joint_state,
    chunk_to_trajectory,
    to_seconds,
    to_stamp,
)
from onestep_vla_ros.nodes.qos import EVERY, LATCHED, RELIABLE, SENSOR  # noqa: E402
from onestep_vla_ros.nodes.status import read_status  # noqa: E402
from onestep_vla_ros.nodes.trace import Trace  # noqa: E402

TC = 0.01


class Robot:
    """Plays clock, arms and policy towards one bridge node."""

    def __init__(self, make_node, spin, **parameters):
        self._spin = spin
        self.bridge = make_node("bridge", "bridge.yaml", use_sim_time="true", **parameters)
        BridgeCarrier(self.bridge)
        self.node = node = make_node("robot")
        self.now_s, self.q, self.trace = 1.0, HOME.copy(), None
        self.commands = {"left": [], "right": []}
        self.positions = []
        self.status = {}
        self._clock = node.create_publisher(Clock, "/clock", EVERY)
        self._joints = node.create_publisher(JointState, "joint_states", SENSOR)
        self._chunks = node.create_publisher(JointTrajectory, "action_chunk", RELIABLE)
        for arm, commands in self.commands.items():
            topic = f"{arm}_arm_controller/joint_trajectory"
            node.create_subscription(JointTrajectory, topic, commands.append, EVERY)
        node.create_subscription(
            Float64MultiArray, "left_arm_controller/commands", self.positions.append, EVERY
        )
        node.create_subscription(Float64MultiArray, "bridge/trace", self._on_trace, EVERY)
        node.create_subscription(DiagnosticStatus, "bridge/status", self._on_status, LATCHED)
        self._spin(self._is_connected, self.bridge, node, what="discovery")
        self.ticks(2)

    def _is_connected(self):
        outward = (self._clock, self._joints, self._chunks)
        names = dict(self.node.get_service_names_and_types())
        return (
            all(p.get_subscription_count() for p in outward)
            and self.node.count_publishers("bridge/trace")
            and "/bridge/reset" in names
        )

    def _on_trace(self, message):
        self.trace = Trace.from_message(message)

    def _on_status(self, message):
        self.status = read_status(message)

    def send_joints(self, message):
        self._joints.publish(message)

    def tick(self, *, joints=True):
        """One control period, to the end of the bridge's tick."""
        self.now_s = round(self.now_s + TC, 6)
        if joints:
            self._joints.publish(arrays_to_joint_state(self.q, np.zeros(DOF), self.now_s))
        self._clock.publish(Clock(clock=to_stamp(self.now_s)))
        self._spin(
            lambda: self.trace is not None and self.trace.tick_s >= self.now_s - 1e-6,
            what=f"the tick of {self.now_s}",
        )

    def ticks(self, count, **how):
        for _ in range(count):
            self.tick(**how)
        return self.trace.mode

    def send_chunk(self, q):
        """Send waypoints (16, 14) observed now and let the bridge hear them."""
        message = chunk_to_trajectory(Chunk(q, self.now_s, 0.04))
        self._chunks.publish(message)
        return message

    def call(self, kind, name, request=None):
        client = self.node.create_client(kind, name)
        self._spin(client.service_is_ready, what=name)
        future = client.call_async(request or kind.Request())
        self._spin(future.done, what=f"answer of {name}")
        return future.result()

    def enable(self, wanted=True):
        return self.call(SetBool, "bridge/enable", SetBool.Request(data=wanted))


@pytest.fixture
def robot(make_node, spin):
    return Robot(make_node, spin)


def reach(step):
    return np.tile(HOME, (16, 1)) + step * np.arange(1, 17)[:, None] * (np.arange(DOF) == 0)


def run(robot):
    """Enable and follow a chunk that moves the first joint."""
    assert robot.enable().success
    assert robot.ticks(2) is Mode.HOLD
    robot.send_chunk(reach(0.01))
    robot.ticks(12)
    assert robot.trace.mode is Mode.RUN


def test_nothing_is_commanded_before_enable(robot):
    robot.send_chunk(reach(0.01))
    assert robot.ticks(5) is Mode.IDLE
    assert robot.commands == {"left": [], "right": []}
    robot.ticks(100)
    assert "enable" in robot.status["reason"]


def test_chunk_moves_the_named_joint_and_every_message_ends_at_rest(robot):
    run(robot)
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
    run(robot)
    assert robot.ticks(4, joints=False) is Mode.RUN
    assert robot.ticks(2, joints=False) is Mode.STOP
    assert robot.ticks(100, joints=False) is Mode.FAULT
    assert robot.ticks(5) is Mode.FAULT


def test_joint_state_that_is_not_finite_is_a_fault(robot):
    run(robot)
    message = arrays_to_joint_state(robot.q, np.zeros(DOF), robot.now_s + TC)
    message.position[4] = float("nan")
    robot.send_joints(message)
    assert robot.ticks(3) is Mode.FAULT
    assert "left_joint5" in robot.status["reason"]


def test_stop_latches_until_reset_and_reset_needs_enable(robot):
    run(robot)
    assert robot.call(Trigger, "bridge/stop").success
    assert robot.ticks(2) is Mode.STOP
    assert not robot.call(Trigger, "bridge/reset").success
    assert robot.ticks(60) is Mode.STOP
    assert not robot.enable().success
    answer = robot.call(Trigger, "bridge/reset")
    assert answer.success, answer.message
    assert robot.ticks(2) is Mode.IDLE
    assert robot.enable().success
    assert robot.ticks(2) is Mode.HOLD


def test_disable_brakes_to_rest_then_nothing_is_commanded(robot):
    run(robot)
    assert robot.enable(False).success
    assert robot.ticks(60) is Mode.IDLE
    last = len(robot.commands["left"])
    assert set(robot.commands["left"][-1].points[0].velocities) == {0.0}
    robot.ticks(5)
    assert len(robot.commands["left"]) == last


def test_enable_is_refused_without_joint_states(make_node, spin):
    robot = Robot(make_node, spin)
    robot.ticks(20, joints=False)
    answer = robot.enable()
    assert not answer.success
    assert "joint" in answer.message


def test_formless_chunk_is_counted_and_the_arms_go_on(robot):
    run(robot)
    message = chunk_to_trajectory(Chunk(reach(0.02), robot.now_s, 0.04))
    message.joint_names[0] = "elbow"
    robot._chunks.publish(message)
    assert robot.ticks(3) is Mode.RUN
    robot.ticks(100)
    assert robot.status["count.action_chunk: malformed"] == "1"


def test_clock_that_stands_still_commands_nothing_new(robot):
    run(robot)
    before = len(robot.commands["left"])
    robot._clock.publish(Clock(clock=to_stamp(robot.now_s)))
    robot.trace = None
    robot._spin(lambda: robot.trace is not None, what="the answer to the same clock")
    assert len(robot.commands["left"]) == before


def test_positions_mode_sends_bare_positions(make_node, spin):
    robot = Robot(make_node, spin, output_mode="forward_position")
    run(robot)
    assert robot.commands["left"] == []
    assert len(robot.positions[-1].data) == 7
    assert robot.positions[-1].data[0] > HOME[0]
