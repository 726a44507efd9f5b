# SPDX-License-Identifier: Apache-2.0
"""The jerk-limited stop: the quickest way from a state to rest within |a| <= A, |j| <= J."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Stop:
    """Stops of joints (any leading shape, J last) from `state`, each on its own clock.

    Mirrored so that the joint has to be slowed in the positive direction
    (`v + a|a|/(2J) >= 0`), jerk is -J for t1 until the acceleration is -p, 0 for t2, +J for
    t3, with `p = min(sqrt(J v + a^2/2), A)`. Which leads to v = a = 0 exactly.

    Args:
        state: q, qd, qdd, (3, ..., J), with |qdd| <= A.
        acceleration: A, (J,) [rad/s^2].
        jerk: J, (J,) [rad/s^3].
    """

    def __init__(
        self,
        state: NDArray[np.float64],
        acceleration: NDArray[np.float64],
        jerk: NDArray[np.float64],
    ) -> None:
        _, v, a = state
        half_a = (0.5 / jerk) * a
        self._sign = np.copysign(1.0, v + half_a * np.abs(a))
        self._mirrored = state * self._sign
        _, v, a = self._mirrored
        to_spend = v + half_a * self._sign * a  # the velocity left once a is brought to zero
        raw = np.sqrt(np.maximum(jerk * v + 0.5 * a * a, 0.0))
        peak = np.minimum(raw, acceleration)
        self._jerk = jerk
        self._t1 = np.maximum((a + peak) / jerk, 0.0)
        coast = (v + half_a * self._sign * a - acceleration * acceleration / jerk) / acceleration
        self._t2 = np.where(raw > acceleration, np.maximum(coast, 0.0), 0.0)
        self._t3 = peak / jerk
        self._to_spend = to_spend

    @property
    def duration_s(self) -> float:
        """Time until every joint rests [s]."""
        return float((self._t1 + self._t2 + self._t3).max())

    @property
    def switches_s(self) -> NDArray[np.float64]:
        """Times at which the jerk switches, the last one rest, (3, ..., J) [s]."""
        return np.stack([self._t1, self._t1 + self._t2, self._t1 + self._t2 + self._t3])

    @property
    def peak_velocity(self) -> NDArray[np.float64]:
        """Largest |velocity| on the way, (..., J) [rad/s]."""
        _, v, a = self._mirrored
        peak: NDArray[np.float64] = np.maximum(np.abs(v), np.where(a > 0.0, self._to_spend, 0.0))
        return peak

    def range(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lowest and highest position on the way, each (..., J) [rad]."""
        q, v, a = self._mirrored
        end = self._mirrored_at(None)[0]
        # moving the other way first: the turning point is where v + a t - J t^2/2 = 0
        t = (a - np.sqrt(np.maximum(a * a + 2.0 * self._jerk * v, 0.0))) / self._jerk
        turn = q + t * (v + t * (0.5 * a - self._jerk * t / 6.0))
        low = np.minimum(np.where(v < 0.0, turn, q), end)
        high = np.maximum(q, end)
        is_plain = self._sign > 0.0
        return np.where(is_plain, low, -high), np.where(is_plain, high, -low)

    def sample(self, t_s: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Return q, qd, qdd after `t_s` >= 0, (3, ..., J); exactly at rest after its end.

        Args:
            t_s: A time, or times that broadcast against (..., J), such as (K, 1) with (J,).
        """
        state: NDArray[np.float64] = self._mirrored_at(t_s) * self._sign
        return state

    def _mirrored_at(self, t_s: float | NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Return the mirrored state after `t_s`, or at the end for None, (3, ..., J)."""
        q, v, a = self._mirrored
        jerk = self._jerk
        if t_s is None:
            u1, u2, u3 = self._t1, self._t2, self._t3
        else:
            u1 = np.minimum(t_s, self._t1)
            u2 = np.minimum(np.maximum(t_s - self._t1, 0.0), self._t2)
            u3 = np.minimum(np.maximum(t_s - self._t1 - self._t2, 0.0), self._t3)
        q = q + u1 * (v + u1 * (0.5 * a - jerk * u1 / 6.0))
        v = v + u1 * (a - 0.5 * jerk * u1)
        a = a - jerk * u1
        q = q + u2 * (v + 0.5 * a * u2)
        v = v + a * u2
        q = q + u3 * (v + u3 * (0.5 * a + jerk * u3 / 6.0))
        v = v + u3 * (a + 0.5 * jerk * u3)
        a = a + jerk * u3
        if t_s is None:
            return np.stack([q, np.zeros_like(q), np.zeros_like(q)])
        is_moving = t_s < self._t1 + self._t2 + self._t3
        return np.stack([q, v * is_moving, a * is_moving])
