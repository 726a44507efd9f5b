# SPDX-License-Identifier: Apache-2.0
"""What the bridge does on SIGINT or SIGTERM: it brings the arms to rest, then ends."""

from __future__ import annotations

import time
from typing import Any, Protocol

import rclpy

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.nodes.bridge_status import BridgeStatus
from onestep_vla_ros.nodes.executor import spin

_PATIENCE_S = 2.5
"""Wall time that is spent on it at most, below what a supervisor waits before SIGKILL [s]."""


class Carrier(Protocol):
    """What must be known of the node around a Bridge.

    Attributes:
        bridge: Who decides.
        status: Knows when the last tick was.
        is_sim: Do ticks come from /clock, so that they may end for good?
    """

    bridge: Bridge
    status: BridgeStatus
    is_sim: bool

    def now_s(self) -> float:
        """Return the present on the deadlines' clock [s]."""

    def close(self) -> None:
        """Answer everybody who still waits."""


def come_to_rest(carrier: Carrier, executor: Any) -> bool:  # noqa: ANN401 - see make_executor
    """Disable, tick on until nothing is commanded any more; return whether that was reached.

    With simulated time that stands still no tick comes. The wait then ends, and the
    controllers come to rest on the tail of the last message.
    """
    bridge, end_s = carrier.bridge, time.monotonic() + _PATIENCE_S
    bridge.disable(carrier.now_s())

    def is_needed() -> bool:
        is_ticking = not carrier.is_sim or carrier.status.standstill_s() == 0.0
        return rclpy.ok() and bridge.has_output and is_ticking and time.monotonic() < end_s

    spin(executor, is_needed)
    carrier.close()
    return not bridge.has_output
