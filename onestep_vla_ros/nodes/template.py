# SPDX-License-Identifier: Apache-2.0
"""A trajectory message that is written by numpy into bytes that the middleware made before.

rclpy turns a message into bytes field by field, some 100 us for 22 points; at 250 Hz and two
arms that is a third of the tick. Here the middleware serializes one message full of marks, the
marks tell where each number lies, and from then on the numbers are written there.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Duration, Time
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from onestep_vla_ros.core.errors import OneStepError

_NANO = 1_000_000_000
_HEADER = 4
"""Bytes before the first field; fields are aligned from there on."""
_MARKS = np.random.default_rng(0)
"""New marks for every template: between fields lies what the memory held before."""


class TemplateError(OneStepError):
    """The middleware lays messages out in a way that this file does not know."""


class TrajectoryTemplate:
    """Bytes of a JointTrajectory with a fixed number of points, each with q, qd and qdd.

    Args:
        names: Its joints, J of them.
        points: K, how many points.

    Raises:
        TemplateError: A mark was not found, or more than once.
    """

    def __init__(self, names: Sequence[str], points: int) -> None:
        joints = len(names)
        numbers = _MARKS.uniform(1.0, 2.0, (points, 3, joints))
        words = _MARKS.choice(2**30, 2 * points + 2, replace=False)
        message = JointTrajectory(joint_names=list(names))
        message.header.stamp = Time(sec=int(words[0]), nanosec=int(words[1]))
        for row, (sec, nanosec) in zip(numbers, words[2:].reshape(-1, 2).tolist(), strict=True):
            point = JointTrajectoryPoint(time_from_start=Duration(sec=sec, nanosec=nanosec))
            point.positions, point.velocities, point.accelerations = (
                array("d", part.tolist()) for part in row
            )
            message.points.append(point)
        raw = serialize_message(message)
        padding = -(len(raw) - _HEADER) % 8
        self._prefix = raw[:_HEADER]
        self._body = np.frombuffer(raw[_HEADER:] + bytes(padding), np.uint8).copy()
        self._numbers, self._words = self._body.view(np.float64), self._body.view(np.uint32)
        at_numbers = _places(self._numbers, numbers.ravel()).reshape(points, 3, joints)
        self._at_numbers = np.moveaxis(at_numbers, 1, 0).copy()
        self._at_words = _places(self._words, words.astype(np.uint32))
        # the last point's time is the last field; bytes beyond it are none of the message's
        self._length = 4 * int(self._at_words[-1]) + 4

    def fill(self, stamp: Time, times_ns: NDArray[np.int64], states: NDArray[np.float64]) -> bytes:
        """Return the message's bytes.

        Args:
            stamp: Of its header.
            times_ns: `time_from_start` of every point, (K,) [ns].
            states: q, qd and qdd of every point, (3, K, J), in the unit of the wire.
        """
        self._numbers[self._at_numbers] = states
        words = np.empty((len(times_ns) + 1, 2), np.uint32)
        words[0] = stamp.sec, stamp.nanosec
        words[1:, 0], words[1:, 1] = np.divmod(times_ns, _NANO)
        self._words[self._at_words] = words.ravel()
        return bytes(self._prefix + self._body.data[: self._length])


def _places(values: NDArray[np.generic], marks: NDArray[np.generic]) -> NDArray[np.intp]:
    """Return where each mark lies among `values`."""
    order = np.argsort(values, kind="stable")
    first = np.searchsorted(values, marks, side="left", sorter=order)
    last = np.searchsorted(values, marks, side="right", sorter=order)
    if not (last - first == 1).all():
        raise TemplateError("a serialized message does not hold every number once, aligned")
    places: NDArray[np.intp] = order[first]
    return places
