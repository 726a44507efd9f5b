# SPDX-License-Identifier: Apache-2.0
"""The executor every node spins on: events where rclpy has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from onestep_vla_ros.nodes.lifetime import is_wanted

try:
    from rclpy.experimental import EventsExecutor
except ImportError:  # an rclpy without it: less punctual timers, everything else is the same
    EventsExecutor = None  # type: ignore[assignment]

_WAKE_S = 0.1


def make_executor() -> Any:  # noqa: ANN401 - the two executors share no typed base
    """Return a single-threaded executor, event-driven where this rclpy has one."""
    return SingleThreadedExecutor() if EventsExecutor is None else EventsExecutor()


def spin(executor: Any, is_needed: Callable[[], bool] = is_wanted) -> None:  # noqa: ANN401
    """Spin while `is_needed`, which is asked at least every 0.1 s; default until a signal.

    Callback by callback: `EventsExecutor.spin()` of rclpy 7.1.6 never gives up the
    interpreter's lock, so no other thread of the process would run.
    """
    try:
        while is_needed():
            executor.spin_once(timeout_sec=_WAKE_S)
    except (KeyboardInterrupt, ExternalShutdownException):
        return
