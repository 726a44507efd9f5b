# SPDX-License-Identifier: Apache-2.0
"""The ledger: when each chunk was captured, received and first moved the arms; and counts."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, fields
from typing import Any

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
        capture_to_observed: Observation's capture to all of it being with the policy.
        inference: The network's own time.
        inferred_to_received: End of inference to the chunk's arrival.
        capture_to_received: Observation's capture to the chunk's arrival.
        received_to_command: The chunk's arrival to the first command it influenced.
        capture_to_command: Observation's capture to the first command it influenced.
        spliced: Chunks that entered the plan.
        late: Chunks with too few waypoints left, or of too old an observation.
        rejected: All chunks refused while enabled, the late ones included.
        ticks: Control periods commanded.
        run_ticks: Those that followed a plan.
        governed_ticks: Those in which a limit stood in the plan's way.
        overruns: Control periods that were missed.
    """

    capture_to_observed: Percentiles
    inference: Percentiles
    inferred_to_received: Percentiles
    capture_to_received: Percentiles
    received_to_command: Percentiles
    capture_to_command: Percentiles
    spliced: int
    late: int
    rejected: int
    ticks: int
    run_ticks: int
    governed_ticks: int
    overruns: int


_SPANS = tuple(f.name for f in fields(LedgerSummary) if f.type == "Percentiles")
_COUNTS = tuple(f.name for f in fields(LedgerSummary) if f.type == "int")
_UNMATCHED = 16
"""Chunks whose inference is awaited, and inferences whose chunk is."""


class Ledger:
    """Latencies over the last `window` chunks, counts since the start."""

    def __init__(self, window: int) -> None:
        self._spans: dict[str, deque[float]] = {name: deque(maxlen=window) for name in _SPANS}
        self._received_s: dict[float, float] = {}
        self._inferred_s: dict[float, float] = {}
        self._waiting_s: tuple[float, float] | None = None
        self.counts: Counter[str] = Counter()

    def on_inference(
        self, stamp_s: float, observed_s: float, started_s: float, ended_s: float
    ) -> None:
        """Note when the policy had the observation of `stamp_s` and inferred from it [s]."""
        self._spans["capture_to_observed"].append(observed_s - stamp_s)
        self._spans["inference"].append(ended_s - started_s)
        _remember(self._inferred_s, stamp_s, ended_s)
        self._match(stamp_s)

    def on_spliced(self, stamp_s: float, now_s: float) -> None:
        """Note a chunk of `stamp_s` that entered the plan at `now_s`."""
        self.counts["spliced"] += 1
        self._spans["capture_to_received"].append(now_s - stamp_s)
        self._waiting_s = (stamp_s, now_s)
        _remember(self._received_s, stamp_s, now_s)
        self._match(stamp_s)

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
        if is_running and self._waiting_s is not None:
            captured_s, received_s = self._waiting_s
            self._spans["capture_to_command"].append(now_s - captured_s)
            self._spans["received_to_command"].append(now_s - received_s)
            self._waiting_s = None

    def summary(self) -> LedgerSummary:
        """Return the figures; not for the tick, it sorts the windows."""
        figures: dict[str, Any] = {name: _percentiles(self._spans[name]) for name in _SPANS}
        figures |= {name: self.counts[name] for name in _COUNTS}
        return LedgerSummary(**figures)

    def _match(self, stamp_s: float) -> None:
        """Note the way from policy to bridge once both ends of it are known."""
        key = _key(stamp_s)
        if key in self._received_s and key in self._inferred_s:
            span = self._received_s.pop(key) - self._inferred_s.pop(key)
            self._spans["inferred_to_received"].append(span)


def _key(stamp_s: float) -> float:
    """Return the stamp to the microsecond: on its two ways it is rounded differently."""
    return round(stamp_s, 6)


def _remember(times_s: dict[float, float], stamp_s: float, time_s: float) -> None:
    times_s[_key(stamp_s)] = time_s
    while len(times_s) > _UNMATCHED:
        del times_s[next(iter(times_s))]


def _percentiles(times_s: deque[float]) -> Percentiles:
    if not times_s:
        return Percentiles(float("nan"), float("nan"), 0)
    p50, p99 = np.percentile(np.array(times_s), [50, 99]) * 1e3
    return Percentiles(float(p50), float(p99), len(times_s))
