# SPDX-License-Identifier: Apache-2.0
"""The ledger: when each chunk was captured, received and first moved the arms; and counts."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Median and 99th percentile of a window [ms]; nan when the window is empty."""

    p50_ms: float
    p99_ms: float
    count: int


@dataclass(frozen=True, slots=True)
class LedgerSummary:
    """The ledger's figures at one moment.

    Attributes:
        capture_to_received: Observation's capture to the chunk's arrival.
        capture_to_command: Observation's capture to the first command it influenced.
        spliced: Chunks that entered the plan.
        late: Chunks with too few waypoints left, or of too old an observation.
        rejected: All chunks refused while enabled, the late ones included.
        ticks: Control periods commanded.
        run_ticks: Those that followed a plan.
        governed_ticks: Those in which a limit stood in the plan's way.
        overruns: Control periods that were missed.
    """

    capture_to_received: Percentiles
    capture_to_command: Percentiles
    spliced: int
    late: int
    rejected: int
    ticks: int
    run_ticks: int
    governed_ticks: int
    overruns: int


class Ledger:
    """Latencies over the last `window` chunks, counts since the start."""

    def __init__(self, window: int) -> None:
        self._received: deque[float] = deque(maxlen=window)
        self._commanded: deque[float] = deque(maxlen=window)
        self._waiting_stamp_s: float | None = None
        self.counts: Counter[str] = Counter()

    def on_spliced(self, stamp_s: float, now_s: float) -> None:
        """Note a chunk of `stamp_s` that entered the plan at `now_s`."""
        self.counts["spliced"] += 1
        self._received.append(now_s - stamp_s)
        self._waiting_stamp_s = stamp_s

    def on_rejected(self, is_late: bool) -> None:
        """Note a chunk that was refused while enabled."""
        self.counts["rejected"] += 1
        self.counts["late"] += is_late

    def on_tick(self, now_s: float, is_running: bool, is_governed: bool, missed: int) -> None:
        """Note a commanded period; the first one after a splice ends that chunk's latency."""
        self.counts["ticks"] += 1
        self.counts["run_ticks"] += is_running
        self.counts["governed_ticks"] += is_governed
        self.counts["overruns"] += missed
        if is_running and self._waiting_stamp_s is not None:
            self._commanded.append(now_s - self._waiting_stamp_s)
            self._waiting_stamp_s = None

    def summary(self) -> LedgerSummary:
        """Return the figures; not for the tick, it sorts the windows."""
        names = ("spliced", "late", "rejected", "ticks", "run_ticks", "governed_ticks", "overruns")
        return LedgerSummary(
            _percentiles(self._received),
            _percentiles(self._commanded),
            *(self.counts[name] for name in names),
        )


def _percentiles(times_s: deque[float]) -> Percentiles:
    if not times_s:
        return Percentiles(float("nan"), float("nan"), 0)
    p50, p99 = np.percentile(np.array(times_s), [50, 99]) * 1e3
    return Percentiles(float(p50), float(p99), len(times_s))
