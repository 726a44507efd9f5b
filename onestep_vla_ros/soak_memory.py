# SPDX-License-Identifier: Apache-2.0
"""Memory, threads and handles of the soak's processes over time, and the slope of the first."""

from __future__ import annotations

import math
import resource
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_MIB = 2.0**20
_HOUR_S = 3600.0
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Slope:
    """A straight line through a process's memory.

    Attributes:
        mib_h: Its slope [MiB/h].
        error_mib_h: Standard error of the slope [MiB/h]; samples are taken as independent.
        span_s: Time the samples span [s].
        rss_mib: Memory at the last sample [MiB].
    """

    mib_h: float
    error_mib_h: float
    span_s: float
    rss_mib: float


class MemoryLog:
    """Samples of /proc by process name; a process that was started again begins anew."""

    def __init__(self) -> None:
        self._pid: dict[str, int] = {}
        self._rss: dict[str, list[tuple[float, float]]] = {}
        self._counts: dict[str, list[tuple[int, int]]] = {}

    def sample(self, pids: dict[str, int]) -> None:
        """Take one sample of each process that lives."""
        now_s = time.monotonic()
        for name, pid in pids.items():
            if self._pid.get(name) != pid:
                self._pid[name] = pid
                self._rss[name], self._counts[name] = [], []
            try:
                pages = int((_PROC / str(pid) / "statm").read_text(encoding="ascii").split()[1])
                threads = len(list((_PROC / str(pid) / "task").iterdir()))
                handles = len(list((_PROC / str(pid) / "fd").iterdir()))
            except (OSError, IndexError):
                continue  # it has just ended
            self._rss[name].append((now_s, pages * resource.getpagesize() / _MIB))
            self._counts[name].append((threads, handles))

    def forget(self) -> None:
        """Begin anew after the warm-up."""
        for name in self._rss:
            self._rss[name].clear()
            self._counts[name].clear()

    def slopes(self) -> dict[str, Slope]:
        """Return the least-squares slope of each process's memory since it, or this, began."""
        found = {}
        for name, samples in self._rss.items():
            if len(samples) < 3:
                continue
            t, rss = np.array(samples).T
            t = t - t.mean()
            slope = float(t @ rss / (t @ t))
            off = rss - rss.mean() - slope * t
            error = math.sqrt(float(off @ off) / (len(t) - 2) / float(t @ t))
            span_s = samples[-1][0] - samples[0][0]
            found[name] = Slope(slope * _HOUR_S, error * _HOUR_S, span_s, samples[-1][1])
        return found

    def growth(self) -> dict[str, tuple[int, int]]:
        """Return by how much threads and handles of each process grew, medians of both ends."""
        found = {}
        for name, counts in self._counts.items():
            if len(counts) >= 6:
                edge = max(len(counts) // 6, 3)
                first, last = np.median(counts[:edge], axis=0), np.median(counts[-edge:], axis=0)
                found[name] = (int(last[0] - first[0]), int(last[1] - first[1]))
        return found
