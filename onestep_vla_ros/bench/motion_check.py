# SPDX-License-Identifier: Apache-2.0
"""The check of the vector soak: limits judged on the positions alone, by finite differences."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.limits import Limits

KINDS = ("finite", "position", "velocity", "acceleration", "jerk", "rates", "tail")
"""What is counted: the first five on the positions; `rates` is qd and qdd against them."""

_RELATIVE = 1e-6
"""Allowed above V, A and J, as the wire checker's I3 to I5 allow."""


class MotionCheck:
    """Judges motions of J joints, one period after the other, from rest; knows no governor.

    The n-th difference of positions over Tc^n is a mean of the n-th derivative, so it may not
    exceed that derivative's limit, but for how finely a double can hold a position
    (`spacing(q)`, 2^n roundings in the n-th difference).

    Args:
        limits: What to keep.
        period_s: Control period Tc [s].
        start: Positions at rest before the first period, (J,).
    """

    def __init__(self, limits: Limits, period_s: float, start: NDArray[np.float64]) -> None:
        self._limits, self._period_s = limits, period_s
        self._state = np.stack([start, 0.0 * start, 0.0 * start])
        self._last = np.stack([start] * 3)
        self.violations = dict.fromkeys(KINDS, 0)
        self.worst = dict.fromkeys(KINDS[2:5], 0.0)
        """Largest velocity, acceleration and jerk seen, as a share of the limit."""
        largest = np.maximum(np.abs(limits.low), np.abs(limits.high))
        self._rounding = np.spacing(largest)
        rates = (limits.velocity, limits.acceleration, limits.jerk)
        self._allowed = [
            rate * (1.0 + _RELATIVE) + 2.0**n * self._rounding / period_s**n
            for n, rate in enumerate(rates, start=1)
        ]
        self._rates = rates

    def take(self, states: Iterable[NDArray[np.float64]]) -> None:
        """Judge the q, qd, qdd, each (3, J), of the next periods, in order."""
        for state in states:
            self._take_one(state)

    def take_tail(self, states: NDArray[np.float64]) -> None:
        """Judge q, qd, qdd on the way to rest, (3, K, J), at rising times up to its end."""
        limits = self._limits
        q, v, a = states
        is_slow = (np.abs(v) <= limits.velocity) & (np.abs(a) <= limits.acceleration)
        is_resting = (v[-1] == 0.0) & (a[-1] == 0.0)
        self._count("tail", ~((self._is_inside(q) & is_slow).all(axis=0) & is_resting))

    def _take_one(self, state: NDArray[np.float64]) -> None:
        tc, q = self._period_s, state[0]
        self._count("finite", ~np.isfinite(state).all(axis=0))
        self._count("position", ~self._is_inside(q))
        window = np.concatenate([self._last, q[None]])
        for n, kind in enumerate(KINDS[2:5], start=1):
            window_n = window[3 - n :]
            rate = np.abs(np.diff(window_n, n, axis=0)[0]) / tc**n
            self._count(kind, ~(rate <= self._allowed[n - 1]))
            share = (rate - 2.0**n * self._rounding / tc**n) / self._rates[n - 1]
            self.worst[kind] = max(self.worst[kind], float(share.max()))
        self._count("rates", ~self._is_consistent(state))
        self._last, self._state = window[1:], state

    def _is_consistent(self, state: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return where qd and qdd keep the limits and are the positions' own derivatives.

        The trapezoid rule over one period is off by at most J Tc^3 / 12 for |jerk| <= J.
        """
        limits, tc = self._limits, self._period_s
        q, v, a = state
        q0, v0, a0 = self._state
        more = 1.0 + _RELATIVE
        off = np.abs(q - q0 - 0.5 * tc * (v + v0))
        off_v = np.abs(v - v0 - 0.5 * tc * (a + a0))
        is_consistent: NDArray[np.bool_] = (
            (np.abs(v) <= limits.velocity * more)
            & (np.abs(a) <= limits.acceleration * more)
            & (off <= limits.jerk * (tc**3 / 12.0) * more + 4.0 * self._rounding)
            & (off_v <= limits.jerk * (tc**2 / 4.0) * more + 4.0 * np.spacing(limits.velocity))
        )
        return is_consistent

    def _is_inside(self, q: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return where positions keep their limits, but for the last bits of a tail."""
        room = 8.0 * self._rounding
        is_inside: NDArray[np.bool_] = (q >= self._limits.low - room) & (
            q <= self._limits.high + room
        )
        return is_inside

    def _count(self, kind: str, is_wrong: NDArray[np.bool_] | np.bool_) -> None:
        self.violations[kind] += int(np.count_nonzero(is_wrong))
