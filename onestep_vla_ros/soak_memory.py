# SPDX-License-Identifier: Apache-2.0
"""Memory, threads and handles of the soak's processes over time, and the slope of the first."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_HOUR_S = 3600.0
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Slope:
    """A straight line through a process's memory.

    Attributes:
        mib_h: Slope of the resident set [MiB/h].
        error_mib_h: Standard error of the slope, samples taken as independent [MiB/h].
        anon_mib_h: Slope of its private part alone, without files and shared memory [MiB/h].
        span_s: Time the samples span [s].
        rss_mib: Resident set at the last sample [MiB].
    """

    mib_h: float
    error_mib_h: float
    anon_mib_h: float
    span_s: float
    rss_mib: float


class MemoryLog:
    """Samples of /proc by process name; a process that was started again begins anew."""

    def __init__(self) -> None:
        self._pid: dict[str, int] = {}
        self._sizes: dict[str, list[tuple[float, float, float]]] = {}
        self._counts: dict[str, list[tuple[int, int]]] = {}

    def sample(self, pids: dict[str, int]) -> None:
        """Take one sample of each process that lives."""
        now_s = time.monotonic()
        for name, pid in pids.items():
            if self._pid.get(name) != pid:
                self._pid[name] = pid
                self._sizes[name], self._counts[name] = [], []
            try:
                rss, anon = _sizes_mib(pid)
                threads = len(list((_PROC / str(pid) / "task").iterdir()))
                handles = len(list((_PROC / str(pid) / "fd").iterdir()))
            except (OSError, KeyError):
                continue  # it has just ended
            self._sizes[name].append((now_s, rss, anon))
            self._counts[name].append((threads, handles))

    def forget(self) -> None:
        """Begin anew after the warm-up."""
        for name in self._sizes:
            self._sizes[name].clear()
            self._counts[name].clear()

    def slopes(self) -> dict[str, Slope]:
        """Return the least-squares slope of each process's memory since it, or this, began."""
        found = {}
        for name, samples in self._sizes.items():
            if len(samples) < 3:
                continue
            t, rss, anon = np.array(samples).T
            t = t - t.mean()
            slope, anon_slope = float(t @ rss / (t @ t)), float(t @ anon / (t @ t))
            off = rss - rss.mean() - slope * t
            error = math.sqrt(float(off @ off) / (len(t) - 2) / float(t @ t))
            span_s = samples[-1][0] - samples[0][0]
            found[name] = Slope(
                slope * _HOUR_S, error * _HOUR_S, anon_slope * _HOUR_S, span_s, samples[-1][1]
            )
        return found

    def series(self) -> dict[str, list[tuple[float, float, float]]]:
        """Return time since the first sample [s], resident set and its private part [MiB]."""
        return {
            name: [(round(t - samples[0][0], 1), rss, anon) for t, rss, anon in samples[::15]]
            for name, samples in self._sizes.items()
            if samples
        }

    def growth(self) -> dict[str, tuple[int, int]]:
        """Return by how much threads and handles of each process grew, medians of both ends."""
        found = {}
        for name, counts in self._counts.items():
            if len(counts) >= 6:
                edge = max(len(counts) // 6, 3)
                first, last = np.median(counts[:edge], axis=0), np.median(counts[-edge:], axis=0)
                found[name] = (int(last[0] - first[0]), int(last[1] - first[1]))
        return found


def _sizes_mib(pid: int) -> tuple[float, float]:
    """Return a process's resident set and the private part of it [MiB]."""
    text = (_PROC / str(pid) / "status").read_text(encoding="utf-8")
    rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    rss, anon = (int(rows[name].split()[0]) / 1024.0 for name in ("VmRSS", "RssAnon"))
    return rss, anon
