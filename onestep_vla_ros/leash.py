# SPDX-License-Identifier: Apache-2.0
"""A watcher process: when its parent dies, however, it ends the processes the parent started.

The parent holds the watcher's standard input and writes one line "<pid>" for each process
group it starts and one line "done" when it has ended them itself. End of file without "done"
means the parent was killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from onestep_vla_ros.transport import clean_shared_memory

GRACE_S = 3.0
"""Between SIGTERM and SIGKILL [s]."""

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent() -> Callable[[], None]:
    """Return what a child runs before exec, so that the kernel interrupts it with its parent.

    Thread: the death signal follows the thread that forks, so start children from the main one.
    """
    parent = os.getpid()

    def ask_kernel() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

    return ask_kernel


def end_groups(groups: dict[int, str], grace_s: float = GRACE_S) -> None:
    """End process groups (leader's pid to its start time): SIGTERM, then SIGKILL.

    rclpy shuts down in order on SIGTERM, and unlike SIGINT it makes no traceback in a process
    that still imports.
    """
    for sent in (signal.SIGTERM, signal.SIGKILL):
        for pid in _alive(groups):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, sent)
        deadline_s = time.monotonic() + grace_s
        while _alive(groups) and time.monotonic() < deadline_s:
            time.sleep(0.02)


def start_time(pid: int) -> str:
    """Return when process `pid` started, in the kernel's ticks; empty when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _alive(groups: dict[int, str]) -> list[int]:
    return [pid for pid, started in groups.items() if started and start_time(pid) == started]


def main() -> int:
    """Watch the standard input; clean up when it ends without "done"."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: dict[int, str] = {}
    for line in sys.stdin:
        word = line.strip()
        if word == "done":
            return 0
        groups[int(word)] = start_time(int(word))
    end_groups(groups)
    clean_shared_memory()
    return 0


if __name__ == "__main__":
    sys.exit(main())
