# SPDX-License-Identifier: Apache-2.0
"""The plan's curve: joins a given state, follows the waypoints, ends at rest at the last."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.spline import Spline

_BLEND_SHARE = 0.5
"""Share of acceleration and jerk that joining the given state may ask for."""

_BLEND_RANGE_S = (0.04, 0.5)


class Curve:
    """`spline(sigma(t)) + offset(t)`: C2, from a given q, qd, qdd, at rest at its end.

    `sigma` runs with the clock and slows down smoothly over the last `stop_s`, so the curve
    stops on its path at the last waypoint instead of beyond it. `offset` is the quintic that
    leads from the given state to the spline: it starts with their difference in q, qd and
    qdd and is zero, with both derivatives, after a time chosen from its size and `limits`.

    Args:
        spline: Where the waypoints lead.
        start_s: Time of the given state [s].
        state: q, qd, qdd at `start_s`, (3, J).
        limits: Acceleration and jerk the offset should respect.
    """

    def __init__(
        self, spline: Spline, start_s: float, state: NDArray[np.float64], limits: Limits
    ) -> None:
        self.start_s = start_s
        self._spline = spline
        room = max(spline.end_s - start_s, 0.0)
        self._stop_s = min(limits.stop_time_s, 2.0 * room)
        self._slow_from_s = spline.end_s - 0.5 * self._stop_s
        gap = state - self._follow(start_s)
        self._blend_s = _blend_time(gap, limits)
        self._offset = _decay(gap, self._blend_s)
        self.end_s = max(self._slow_from_s + self._stop_s, start_s + self._blend_s)

    def sample(self, t_s: float) -> NDArray[np.float64]:
        """Return q, qd, qdd at `t_s` >= `start_s`, (3, J); at rest from `end_s` on."""
        state = self._follow(t_s)
        u = t_s - self.start_s
        if u < self._blend_s:
            state += _powers(u) @ self._offset
        return state

    def _follow(self, t_s: float) -> NDArray[np.float64]:
        """Return the spline run through with the slowing clock `sigma`, (3, J)."""
        if t_s <= self._slow_from_s:
            return self._spline.sample(t_s)
        stop = self._stop_s
        u = min((t_s - self._slow_from_s) / stop, 1.0) if stop > 0.0 else 1.0
        sigma = self._slow_from_s + stop * (u - u**3 + 0.5 * u**4)
        rate = 1.0 - 3.0 * u * u + 2.0 * u**3
        rate_d = -6.0 * u * (1.0 - u) / stop if stop > 0.0 else 0.0
        q, qd, qdd = self._spline.sample(sigma)
        return np.stack([q, qd * rate, qdd * (rate * rate) + qd * rate_d])


def _blend_time(gap: NDArray[np.float64], limits: Limits) -> float:
    """Return how long the offset takes to decay within its share of the limits [s]."""
    q, qd, qdd = np.abs(gap)
    a, j = _BLEND_SHARE * limits.acceleration, _BLEND_SHARE * limits.jerk
    needs = np.stack(
        [
            np.sqrt(5.8 * q / a),
            np.cbrt(60.0 * q / j),
            4.0 * qd / a,
            np.sqrt(36.0 * qd / j),
            9.0 * qdd / j,
        ]
    )
    return float(np.clip(needs.max(), *_BLEND_RANGE_S))


def _decay(gap: NDArray[np.float64], t: float) -> NDArray[np.float64]:
    """Return the quintic's coefficients, (6, J): `gap` at 0 and rest at zero at `t`."""
    q, qd, qdd = gap[0], gap[1] * t, gap[2] * (t * t)
    return np.stack(
        [
            q,
            gap[1],
            0.5 * gap[2],
            (-20.0 * q - 12.0 * qd - 3.0 * qdd) / (2.0 * t**3),
            (30.0 * q + 16.0 * qd + 3.0 * qdd) / (2.0 * t**4),
            (-12.0 * q - 6.0 * qd - qdd) / (2.0 * t**5),
        ]
    )


def _powers(u: float) -> NDArray[np.float64]:
    """Return the powers of `u` and their first and second derivatives, (3, 6)."""
    u2, u3 = u * u, u * u * u
    return np.array(
        (
            (1.0, u, u2, u3, u2 * u2, u2 * u3),
            (0.0, 1.0, 2.0 * u, 3.0 * u2, 4.0 * u3, 5.0 * u2 * u2),
            (0.0, 0.0, 2.0, 6.0 * u, 12.0 * u2, 20.0 * u3),
        )
    )
