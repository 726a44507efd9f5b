# SPDX-License-Identifier: Apache-2.0
"""The governor's law for one joint, in plain floats straight from its docstrings.

Slow and without arrays: what the fast one has to equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

State = tuple[float, float, float]


@dataclass
class Joint:
    """One joint: its limits, its state, and a step of the law."""

    low: float
    high: float
    velocity: float
    acceleration: float
    jerk: float
    period_s: float
    state: State = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        tc = self.period_s
        self.jerk *= 1.0 - 1e-7
        self.acceleration *= 1.0 - 1e-7
        self.velocity -= self.jerk * tc**2 / 8.0
        between = self.acceleration * tc**2 / 8.0
        q = min(max(self.state[0], self.low), self.high)
        self.outer = self.low, self.high
        self.low, self.high = min(self.low + between, q), max(self.high - between, q)
        self.gain = min(40.0, 0.4 / tc)
        self.state = (q, 0.0, 0.0)

    def phases(self, state: State) -> list[tuple[float, float]]:
        """The stop: (jerk, duration) of at most three phases."""
        _, v, a = state
        jerk, most = self.jerk, self.acceleration
        sign = 1.0 if v + a * abs(a) / (2.0 * jerk) >= 0.0 else -1.0
        v, a = sign * v, sign * a
        peak = math.sqrt(max(jerk * v + a * a / 2.0, 0.0))
        coast = 0.0
        if peak > most:
            peak = most
            coast = (v + a * a / (2.0 * jerk) - most * most / jerk) / most
        times = ((a + peak) / jerk, max(coast, 0.0), peak / jerk)
        jerks = (-sign * jerk, 0.0, sign * jerk)
        return [(j, max(t, 0.0)) for j, t in zip(jerks, times, strict=True)]

    def along(self, state: State, t: float) -> State:
        """The state `t` along the stop."""
        for jerk, duration in self.phases(state):
            state = move(state, jerk, min(t, duration))
            t -= min(t, duration)
        return state if t <= 0.0 else (state[0], 0.0, 0.0)

    def is_feasible(self, state: State) -> bool:
        """Does the stop from here keep V and the positions?"""
        extremes = [state]
        here = state
        for jerk, duration in self.phases(state):
            extremes += [move(here, jerk, t) for t in turning_times(here, jerk, duration)]
            here = move(here, jerk, duration)
            extremes.append(here)
        # what remains of v and a at the end is rounding
        q, v = [e[0] for e in extremes], [e[1] for e in extremes]
        return max(map(abs, v)) <= self.velocity and min(q) >= self.low and max(q) <= self.high

    def step(self, reference: State) -> bool:
        """Take one period; was a limit in the way?"""
        wanted, is_limited = self.wanted(reference)
        if not self.is_feasible(wanted):
            is_limited = True
            fallback = self.along(self.state, self.period_s)
            shares = [1.0 - k / 16.0 for k in range(16)]
            coarse = self.first(fallback, wanted, shares)
            fine = self.first(fallback, wanted, [min(coarse + s / 16.0, 1.0) for s in shares])
            wanted = mixed(fallback, wanted, max(coarse, fine))
        q = min(max(wanted[0], self.outer[0]), self.outer[1])
        self.state = (q, wanted[1], wanted[2])
        return is_limited

    def first(self, fallback: State, wanted: State, shares: list[float]) -> float:
        """The first share of the way to `wanted` that is feasible, else 0."""
        for share in shares:
            if self.is_feasible(mixed(fallback, wanted, share)):
                return share
        return 0.0

    def wanted(self, reference: State) -> tuple[State, bool]:
        """One period of constant jerk that serves the reference."""
        tc, (q, v, a) = self.period_s, self.state
        goal = min(max(reference[0], self.low), self.high)
        v_goal, a_goal = reference[1:] if goal == reference[0] else (0.0, 0.0)
        error = goal - q - tc * v - tc * tc * (a / 3.0 + a_goal / 6.0)
        v_error = v_goal - v - tc * (a + a_goal) / 2.0
        v_wish = v_goal + approach(error, self.gain / 3.0, 0.4 * self.acceleration)
        v_wanted = min(max(v_wish, -self.velocity), self.velocity)
        closing = v_wanted - v_goal + v_error
        a_wish = a_goal + approach(closing, self.gain, 0.5 * self.jerk)
        a_wanted = min(max(a_wish, -self.acceleration), self.acceleration)
        j_wish = (a_wanted - a) / tc
        jerk = min(max(j_wish, -self.jerk), self.jerk)
        is_served = abs(goal - reference[0]) <= 1e-3
        is_free = (v_wish, a_wish, j_wish) == (v_wanted, a_wanted, jerk)
        return move(self.state, jerk, tc), not (is_served and is_free)


def approach(error: float, gain: float, rate: float) -> float:
    """The speed at which to close an error: linear, then along a braking curve."""
    linear_to = rate / gain**2
    if abs(error) <= linear_to:
        return gain * error
    return math.copysign(math.sqrt(2.0 * rate * (abs(error) - linear_to / 2.0)), error)


def move(state: State, jerk: float, t: float) -> State:
    """The state after `t` under a constant jerk."""
    q, v, a = state
    return (
        q + t * (v + t * (0.5 * a + t * jerk / 6.0)),
        v + t * (a + 0.5 * t * jerk),
        a + t * jerk,
    )


def mixed(a: State, b: State, share: float) -> State:
    """`a` and a share of the way to `b`."""
    return tuple(x + share * (y - x) for x, y in zip(a, b, strict=True))


def turning_times(state: State, jerk: float, duration: float) -> list[float]:
    """Times within a phase at which the velocity or the acceleration is zero."""
    _, v, a = state
    found = [-a / jerk] if jerk else []
    if jerk:
        root = a * a - 2.0 * jerk * v
        if root >= 0.0:
            found += [(-a + s * math.sqrt(root)) / jerk for s in (-1.0, 1.0)]
    elif a:
        found.append(-v / a)
    return [t for t in found if 0.0 < t < duration]
