# SPDX-License-Identifier: Apache-2.0
"""Which clock deadlines run on: /clock in simulation, the steady clock on a robot."""

from __future__ import annotations

import time

from rclpy.node import Node

_NANO = 1e9
_REANCHOR_S = 0.005


class NodeClock:
    """Translates stamps, which are in ROS time, to the clock that deadlines run on.

    On a robot that is the steady clock: a jump of the wall clock must not move a deadline. The
    offset between both is taken again only when it is off by more than 5 ms, so one stamp
    gives one local time and a chunk keeps its identity.
    """

    def __init__(self, node: Node) -> None:
        self._clock = node.get_clock()
        self.is_sim: bool = node.get_parameter("use_sim_time").value
        self._offset_s = 0.0 if self.is_sim else self._measure()

    def now_s(self) -> float:
        """Return the present on the deadlines' clock [s]."""
        return self._ros_now_s() if self.is_sim else time.monotonic()

    def local_s(self, stamp_s: float) -> float:
        """Return a message's stamp on the deadlines' clock [s]."""
        self._follow()
        return stamp_s - self._offset_s

    def wire_s(self, local_s: float) -> float:
        """Return a time of the deadlines' clock as a stamp [s]."""
        self._follow()
        return local_s + self._offset_s

    def _follow(self) -> None:
        if not self.is_sim:
            offset_s = self._measure()
            if abs(offset_s - self._offset_s) > _REANCHOR_S:
                self._offset_s = offset_s

    def _measure(self) -> float:
        return self._ros_now_s() - time.monotonic()

    def _ros_now_s(self) -> float:
        return float(self._clock.now().nanoseconds) / _NANO
