# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with an action_chunk message, for the fault rig's chunk source and relay."""

from __future__ import annotations

import copy
import math
import random
import time

import numpy as np
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.nodes.messages import MAX_POINTS, to_duration, to_seconds, to_stamp

CHUNK_FAULTS = (
    "none",
    "nan",
    "infinite",
    "denormal",
    "names",
    "one_joint_less",
    "empty",
    "one_point",
    "ragged",
    "uneven",
    "falling",
    "long",
    "huge",
    "jump",
    "fast",
    "twice",
    "old",
    "shuffled",
    "future",
    "silence",
)
"""Names of the faults; "none" sends the chunk as it is."""

_OLD_S = 0.1
_FUTURE_S = 0.5
_SHUFFLED = 20


class ChunkFaults:
    """Spoils chunks as a node's parameter `fault` says, `count` of them (0: all).

    Setting either answers with the system time at which it was done: a chunk may go out
    before the caller has the answer.

    Args:
        node: Gets the parameters `fault`, `count` and `seed`.

    Attributes:
        kind: One of `CHUNK_FAULTS`.
        count: How many are still to be spoilt; 0 means until `kind` is changed.
    """

    def __init__(self, node: Node) -> None:
        self.kind = str(node.declare_parameter("fault", "none").value)
        self.count = int(node.declare_parameter("count", 0).value)
        self._rng = random.Random(node.declare_parameter("seed", 0).value)  # noqa: S311
        node.add_on_set_parameters_callback(self._on_parameters)

    def spoil(self, message: JointTrajectory) -> list[JointTrajectory]:
        """Return the messages to send instead of `message`, in this order."""
        kind = self.kind
        if kind == "none":
            return [message]
        if self.count:
            self.count -= 1
            if self.count == 0:
                self.kind = "none"
        if kind == "silence":
            return []
        if kind in ("twice", "shuffled", "old"):
            return self._several(kind, message)
        getattr(self, f"_{kind}")(message)
        return [message]

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name == "fault":
                if parameter.value not in CHUNK_FAULTS:
                    reason = f"fault; got: {parameter.value!r}; allowed: {list(CHUNK_FAULTS)}"
                    return SetParametersResult(successful=False, reason=reason)
                self.kind = parameter.value
            elif parameter.name == "count":
                self.count = int(parameter.value)
        return SetParametersResult(successful=True, reason=repr(time.time()))

    def _several(self, kind: str, message: JointTrajectory) -> list[JointTrajectory]:
        if kind == "twice":
            return [message, message]
        stamp_s = to_seconds(message.header.stamp)
        ages = [0.0, _OLD_S] if kind == "old" else [0.002 * i for i in range(_SHUFFLED)]
        if kind == "shuffled":
            self._rng.shuffle(ages)
        found = []
        for age_s in ages:
            one = copy.deepcopy(message)
            one.header.stamp = to_stamp(stamp_s - age_s)
            found.append(one)
        return found

    def _any(self, message: JointTrajectory) -> tuple[int, int]:
        """Return a waypoint and a joint, drawn by chance."""
        joint = self._rng.randrange(len(message.joint_names))
        return self._rng.randrange(len(message.points)), joint

    def _put(self, message: JointTrajectory, value: float) -> None:
        i, j = self._any(message)
        message.points[i].positions[j] = value

    def _nan(self, message: JointTrajectory) -> None:
        self._put(message, math.nan)

    def _infinite(self, message: JointTrajectory) -> None:
        self._put(message, self._rng.choice((math.inf, -math.inf)))

    def _denormal(self, message: JointTrajectory) -> None:
        self._put(message, 5e-324)

    def _names(self, message: JointTrajectory) -> None:
        message.joint_names[self._any(message)[1]] = "elbow"

    def _one_joint_less(self, message: JointTrajectory) -> None:
        message.joint_names = list(message.joint_names)[:-1]
        for point in message.points:
            point.positions = list(point.positions)[:-1]

    def _empty(self, message: JointTrajectory) -> None:
        message.points = []

    def _one_point(self, message: JointTrajectory) -> None:
        message.points = message.points[:1]

    def _ragged(self, message: JointTrajectory) -> None:
        point = message.points[self._any(message)[0]]
        point.positions = list(point.positions)[:5]

    def _uneven(self, message: JointTrajectory) -> None:
        point = message.points[len(message.points) // 2]
        point.time_from_start = to_duration(to_seconds(point.time_from_start) + 0.02)

    def _falling(self, message: JointTrajectory) -> None:
        message.points = list(reversed(message.points))

    def _long(self, message: JointTrajectory) -> None:
        for point in message.points:
            point.time_from_start = to_duration(10.0 * to_seconds(point.time_from_start))

    def _huge(self, message: JointTrajectory) -> None:
        points = list(message.points)
        message.points = [copy.copy(points[i % len(points)]) for i in range(4 * MAX_POINTS)]

    def _jump(self, message: JointTrajectory) -> None:
        _, j = self._any(message)
        for point in message.points:
            point.positions[j] += 0.6 if j % 7 != 6 else 1.5

    def _fast(self, message: JointTrajectory) -> None:
        rows = np.array([point.positions for point in message.points])
        swing = 0.2 * np.sin(3.0 * np.arange(1, len(rows) + 1))[:, None]
        for point, row in zip(message.points, rows + swing, strict=True):
            point.positions = row.tolist()

    def _future(self, message: JointTrajectory) -> None:
        message.header.stamp = to_stamp(to_seconds(message.header.stamp) + _FUTURE_S)
