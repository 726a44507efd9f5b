# SPDX-License-Identifier: Apache-2.0
"""The metronome: which control period a tick belongs to, and how many were missed before it."""

from __future__ import annotations

import math

_EARLIEST = 0.1
"""A tick that comes before this share of its period belongs to the one before."""


class Metronome:
    """Control periods counted from a start; set points hold at their ends.

    Args:
        period_s: Control period Tc [s].
    """

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._origin_s = 0.0
        self._periods = 0

    @property
    def stamp_s(self) -> float:
        """Time at which the present period's set point holds [s]."""
        return self._origin_s + (self._periods + 1) * self._period_s

    def start(self, now_s: float) -> None:
        """Begin the first period at `now_s` [s]."""
        self._origin_s, self._periods = now_s, 0

    def turn_back(self, now_s: float) -> None:
        """Go on from `now_s` [s] after the clock went back: a tick at `now_s` is on time."""
        self._origin_s, self._periods = now_s - self._period_s, 0

    def beat(self, now_s: float) -> int | None:
        """Enter the period of a tick at `now_s`; return how many were missed, None if too early.

        A tick up to one period late is late, not missed: the set point's stamp stays on the
        grid and in the future.
        """
        due = (now_s - self._origin_s) / self._period_s - self._periods
        if due < _EARLIEST:
            return None
        missed = math.floor(due) - 1 if due >= 2.0 else 0
        self._periods += 1 + missed
        return missed
