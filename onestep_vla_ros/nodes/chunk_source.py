# SPDX-License-Identifier: Apache-2.0
"""chunk_source: stands in for a policy in the fault rig; no product.

It sends sane chunks that sway some joints around where the arms were at first, and spoils them
when the parameter `fault` says so; `count` says how many (0: until the fault is set again).
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from functools import partial

import numpy as np
from numpy.typing import NDArray
from rclpy.clock import Clock as RosClock
from rclpy.clock import ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.errors import JointError
from onestep_vla_ros.core.joints import DOF
from onestep_vla_ros.nodes.chunk_faults import ChunkFaults
from onestep_vla_ros.nodes.entry import run_node, spin_node
from onestep_vla_ros.nodes.messages import (
    chunk_to_trajectory,
    joint_state_to_arrays,
    start_pose_to_trajectory,
)
from onestep_vla_ros.nodes.qos import LATCHED, RELIABLE, SENSOR

_WAYPOINTS = 16
_WAYPOINT_S = 0.08
_SPEED = 0.8
_SWAY = np.array([0.5, 0.0, 0.4, 0.3, 0.3, 0.3, 0.2, -0.5, 0.0, 0.4, -0.3, 0.3, -0.3, 0.2])
"""How far each joint sways [rad, gripper 0..1]."""
_SWAY_HZ = 0.25
_SEND_S = 0.01
_ANYWHERE = 10.0
"""It may start from any pose [rad]."""


class ChunkSource:
    """Joint states in, chunks out, every `period_s` with `latency_s` between look and chunk.

    Thread: everything runs in the executor's single thread.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        node.declare_parameter("period_s", 0.2)
        node.declare_parameter("latency_s", 0.03)
        node.declare_parameter("topic", "action_chunk")
        self._home: NDArray[np.float64] | None = None
        self._newest: tuple[NDArray[np.float64], float] | None = None
        self._waiting: deque[tuple[float, JointTrajectory]] = deque()
        self._start_s = 0.0
        self.faults = ChunkFaults(node)
        topic = str(node.get_parameter("topic").value)
        self._chunks = node.create_publisher(JointTrajectory, topic, RELIABLE)
        poses = node.create_publisher(JointTrajectory, "policy/start_pose", LATCHED)
        poses.publish(start_pose_to_trajectory(np.full(DOF, -_ANYWHERE), np.full(DOF, _ANYWHERE)))
        node.create_subscription(JointState, "joint_states", self._on_joint_state, SENSOR)
        steady = RosClock(clock_type=ClockType.STEADY_TIME)
        period_s = float(node.get_parameter("period_s").value)
        node.create_timer(period_s, self.look, clock=steady)
        node.create_timer(_SEND_S, self.send_due, clock=steady)

    def look(self) -> None:
        """Take the newest joint state as observation; its chunk goes out after the latency."""
        if self._newest is None:
            return
        q, stamp_s = self._newest
        message = chunk_to_trajectory(Chunk(self._waypoints(q, stamp_s), stamp_s, _WAYPOINT_S))
        latency_s = float(self._node.get_parameter("latency_s").value)
        self._waiting.append((time.monotonic() + latency_s, message))

    def send_due(self) -> None:
        """Send the chunks whose latency is over."""
        while self._waiting and time.monotonic() >= self._waiting[0][0]:
            for spoilt in self.faults.spoil(self._waiting.popleft()[1]):
                self._chunks.publish(spoilt)

    def _waypoints(self, q: NDArray[np.float64], stamp_s: float) -> NDArray[np.float64]:
        """Return (16, 14): from q towards the sway at no more than `_SPEED`."""
        if self._home is None:
            self._home, self._start_s = q, stamp_s
        rows = []
        for i in range(_WAYPOINTS):
            phase = 2.0 * math.pi * _SWAY_HZ * (stamp_s - self._start_s + (i + 1) * _WAYPOINT_S)
            wanted = self._home + _SWAY * math.sin(phase)
            q = q + np.clip(wanted - q, -_SPEED * _WAYPOINT_S, _SPEED * _WAYPOINT_S)
            rows.append(q)
        return np.array(rows).reshape(_WAYPOINTS, DOF)

    def _on_joint_state(self, message: JointState) -> None:
        try:
            q, _, stamp_s = joint_state_to_arrays(message)
        except JointError:
            return
        self._newest = (q, stamp_s)


def main(arguments: list[str] | None = None) -> int:
    """Send chunks until shutdown."""
    return run_node("chunk_source", arguments, partial(spin_node, "chunk_source", ChunkSource))


if __name__ == "__main__":
    sys.exit(main())
