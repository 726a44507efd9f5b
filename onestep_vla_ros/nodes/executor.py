# SPDX-License-Identifier: Apache-2.0
"""The executor every node spins on: events where rclpy has them."""

from __future__ import annotations

from typing import Any

from rclpy.executors import SingleThreadedExecutor

try:
    from rclpy.experimental import EventsExecutor
except ImportError:  # an rclpy without it: less punctual timers, everything else is the same
    EventsExecutor = None


def make_executor() -> Any:  # noqa: ANN401 - the two executors share no typed base
    """Return a single-threaded executor, event-driven where this rclpy has one."""
    return SingleThreadedExecutor() if EventsExecutor is None else EventsExecutor()
