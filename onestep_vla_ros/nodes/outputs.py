# SPDX-License-Identifier: Apache-2.0
"""The controllers' topics: one message a period for each arm, and for each gripper of its own."""

from __future__ import annotations

from array import array
from typing import Protocol

import numpy as np
from builtin_interfaces.msg import Duration, Time
from numpy.typing import NDArray
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.command import Command, Tail
from onestep_vla_ros.core.joints import ARMS, DOF, GRIPPER_INDEX
from onestep_vla_ros.core.wire_units import WireUnits
from onestep_vla_ros.nodes.qos import RELIABLE
from onestep_vla_ros.nodes.template import TrajectoryTemplate

_NANO = 1_000_000_000
_REST_NS = 100_000_000
"""After the last knot the arm is told to rest this much longer, so that a message that only
says "stay" is not refused as past when it comes late [ns]."""


class Output(Protocol):
    """One topic that a controller or driver obeys.

    Attributes:
        topic: Its relative name.
    """

    topic: str


class Outputs:
    """All topics that the bridge writes to a robot; messages are built in place and reused.

    Args:
        node: Where the publishers live.
        config: Modes, joints in their order, scale and offset.

    Attributes:
        by_name: "left", "right" and, with topics of their own, "left_gripper", "right_gripper".
        units: Names and order of each message's joints.
        grippers: The grippers' names on the wire.
    """

    def __init__(self, node: Node, config: BridgeConfig) -> None:
        self.units = units = WireUnits(config)
        self.grippers = [config.joint_names[i] for i in GRIPPER_INDEX]
        modes = dict(zip(ARMS, config.output_mode, strict=True))
        modes |= {f"{arm}_gripper": config.gripper_output for arm in ARMS}
        self.by_name: dict[str, Output] = {}
        self._trajectories: list[TrajectoryOutput] = []
        self._set_points: list[PointOutput | PositionOutput] = []
        for name, mode in modes.items():
            if not units.orders[name]:
                continue
            controller = name if name.endswith("_gripper") else f"{name}_arm"
            topic = f"{controller}_controller"
            if mode == "joint_trajectory":
                trajectory = TrajectoryOutput(node, topic, name, units)
                self.by_name[name] = trajectory
                self._trajectories.append(trajectory)
                continue
            output = (
                PointOutput(node, topic, name, units, config.control_period_s)
                if mode == "joint_trajectory_point"
                else PositionOutput(node, topic, name, units)
            )
            self.by_name[name] = output
            self._set_points.append(output)
        self._parts = [trajectory.part for trajectory in self._trajectories]

    def send(self, command: Command, stamp: Time) -> None:
        """Publish a command's part on every topic, due at `stamp`; nothing without output."""
        if command.q is None:
            return
        if self._trajectories:
            for trajectory, tail in zip(
                self._trajectories, command.tails(self._parts), strict=True
            ):
                trajectory.send(tail, stamp)
        for output in self._set_points:
            output.send(command.q, stamp)


class TrajectoryOutput:
    """The way from the set point to rest, with velocities and accelerations, on one topic.

    The stamp is the set point's time, never in the controller's past; until then it follows
    the message before. Knots lie where the jerk switches, so its quintics keep the limits.

    Attributes:
        topic: Its relative name.
        part: Its joints in the 14-D vector.
    """

    def __init__(self, node: Node, controller: str, name: str, units: WireUnits) -> None:
        self._name, self._units = name, units
        order = units.orders[name]
        self.part = slice(min(order), max(order) + 1)
        self.topic = f"{controller}/joint_trajectory"
        self._publisher = node.create_publisher(JointTrajectory, self.topic, RELIABLE)
        most = 3 * len(order) + 1
        self._templates = [TrajectoryTemplate(units.names[name], k) for k in range(2, most + 2)]

    def send(self, tail: Tail, stamp: Time) -> None:
        """Publish the tail of this topic's joints."""
        knots = len(tail.times_s)
        full = np.zeros((3, knots + 1, DOF))  # the last knot twice: there the arm rests
        for i, values in enumerate((tail.q, tail.qd, tail.qdd)):
            full[i, :knots, self.part], full[i, knots, self.part] = values, values[-1]
        states = self._units.rates_to_wire(self._name, full)
        states[0] = self._units.to_wire(self._name, full[0])
        times_ns = np.empty(knots + 1, np.int64)
        times_ns[:knots] = np.rint(tail.times_s * _NANO)
        times_ns[knots] = times_ns[knots - 1] + _REST_NS
        self._publisher.publish(self._templates[knots - 1].fill(stamp, times_ns, states))


class PointOutput:
    """One position a period, for drivers that execute a message's last point and no time.

    The point is due one period after its message's stamp, so at the set point's own time.
    """

    def __init__(
        self, node: Node, controller: str, name: str, units: WireUnits, period_s: float
    ) -> None:
        self._name, self._units = name, units
        self.topic = f"{controller}/joint_trajectory"
        self._publisher = node.create_publisher(JointTrajectory, self.topic, RELIABLE)
        self._period_ns = round(period_s * _NANO)
        point = JointTrajectoryPoint(time_from_start=Duration(nanosec=self._period_ns))
        point.positions = _zeros(len(units.orders[name]))
        # the message's own array: a setter copies unless it checks its field
        self._row = np.frombuffer(point.positions, np.float64)
        self._message = JointTrajectory(joint_names=units.names[name], points=[point])

    def send(self, q: NDArray[np.float64], stamp: Time) -> None:
        """Publish the set point q (14,), this topic's joints of it."""
        self._row[:] = self._units.to_wire(self._name, q)
        ns = max(stamp.sec * _NANO + stamp.nanosec - self._period_ns, 0)
        self._message.header.stamp = Time(sec=ns // _NANO, nanosec=ns % _NANO)
        self._publisher.publish(self._message)


class PositionOutput:
    """Bare positions for a forward_command_controller; it has no timeout of its own."""

    def __init__(self, node: Node, controller: str, name: str, units: WireUnits) -> None:
        self._name, self._units = name, units
        self.topic = f"{controller}/commands"
        self._publisher = node.create_publisher(Float64MultiArray, self.topic, RELIABLE)
        self._message = Float64MultiArray(data=_zeros(len(units.orders[name])))
        # the message's own array, which is written in place: its setter may have copied
        self._row = np.frombuffer(self._message.data, np.float64)

    def send(self, q: NDArray[np.float64], stamp: Time) -> None:
        """Publish the set point q (14,), this topic's joints; `stamp` has no place in it."""
        self._row[:] = self._units.to_wire(self._name, q)
        self._publisher.publish(self._message)


def _zeros(count: int) -> array[float]:
    return array("d", bytes(8 * count))
