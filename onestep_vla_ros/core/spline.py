# SPDX-License-Identifier: Apache-2.0
"""The natural cubic spline through evenly spaced waypoints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Spline:
    """C2 curve through waypoints `q[i]` at `start_s + i * period_s`, natural at both ends.

    Second derivatives M solve `M[i-1] + 4 M[i] + M[i+1] = 6/h^2 (q[i+1] - 2 q[i] + q[i-1])`
    with M = 0 at the ends, in O(T).

    Args:
        q: Waypoints, (T, J), T >= 2.
        start_s: Time of the first [s].
        period_s: Time between two [s], > 0.
    """

    def __init__(self, q: NDArray[np.float64], start_s: float, period_s: float) -> None:
        self.start_s, self.period_s = start_s, period_s
        self.end_s = start_s + period_s * (len(q) - 1)
        h = period_s
        m = _second_derivatives(q, h)
        slope = (q[1:] - q[:-1]) / h - h * (2.0 * m[:-1] + m[1:]) / 6.0
        cubic = (m[1:] - m[:-1]) / (6.0 * h)
        self._segments = np.stack([q[:-1], slope, 0.5 * m[:-1], cubic], axis=1)  # (T-1, 4, J)

    def sample(self, t_s: float) -> NDArray[np.float64]:
        """Return q, qd, qdd at `t_s`, (3, J); the end segments continue outside the range."""
        i = int((t_s - self.start_s) / self.period_s)
        i = min(max(i, 0), len(self._segments) - 1)
        u = t_s - self.start_s - i * self.period_s
        basis = np.array(
            (
                (1.0, u, u * u, u * u * u),
                (0.0, 1.0, 2.0 * u, 3.0 * u * u),
                (0.0, 0.0, 2.0, 6.0 * u),
            )
        )
        state: NDArray[np.float64] = basis @ self._segments[i]
        return state


def _second_derivatives(q: NDArray[np.float64], h: float) -> NDArray[np.float64]:
    """Solve the tridiagonal system for M, (T, J), by elimination."""
    m = np.zeros_like(q)
    if len(q) < 3:
        return m
    right = (6.0 / (h * h)) * (q[2:] - 2.0 * q[1:-1] + q[:-2])
    ratios = np.empty(len(right))
    ratio = 0.0
    for i in range(len(right)):
        pivot = 1.0 / (4.0 - ratio)
        if i:
            right[i] -= right[i - 1]
        right[i] *= pivot
        ratios[i] = ratio = pivot
    for i in range(len(right) - 2, -1, -1):
        right[i] -= ratios[i] * right[i + 1]
    m[1:-1] = right
    return m
