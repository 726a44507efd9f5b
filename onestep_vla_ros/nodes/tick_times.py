# SPDX-License-Identifier: Apache-2.0
"""How long the ticks take: a histogram of durations, cheap to add to and of fixed size."""

from __future__ import annotations

import math

_STEP = 1.02
_FIRST_NS = 1000.0
_BINS = 1200
"""From 1 us in steps of 2 % to some 20 000 s."""

_LOG_STEP = math.log(_STEP)


class TickTimes:
    """Durations since the last `clear`; percentiles are at most 2 % too large, the max exact.

    Attributes:
        count: Durations noted.
        max_ms: The longest one; 0 before the first [ms].
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all durations."""
        self._bins = [0] * _BINS
        self.count = 0
        self.max_ms = 0.0

    def note(self, took_ns: int) -> None:
        """Add a duration [ns]."""
        index = int(math.log(max(took_ns, 1) / _FIRST_NS) / _LOG_STEP) + 1
        self._bins[min(max(index, 0), _BINS - 1)] += 1
        self.count += 1
        self.max_ms = max(self.max_ms, took_ns * 1e-6)

    def figures(self, name: str) -> dict[str, float]:
        """Return p50, p99, p99.9 and the max, each under `name` and its own ending [ms]."""
        shares = {"p50": 50.0, "p99": 99.0, "p999": 99.9}
        found = {f"{name}_{key}_ms": self.percentile_ms(share) for key, share in shares.items()}
        return {**found, f"{name}_max_ms": self.max_ms}

    def percentile_ms(self, percent: float) -> float:
        """Return the duration that `percent` of all stay below; nan before the first [ms]."""
        if not self.count:
            return math.nan
        wanted, seen = percent / 100.0 * self.count, 0
        for index, number in enumerate(self._bins):
            seen += number
            if seen >= wanted:
                return min(_FIRST_NS * _STEP**index * 1e-6, self.max_ms)
        return self.max_ms
