# SPDX-License-Identifier: Apache-2.0
"""The governor: takes only steps from which every joint can still stop inside its limits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.stop import Stop

_TIGHTER = 1e-7
"""Relative room between the limits kept inside and those promised, for rounding."""

_SHARES = np.linspace(1.0, 0.0, 17)[:-1]
"""Shares of the wanted step, largest first, that are tried when the whole is refused."""

_UNNOTICED = 1e-3
"""A reference this little outside the positions is served at the limit without notice."""

_ABSURD = 1e9
"""A reference of this size, infinite or nan, is none: the joint follows its stop."""


class Governor:
    """Commanded state of J joints, advanced one control period at a time.

    Invariant: the jerk-limited `Stop` from the present state keeps |v| <= V, |a| <= A,
    |j| <= J and the position limits. A step is accepted only when the invariant holds after
    it; otherwise the step is moved towards the stop's own, which is always allowed. Both are
    linear in the jerk, so a mixture keeps |j| <= J and |a| <= A; V and the positions are
    kept tighter by what a period can add between its ends (J Tc^2/8 and A Tc^2/8).

    Args:
        limits: What to keep.
        period_s: Control period Tc [s].
    """

    begins_at_rest = True
    is_told = True

    def __init__(self, limits: Limits, period_s: float) -> None:
        self._period_s = period_s
        self._jerk = limits.jerk * (1.0 - _TIGHTER)
        self._acceleration = limits.acceleration * (1.0 - _TIGHTER)
        self._velocity = limits.velocity - self._jerk * period_s**2 / 8.0
        between = self._acceleration * period_s**2 / 8.0
        self._inner_low, self._inner_high = limits.low + between, limits.high - between
        self._outer_low, self._outer_high = limits.low, limits.high
        self._velocity_gain = min(40.0, 0.4 / period_s)
        self._position_gain = self._velocity_gain / 3.0
        self.reset((limits.low + limits.high) / 2.0)

    def reset(self, q: NDArray[np.float64]) -> None:
        """Start at rest at `q` (J,), moved onto the limits where it lies outside."""
        q = np.clip(q, self._outer_low, self._outer_high)
        self._low = np.minimum(self._inner_low, q)
        self._high = np.maximum(self._inner_high, q)
        self._set(np.stack([q, np.zeros_like(q), np.zeros_like(q)]))

    @property
    def state(self) -> NDArray[np.float64]:
        """Commanded q, qd, qdd, (3, J), read-only."""
        return self._state

    @property
    def stop(self) -> Stop:
        """The stop from the present state: what happens when nothing more is asked."""
        return self._stop

    @property
    def is_at_rest(self) -> bool:
        """Do all joints stand still?"""
        return not self._state[1:].any()

    def brake(self, duration_s: float | NDArray[np.float64] | None = None) -> None:
        """Follow the stop for `duration_s` [s], one or one a joint; default a control period."""
        t = self._period_s if duration_s is None else duration_s
        self._set(self._stop.sample(t))

    def step(self, reference: NDArray[np.float64]) -> bool:
        """Take one period towards `reference`; return whether a limit stood in the way.

        Args:
            reference: q, qd, qdd wanted at the end of the period, (3, J). A joint whose
                reference is not finite, or absurdly large, follows its stop.
        """
        is_sane = (np.abs(reference) < _ABSURD).all(axis=0)
        if not is_sane.all():
            wanted, _ = self._wanted(np.where(is_sane, reference, 0.0))
            wanted = np.where(is_sane, wanted, self._stop.sample(self._period_s))
            is_limited = True
        else:
            wanted, is_limited = self._wanted(reference)
        stop = Stop(wanted, self._acceleration, self._jerk)
        is_whole = self._is_feasible(stop, slice(None))
        if is_whole.all():
            self._set(wanted, stop)
            return is_limited
        partly = np.flatnonzero(~is_whole)
        fallback = self._stop.sample(self._period_s)[:, partly]
        wanted[:, partly] = self._largest_part(fallback, wanted[:, partly] - fallback, partly)
        self._set(wanted)
        return True

    def _largest_part(
        self,
        fallback: NDArray[np.float64],
        step: NDArray[np.float64],
        joints: NDArray[np.intp],
    ) -> NDArray[np.float64]:
        """Return `fallback` and as much of `step` as may be added to it, (3, K) of `joints`."""
        tried = np.broadcast_to(_SHARES[:, None], (len(_SHARES), len(joints)))
        share = self._first_feasible(fallback, step, tried, joints)
        finer = np.minimum(share + _SHARES[:, None] / len(_SHARES), 1.0)
        share = np.maximum(share, self._first_feasible(fallback, step, finer, joints))
        part: NDArray[np.float64] = fallback + share * step
        return part

    def _first_feasible(
        self,
        fallback: NDArray[np.float64],
        step: NDArray[np.float64],
        shares: NDArray[np.float64],
        joints: NDArray[np.intp],
    ) -> NDArray[np.float64]:
        """Return per joint the first of `shares` (S, K) that is feasible, else 0, (K,)."""
        states = fallback[:, None] + shares * step[:, None]  # (3, S, K)
        stop = Stop(states, self._acceleration[joints], self._jerk[joints])
        is_feasible = self._is_feasible(stop, joints)
        first = is_feasible.argmax(axis=0)
        at = np.arange(len(joints))
        found: NDArray[np.float64] = shares[first, at] * is_feasible[first, at]
        return found

    def _is_feasible(self, stop: Stop, joints: NDArray[np.intp] | slice) -> NDArray[np.bool_]:
        """Return where a stop keeps V and the positions; A and J hold by construction."""
        low, high = stop.range()
        fits: NDArray[np.bool_] = (
            (stop.peak_velocity <= self._velocity[joints])
            & (low >= self._low[joints])
            & (high <= self._high[joints])
        )
        return fits

    def _wanted(self, reference: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
        """Return the state one constant-jerk period ahead that serves `reference`, (3, J).

        Where the state matches, the jerk is the reference's own. An error closes along
        `v = kp e` near zero and along a braking curve beyond; likewise the velocity's.
        """
        tc = self._period_s
        q, v, a = self._state
        goal = np.clip(reference[0], self._low, self._high)
        is_inside = goal == reference[0]
        v_goal, a_goal = reference[1] * is_inside, reference[2] * is_inside
        error = goal - q - tc * v - (tc * tc) * (a / 3.0 + a_goal / 6.0)
        v_error = v_goal - v - (0.5 * tc) * (a + a_goal)
        v_wish = v_goal + _approach(error, self._position_gain, 0.4 * self._acceleration)
        v_wanted = np.clip(v_wish, -self._velocity, self._velocity)
        closing = v_wanted - v_goal + v_error
        a_wish = a_goal + _approach(closing, self._velocity_gain, 0.5 * self._jerk)
        a_wanted = np.clip(a_wish, -self._acceleration, self._acceleration)
        j_wish = (a_wanted - a) / tc
        j = np.clip(j_wish, -self._jerk, self._jerk)
        is_near = np.abs(goal - reference[0]) <= _UNNOTICED
        is_free = is_near & (v_wish == v_wanted) & (a_wish == a_wanted) & (j_wish == j)
        wanted = np.stack(
            [q + tc * (v + tc * (0.5 * a + tc * j / 6.0)), v + tc * (a + 0.5 * tc * j), a + tc * j]
        )
        return wanted, not is_free.all()

    def _set(self, state: NDArray[np.float64], stop: Stop | None = None) -> None:
        # a stop that ends exactly on a limit is off by a rounding when worked out anew
        np.clip(state[0], self._outer_low, self._outer_high, out=state[0])
        state.flags.writeable = False
        self._state = state
        self._stop = stop or Stop(state, self._acceleration, self._jerk)


def _approach(
    error: NDArray[np.float64], gain: float, rate: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the speed at which to close `error`: linear near zero, then braking at `rate`.

    `gain e` up to `e0 = rate / gain^2`, `sqrt(2 rate (e - e0/2))` beyond: one smooth curve.
    """
    size = np.abs(error)
    linear_to = rate / (gain * gain)
    far = np.sqrt(2.0 * rate * np.maximum(size - 0.5 * linear_to, 0.0))
    speed: NDArray[np.float64] = np.copysign(np.where(size <= linear_to, gain * size, far), error)
    return speed
