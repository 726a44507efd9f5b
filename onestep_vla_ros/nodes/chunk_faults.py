# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with an action_chunk message, for the fault rig's chunk source and relay."""

from __future__ import annotations

import copy
import math
import random

import numpy as np
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
    """Spoils chunks as `kind` says, `count` of them (0: all).

    Args:
        rng: Where chance comes from.

    Attributes:
        kind: One of `CHUNK_FAULTS`.
        count: How many are still to be spoilt; 0 means until `kind` is changed.
    """

    def __init__(self, rng: random.Random) -> None:
        self.kind = "none"
        self.count = 0
        self._rng = rng

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
