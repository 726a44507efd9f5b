# SPDX-License-Identifier: Apache-2.0
"""The wire checker's own arithmetic: what a controller makes of knots, and what jerk allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROOTS = np.linspace(0.0, 1.0, 5)


@dataclass(frozen=True, slots=True)
class Knots:
    """One message's knots as a trajectory controller runs them: quintic between, then held.

    Attributes:
        times_s: Since the message's stamp, (K,), rising [s].
        q: Positions, (K, J).
        qd: Velocities, (K, J).
        qdd: Accelerations, (K, J).
    """

    times_s: NDArray[np.float64]
    q: NDArray[np.float64]
    qd: NDArray[np.float64]
    qdd: NDArray[np.float64]

    def positions(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return q at times `t_s` (S,), (S, J)."""
        if len(self.times_s) == 1:
            return np.broadcast_to(self.q[0], (len(t_s), self.q.shape[1]))
        i, s, h = self._place(t_s)
        s2 = s * s
        s3 = s2 * s
        tail = s3 * (10.0 + s * (6.0 * s - 15.0))
        q = self.q[i] + tail * (self.q[i + 1] - self.q[i])
        q += h * (s - s3 * (6.0 + s * (3.0 * s - 8.0))) * self.qd[i]
        q += h * s3 * (s * (7.0 - 3.0 * s) - 4.0) * self.qd[i + 1]
        hh = 0.5 * h * h
        q += hh * (s2 - s3 * (3.0 + s * (s - 3.0))) * self.qdd[i]
        q += hh * s3 * (1.0 + s * (s - 2.0)) * self.qdd[i + 1]
        return q

    def state(self, t_s: float) -> tuple[NDArray[np.float64], float]:
        """Return q, qd, qdd at `t_s`, (3, J), and the length of the segment it lies in [s]."""
        if len(self.times_s) == 1 or t_s >= self.times_s[-1]:
            rest = np.zeros((3, self.q.shape[1]))
            rest[0] = self.q[-1]
            return rest, np.inf
        i = min(max(int(self.times_s.searchsorted(t_s, side="right")) - 1, 0), len(self.q) - 2)
        h = float(self.times_s[i + 1] - self.times_s[i])
        hh = h * h
        start = (self.q[i], h * self.qd[i], hh * self.qdd[i])
        end = (self.q[i + 1], h * self.qd[i + 1], hh * self.qdd[i + 1])
        s = max((t_s - float(self.times_s[i])) / h, 0.0)
        s2, s3 = s * s, s * s * s
        powers = np.array(
            (
                (1.0, s, s2, s3, s2 * s2, s2 * s3),
                (0.0, 1.0 / h, 2.0 * s / h, 3.0 * s2 / h, 4.0 * s3 / h, 5.0 * s2 * s2 / h),
                (0.0, 0.0, 2.0 / hh, 6.0 * s / hh, 12.0 * s2 / hh, 20.0 * s3 / hh),
            )
        )
        state: NDArray[np.float64] = powers @ (_QUINTIC @ np.array((*start, *end)))
        return state, h

    def _place(
        self, t_s: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
        """Return segment (S,), place in it 0..1 and its length, each (S, 1)."""
        i = np.searchsorted(self.times_s, t_s, side="right") - 1
        i = np.minimum(np.maximum(i, 0), len(self.times_s) - 2)
        h = self.times_s[i + 1] - self.times_s[i]
        s = np.minimum(np.maximum((t_s - self.times_s[i]) / h, 0.0), 1.0)
        return i, s[:, None], h[:, None]


class Reach:
    """Can a state follow from another within a period, with the jerk inside its limit?

    With r the time left in the period T, any jerk j(r) leads to
    `a' - a = int j dr`, `v' - v - aT = int j r dr`, `q' - q - vT - aT^2/2 = int j r^2/2 dr`.
    Such a j with |j| <= J exists only when for every quadratic p the same weighting of the
    three, divided by T, lies within `J int |p|`. The quadratics tried have all their roots on
    a grid of five in 0..T: every state refused is out of reach, and one let through lies
    within a per cent or so of what can be reached.

    Args:
        period_s: T [s].
    """

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        quadratics = [np.array([1.0, 0.0, 0.0])]
        quadratics += [np.array([-r, 1.0, 0.0]) for r in _ROOTS]
        quadratics += [
            np.array([r * s, -(r + s), 1.0]) for i, r in enumerate(_ROOTS) for s in _ROOTS[i:]
        ]
        self._weights = np.array(quadratics)  # (D, 3)
        self._sizes = np.abs(self._weights)
        self._allowed = np.array([_absolute_integral(p) for p in quadratics])[:, None]

    def needed_jerk(
        self,
        start: NDArray[np.float64],
        end: NDArray[np.float64],
        doubt: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the least jerk that leads from `start` to `end`, each (3, J), as (J,).

        Args:
            start: q, qd, qdd.
            end: q, qd, qdd one period later.
            doubt: How far each number may be off by rounding, (3, 1) or (3, J).
        """
        t = self._period_s
        (q, v, a), (q1, v1, a1) = start, end
        t2, t3 = t * t, 0.5 * t**3
        moments = np.array(
            ((a1 - a) / t, (v1 - v - t * a) / t2, (q1 - q - t * (v + 0.5 * t * a)) / t3)
        )
        dq, dv, da = doubt
        off = np.array((da / t, (dv + t * da) / t2, (dq + t * (dv + 0.5 * t * da)) / t3))
        wanted = np.abs(self._weights @ moments) - self._sizes @ off
        jerk: NDArray[np.float64] = (wanted / self._allowed).max(axis=0)
        return jerk


def _absolute_integral(p: NDArray[np.float64]) -> float:
    """Return the integral of |p0 + p1 x + p2 x^2| over 0..1; its roots lie on the grid."""
    whole = p[0] * _ROOTS + p[1] * _ROOTS**2 / 2.0 + p[2] * _ROOTS**3 / 3.0
    return float(np.abs(np.diff(whole)).sum())


_QUINTIC = np.array(
    [
        [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.5, 0.0, 0.0, 0.0],
        [-10.0, -6.0, -1.5, 10.0, -4.0, 0.5],
        [15.0, 8.0, 1.5, -15.0, 7.0, -1.0],
        [-6.0, -3.0, -0.5, 6.0, -3.0, 0.5],
    ]
)
"""Hermite: value, slope and curvature at both ends to the coefficients of s^0 .. s^5."""
