# SPDX-License-Identifier: Apache-2.0
"""Which clock deadlines run on: /clock in simulation, the steady clock on a robot."""

from __future__ import annotations

import time

from builtin_interfaces.msg import Time
from rclpy.node import Node

from onestep_vla_ros.core.stamp_offset import StampOffset

_NANO = 1_000_000_000
_APART_S = 0.001
_LOOKS = 5


class NodeClock:
    """Translates stamps, which are in ROS time, to the clock that deadlines run on.

    On a robot that is the steady clock: a jump of the wall clock must not move a deadline. In
    simulation both are /clock.
    """

    def __init__(self, node: Node) -> None:
        self._clock = node.get_clock()
        self.is_sim: bool = node.get_parameter("use_sim_time").value
        self._offset = StampOffset(0.0, 0.0) if self.is_sim else StampOffset(*_both_s())

    @property
    def jumps(self) -> int:
        """How often the wall clock was found to have jumped."""
        return self._offset.jumps

    def now_s(self) -> float:
        """Return the present on the deadlines' clock [s]."""
        return float(self._clock.now().nanoseconds) / _NANO if self.is_sim else time.monotonic()

    def local_s(self, stamp_s: float) -> float:
        """Return a message's stamp on the deadlines' clock [s]."""
        self._follow()
        return self._offset.local_s(stamp_s)

    def wire_s(self, local_s: float) -> float:
        """Return a time of the deadlines' clock as a stamp [s]."""
        self._follow()
        return self._offset.wire_s(local_s)

    def stamp(self, local_s: float) -> Time:
        """Return a time of the deadlines' clock as a message's stamp, steps exact to 1 ns.

        Seconds since 1970 in one float come in steps of 240 ns; the two parts do not.
        """
        self._follow()
        ns = round(local_s * _NANO) + round(self._offset.wire_s(0.0) * _NANO)
        return Time(sec=ns // _NANO, nanosec=ns % _NANO)

    def _follow(self) -> None:
        if not self.is_sim:
            self._offset.follow(*_both_s())


def _both_s() -> tuple[float, float]:
    """Return wall and steady time of one moment [s].

    Another process may get the core between the two looks, for longer than a jump of the wall
    clock has to be; then it is looked again.
    """
    for _ in range(_LOOKS):
        before_s, wall_s, after_s = time.monotonic(), time.time(), time.monotonic()
        if after_s - before_s < _APART_S:
            break
    return wall_s, after_s
