# SPDX-License-Identifier: Apache-2.0
"""The topic of an arm that takes increments: one action a control period."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Duration, Time
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from onestep_vla_ros.core.command import Command
from onestep_vla_ros.nodes.outputs import Output
from onestep_vla_ros.nodes.qos import EVERY

TOPIC = "arm_controller/action"
_NANO = 1_000_000_000


class ActionOutput:
    """Publishes what the arm is to do in one control period.

    The stamp is when the action begins, the one point's time its duration: an action that comes
    after its period is over must not be carried out, and none must be carried out twice.

    Args:
        node: Where the publisher lives.
        names: Of an action's parts.
        period_s: Control period [s].

    Attributes:
        topic: Its relative name.
    """

    topic = TOPIC

    def __init__(self, node: Node, names: Sequence[str], period_s: float) -> None:
        # every one: an increment that is lost is motion that is lost
        self._publisher = node.create_publisher(JointTrajectory, TOPIC, EVERY)
        self._period_ns = round(period_s * _NANO)
        duration = Duration(sec=self._period_ns // _NANO, nanosec=self._period_ns % _NANO)
        point = JointTrajectoryPoint(time_from_start=duration)
        point.positions = array("d", bytes(8 * len(names)))
        self._row = np.frombuffer(point.positions, np.float64)
        self._message = JointTrajectory(joint_names=list(names), points=[point])

    def send(self, command: Command, stamp: Time) -> None:
        """Publish a command's action (J,), which ends at `stamp`."""
        assert command.q is not None  # noqa: S101 - ActionOutputs asks first
        self._row[:] = command.q
        ns = max(stamp.sec * _NANO + stamp.nanosec - self._period_ns, 0)
        self._message.header.stamp = Time(sec=ns // _NANO, nanosec=ns % _NANO)
        self._publisher.publish(self._message)


class ActionOutputs:
    """All topics that the bridge writes to such an arm: one.

    Args:
        node: Where the publisher lives.
        names: Of an action's parts.
        period_s: Control period [s].

    Attributes:
        by_name: "arm" to its output.
    """

    def __init__(self, node: Node, names: Sequence[str], period_s: float) -> None:
        self._output = ActionOutput(node, names, period_s)
        self.by_name: dict[str, Output] = {"arm": self._output}

    def send(self, command: Command, stamp: Time) -> None:
        """Publish a command's action, which ends at `stamp`; nothing without output."""
        if command.q is not None:
            self._output.send(command, stamp)
