# SPDX-License-Identifier: Apache-2.0
"""Simulated time of a world's loop, and the pace that the wall clock gives it."""

from __future__ import annotations

import time


class SimClock:
    """Counts control periods; /clock starts at 1 s and never runs backward.

    Args:
        period_s: Time a tick simulates [s].
        real_time_factor: Simulated seconds a second that `sleep` allows.
    """

    def __init__(self, period_s: float, real_time_factor: float) -> None:
        self._period_s, self._factor = period_s, real_time_factor
        self._ticks = round(1.0 / period_s)
        self._pace: tuple[float, float] | None = None
        self._start_wall, self._start_s = time.monotonic(), self.now_s

    @property
    def now_s(self) -> float:
        """Simulated time on /clock [s]."""
        return self._ticks * self._period_s

    def advance(self) -> None:
        """Go on by one control period."""
        self._ticks += 1

    def sleep(self, ahead_s: float = 0.0) -> None:
        """Sleep until `now_s + ahead_s` is due on the wall clock; never catch up in a burst."""
        wall_s, until_s = time.monotonic(), self.now_s + ahead_s
        if self._pace is None:
            self._pace = (wall_s, until_s)
        due_s = self._pace[0] + (until_s - self._pace[1]) / self._factor
        if due_s < wall_s - 0.1:
            self._pace = (wall_s, until_s)
        elif due_s > wall_s:
            time.sleep(due_s - wall_s)

    def real_time_factor(self) -> float:
        """Return simulated seconds a second since this was asked last."""
        wall_s = time.monotonic() - self._start_wall
        factor = (self.now_s - self._start_s) / max(wall_s, 1e-9)
        self._start_wall, self._start_s = time.monotonic(), self.now_s
        return factor
