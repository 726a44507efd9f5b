# SPDX-License-Identifier: Apache-2.0
"""The adversary of the vector soak: limits at random and references made to break them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.core.plan import Plan
from onestep_vla_ros.files import read_parameters

PERIODS_S = (0.001, 0.002, 0.004, 0.005, 0.01, 0.02, 0.05)
"""Control periods that are tried, over the whole range a parameter file may hold."""

_HOSTILE = np.array([math.nan, math.inf, -math.inf, 1e300, -1.7e308, 5e-324, 1e9])
_KINDS = 10
_HOLDS = np.array([1, 1, 2, 3, 5, 10, 30, 100])


def draw_limits(rng: np.random.Generator, joints: int, period_s: float) -> Limits:
    """Return limits of `joints` joints, anywhere in what `BridgeConfig` allows together."""

    def between(low: float, high: float) -> NDArray[np.float64]:
        return np.exp(rng.uniform(math.log(low), math.log(high), joints))

    velocity, acceleration = between(0.01, 20.0), between(0.1, 500.0)
    jerk = np.minimum(between(1.0, 50000.0), 0.999 * velocity / period_s**2)
    is_usual = rng.random(joints) < 0.3  # near what arms have: V 2, A 10, J 500
    velocity[is_usual], acceleration[is_usual] = 2.0, 10.0
    jerk[is_usual] = min(500.0, 1.99 / period_s**2)
    least = 0.01 + acceleration * period_s**2 / 4.0
    extent = np.minimum(least * (1.0 + between(1e-3, 1e3)), 20.0)
    low = rng.uniform(-10.0, 10.0 - extent)
    return Limits(low, low + extent, velocity, acceleration, jerk)


class Adversary:
    """References for J joints, each with a plan of its own to break its limits.

    Each joint draws a kind of attack and how long to keep it: random positions with random
    velocities and accelerations, steps onto a limit, just past it and far past it, square
    waves, a push that always goes the way the joint moves, references that contradict
    themselves, numbers that are none, ramps, and standing still.

    Args:
        rng: Source of every choice.
        limits: The limits under attack.
        period_s: Control period [s].
    """

    def __init__(self, rng: np.random.Generator, limits: Limits, period_s: float) -> None:
        self._rng, self._limits, self._period_s = rng, limits, period_s
        joints = len(limits.low)
        self._left = np.zeros(joints, dtype=np.int64)
        self._kind = np.zeros(joints, dtype=np.int64)
        self._half = np.ones(joints, dtype=np.int64)  # ticks of a square wave's half period
        self._reference = np.zeros((3, joints))

    def reference(self, tick: int, state: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return q, qd, qdd asked for at `tick` of joints in `state`, each (3, J)."""
        due = np.flatnonzero(self._left <= 0)
        if due.size:
            self._draw(due, state[:, due])
        self._left -= 1
        out = self._reference
        is_square = (self._kind == 4) & (tick % self._half == 0)
        middle = self._limits.low + self._limits.high
        out[0] = np.where(is_square, middle - out[0], out[0])
        is_ramp = self._kind == 5
        out[0] += np.where(is_ramp, self._period_s * out[1], 0.0)
        is_push = self._kind == 6
        out[0] = np.where(is_push, np.where(state[1] >= 0.0, 1e3, -1e3), out[0])
        return out.copy()

    def _draw(self, at: NDArray[np.int64], state: NDArray[np.float64]) -> None:
        """Choose anew for the joints `at`, which are in `state`, (3, len(at))."""
        rng, limits = self._rng, self._limits
        n = len(at)
        low, high = limits.low[at], limits.high[at]
        kind = rng.integers(_KINDS, size=n)
        self._kind[at] = kind
        self._left[at] = rng.choice(_HOLDS, n)
        stop_s = (limits.velocity / limits.acceleration + limits.acceleration / limits.jerk)[at]
        ticks = np.clip(stop_s / self._period_s * 10.0 ** rng.uniform(-1.0, 1.0, n), 1, 1000)
        self._half[at] = ticks.astype(np.int64)
        inside = rng.uniform(low, high)
        limit = np.where(rng.random(n) < 0.5, low, high)
        past = limit + np.sign(limit - inside) * 10.0 ** rng.uniform(-16.0, 3.0, n)
        scale = 10.0 ** rng.uniform(-3.0, 2.0, n)
        v = rng.normal(size=n) * limits.velocity[at] * scale
        a = rng.normal(size=n) * limits.acceleration[at] * scale
        is_still = np.isin(kind, (0, 1, 4, 6)) & (rng.random(n) < 0.7)
        q = np.select(
            [kind == 1, kind == 2, kind == 4, kind == 7, kind == 9],
            [limit, past, np.where(rng.random(n) < 0.5, limit, inside), state[0], state[0]],
            inside,
        )
        is_calm = is_still | (kind == 9)
        reference = np.stack([q, np.where(is_calm, 0.0, v), np.where(is_calm, 0.0, a)])
        for row in np.flatnonzero(kind == 8):
            reference[rng.integers(3), row] = rng.choice(_HOSTILE)
        self._reference[:, at] = reference


class PlanAttack:
    """References from a plan into which chunks are spliced all the time, good ones and wild.

    Args:
        rng: Source of every choice.
        limits: The limits under attack; chunks reach past them.
        period_s: Control period [s].
    """

    def __init__(self, rng: np.random.Generator, limits: Limits, period_s: float) -> None:
        self._rng, self._limits, self._period_s = rng, limits, period_s
        joints = len(limits.low)
        config = from_mapping(BridgeConfig, read_parameters("bridge.yaml"))
        self._plan = Plan(
            limits,
            replace(
                config,
                handover=str(rng.choice(["splice", "blend", "ensemble"])),
                jump_limit=(100.0,) * joints,
                joint_names=("joint",) * joints,
            ),
        )
        self._every = int(rng.choice([3, 10, 40]))

    def reference(self, tick: int, state: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return q, qd, qdd of the plan at `tick`, a new chunk joined to `state` at times."""
        rng, limits = self._rng, self._limits
        at_s = tick * self._period_s
        if rng.random() * self._every < 1.0:
            points, joints = int(rng.integers(2, 30)), state.shape[1]
            if rng.random() < 0.3:  # anywhere, past the limits too
                q = rng.uniform(limits.low - 0.3, limits.high + 0.3, (points, joints))
            else:
                size = 10.0 ** rng.uniform(-4.0, -0.5, joints)
                q = state[0] + np.cumsum(rng.normal(0.0, size, (points, joints)), axis=0)
            chunk = Chunk(q, at_s - rng.uniform(0.0, 0.3), float(rng.uniform(0.01, 0.2)))
            self._plan.splice(chunk, at_s, state)
        wanted = self._plan.sample(at_s + self._period_s)
        return np.stack([state[0], *np.zeros((2, len(state[0])))]) if wanted is None else wanted
