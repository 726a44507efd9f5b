# SPDX-License-Identifier: Apache-2.0
"""Clock, arms and policy towards one real bridge node, in simulated time that the test turns."""

from __future__ import annotations

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool
from tiny_robot import HOME
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.joints import DOF
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.nodes.bridge_node import BridgeCarrier
from onestep_vla_ros.nodes.messages import (
    arrays_to_joint_state,
    chunk_to_trajectory,
    start_pose_to_trajectory,
    to_stamp,
)
from onestep_vla_ros.nodes.qos import EVERY, LATCHED, RELIABLE, SENSOR
from onestep_vla_ros.nodes.status import read_status
from onestep_vla_ros.nodes.trace import Trace

TC = 0.01


class TurnedRobot:
    """Plays everybody else towards one bridge node; `tick` ends when the bridge's tick has."""

    def __init__(self, make_node, spin, **parameters):
        self.spin = spin
        parameters.setdefault("start_check", '"off"')
        self.bridge = make_node("bridge", "bridge.yaml", use_sim_time="true", **parameters)
        self.carrier = BridgeCarrier(self.bridge)
        self.node = node = make_node("robot")
        self.now_s, self.q, self.trace = 1.0, HOME.copy(), None
        self.chunk_s = np.nan
        self.commands = {"left": [], "right": []}
        self.grippers, self.positions = [], []
        self.status, self.words = {}, ""
        self.clock = node.create_publisher(Clock, "/clock", EVERY)
        self.joints = node.create_publisher(JointState, "joint_states", SENSOR)
        self.chunks = node.create_publisher(JointTrajectory, "action_chunk", RELIABLE)
        self.start_pose = node.create_publisher(JointTrajectory, "policy/start_pose", LATCHED)
        for arm, commands in self.commands.items():
            topic = f"{arm}_arm_controller/joint_trajectory"
            node.create_subscription(JointTrajectory, topic, commands.append, EVERY)
        self._hear(Float64MultiArray, "left_arm_controller/commands", self.positions.append)
        self._hear(Float64MultiArray, "right_gripper_controller/commands", self.grippers.append)
        self._hear(Float64MultiArray, "bridge/trace", self._on_trace)
        node.create_subscription(DiagnosticStatus, "bridge/status", self._on_status, LATCHED)
        self.spin(self._is_connected, self.bridge, node, what="discovery")
        self.ticks(2)

    def _hear(self, kind, topic, take):
        self.node.create_subscription(kind, topic, take, EVERY)

    def _is_connected(self):
        outward = (self.clock, self.joints, self.chunks, self.start_pose)
        names = dict(self.node.get_service_names_and_types())
        return (
            all(p.get_subscription_count() for p in outward)
            and self.node.count_publishers("bridge/trace")
            and "/bridge/stop" in names
        )

    def _on_trace(self, message):
        self.trace = Trace.from_message(message)

    def _on_status(self, message):
        self.status, self.words = read_status(message), message.message

    def tick(self, *, joints=True, period_s=TC):
        """One control period, to the end of the bridge's tick."""
        self.now_s = round(self.now_s + period_s, 6)
        if joints:
            self.joints.publish(arrays_to_joint_state(self.q, np.zeros(DOF), self.now_s))
        self.clock.publish(Clock(clock=to_stamp(self.now_s)))
        self.spin(
            lambda: self.trace is not None and self.trace.tick_s >= self.now_s - 1e-6,
            what=f"the tick of {self.now_s}",
        )

    def ticks(self, count, **how):
        for _ in range(count):
            self.tick(**how)
        return self.trace.mode

    def send_chunk(self, q):
        """Send waypoints (16, 14) observed now."""
        self.chunk_s = self.now_s
        self.chunks.publish(chunk_to_trajectory(Chunk(q, self.now_s, 0.04)))

    def send_start_pose(self, low, high):
        self.start_pose.publish(start_pose_to_trajectory(low, high))

    def ask(self, kind, name, request=None):
        """Call a service; return the future of its answer."""
        client = self.node.create_client(kind, name)
        self.spin(client.service_is_ready, what=name)
        return client.call_async(request or kind.Request())

    def call(self, kind, name, request=None):
        future = self.ask(kind, name, request)
        self.spin(future.done, what=f"answer of {name}")
        return future.result()

    def enable(self, wanted=True):
        return self.call(SetBool, "bridge/enable", SetBool.Request(data=wanted))

    def run(self):
        """Enable and follow a chunk that moves the first joint."""
        assert self.enable().success
        assert self.ticks(2) is Mode.HOLD
        self.send_chunk(reach(0.01))
        self.ticks(12)
        assert self.trace.mode is Mode.RUN

    def until_status(self, predicate, what):
        """Spin until a published status satisfies `predicate`."""
        self.spin(predicate, what=what)


def reach(step):
    """Waypoints (16, 14) that move the first joint by `step` each."""
    return np.tile(HOME, (16, 1)) + step * np.arange(1, 17)[:, None] * (np.arange(DOF) == 0)
