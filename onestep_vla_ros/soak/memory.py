# SPDX-License-Identifier: Apache-2.0
"""Memory, threads and handles of the soak's processes over time, and the slope of the first."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.transport import SHARED_MEMORY

_HOUR_S = 3600.0
_PROC = Path("/proc")
_MAPPED = re.compile(rf"{SHARED_MEMORY}/(fast(?:rtps|dds)_[0-9a-f]{{16}})\b")
"""A participant's own segment; the small port files are shared by all sessions of a machine."""


@dataclass(frozen=True, slots=True)
class Slope:
    """A straight line through a process's memory.

    Attributes:
        own_mib_h: Slope of the resident set without shared memory [MiB/h].
        error_mib_h: Standard error of that, samples taken as independent [MiB/h].
        rss_mib_h: Slope of the whole resident set [MiB/h]. A reader of Fast DDS's shared memory
            counts each page of a writer's segment that it has ever read, until it has seen all.
        span_s: Time the samples span [s].
        rss_mib: Resident set at the last sample [MiB].
        shared_mib: Shared memory in it [MiB].
    """

    own_mib_h: float
    error_mib_h: float
    rss_mib_h: float
    span_s: float
    rss_mib: float
    shared_mib: float


class MemoryLog:
    """Samples of /proc by process name; a process that was started again begins anew.

    Attributes:
        segments: Names in shared memory that any of the processes has had mapped.
    """

    def __init__(self) -> None:
        self.segments: set[str] = set()
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
                rss, shared = _sizes_mib(pid)
                self.segments |= _segments(pid)
                threads = len(list((_PROC / str(pid) / "task").iterdir()))
                handles = len(list((_PROC / str(pid) / "fd").iterdir()))
            except (OSError, KeyError):
                continue  # it has just ended
            self._sizes[name].append((now_s, rss, shared))
            self._counts[name].append((threads, handles))

    def forget(self) -> None:
        """Begin anew after the warm-up."""
        for name in self._sizes:
            self._sizes[name].clear()
            self._counts[name].clear()

    def slopes(self) -> dict[str, Slope]:
        """Return the least-squares slopes of each process's memory since it, or this, began."""
        found = {}
        for name, samples in self._sizes.items():
            if len(samples) < 3:
                continue
            t, rss, shared = np.array(samples).T
            own_mib_h, error_mib_h = _slope_h(t, rss - shared)
            found[name] = Slope(
                own_mib_h=own_mib_h,
                error_mib_h=error_mib_h,
                rss_mib_h=_slope_h(t, rss)[0],
                span_s=samples[-1][0] - samples[0][0],
                rss_mib=samples[-1][1],
                shared_mib=samples[-1][2],
            )
        return found

    def series(self) -> dict[str, list[tuple[float, float, float]]]:
        """Return time since the first sample [s], resident set and shared memory in it [MiB]."""
        return {
            name: [(round(t - samples[0][0], 1), rss, part) for t, rss, part in samples[::15]]
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


def _slope_h(t: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Return the slope of y over t [s] and its standard error, an hour."""
    t = t - t.mean()
    slope = float(t @ y / (t @ t))
    off = y - y.mean() - slope * t
    error = math.sqrt(float(off @ off) / (len(t) - 2) / float(t @ t))
    return slope * _HOUR_S, error * _HOUR_S


def _segments(pid: int) -> set[str]:
    """Return the names in shared memory that a process has mapped."""
    text = (_PROC / str(pid) / "maps").read_text(encoding="utf-8", errors="replace")
    return set(_MAPPED.findall(text))


def _sizes_mib(pid: int) -> tuple[float, float]:
    """Return a process's resident set and the shared memory in it [MiB]."""
    text = (_PROC / str(pid) / "status").read_text(encoding="utf-8")
    rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    rss, shared = (int(rows[name].split()[0]) / 1024.0 for name in ("VmRSS", "RssShmem"))
    return rss, shared
