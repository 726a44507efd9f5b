# SPDX-License-Identifier: Apache-2.0
"""policy/trouble: the policy says at once when it sees nothing fit to act on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import String

from onestep_vla_ros.nodes.qos import LATCHED

_LOOK_S = 0.02
"""Wall time between two looks: what this adds to the time after which the arms brake [s]."""

_REPEAT_S = 0.5
"""Wall time after which the words are told again, with their ages as they are then [s]."""


class TroubleTeller:
    """Publishes why the policy cannot act, and "" once it can; on change and again and again.

    Thread: the timer runs in the executor's thread, never in the one that infers, so that a
    long inference delays nothing.

    Args:
        node: Where publisher and timer live.
        look: Returns the words of this moment, "" for none.
    """

    def __init__(self, node: Node, look: Callable[[], str]) -> None:
        self._node, self._look = node, look
        self._publisher = node.create_publisher(String, "policy/trouble", LATCHED)
        self._told: str | None = None
        self._told_wall_s = 0.0
        self._timer: Any = node.create_timer(
            _LOOK_S, self._tell, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def _tell(self) -> None:
        words, wall_s = self._look(), time.monotonic()
        is_change = self._told is None or bool(words) != bool(self._told)
        if is_change or wall_s - self._told_wall_s >= _REPEAT_S:
            self._told, self._told_wall_s = words, wall_s
            self._publisher.publish(String(data=words))
