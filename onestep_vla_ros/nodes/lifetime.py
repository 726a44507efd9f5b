# SPDX-License-Identifier: Apache-2.0
"""When a node's process must end: a signal only raises a flag, looked at between callbacks.

rclpy's own handlers shut the context down at once, also in the middle of a callback that then
fails to publish; with the flag the last callback ends in peace.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

import rclpy

_ENDING = threading.Event()


def watch_signals() -> None:
    """Raise the flag on SIGINT and SIGTERM from now on; main thread only."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _raise_flag)


def is_wanted() -> bool:
    """Shall this process go on?"""
    return rclpy.ok() and not _ENDING.is_set()


def _raise_flag(number: int, frame: FrameType | None) -> None:
    _ENDING.set()
