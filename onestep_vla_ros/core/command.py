# SPDX-License-Identifier: Apache-2.0
"""What the bridge says each control period: mode, reason, set point and the way to rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.stop import Stop
from onestep_vla_ros.core.supervisor import Mode

_APART_S = 1e-8
"""Knots closer than this are one: time on the wire has nanoseconds."""

_ALL = slice(None)


@dataclass(frozen=True, slots=True)
class Tail:
    """Knots from a command to rest, for controllers that interpolate quintically.

    There is a knot wherever a joint's jerk switches, so between two of them every joint runs
    on one cubic: the quintic through them is that cubic and keeps the jerk limit.

    Attributes:
        times_s: Times after the command's `stamp_s`, (K,), the first 0, in whole ns [s].
        q: Positions of J joints, (K, J).
        qd: Velocities, (K, J), the last row zero.
        qdd: Accelerations, (K, J), the last row zero.
    """

    times_s: NDArray[np.float64]
    q: NDArray[np.float64]
    qd: NDArray[np.float64]
    qdd: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Command:
    """One control period's answer.

    Attributes:
        mode: Mode of both arms.
        reason: Why, in words.
        stamp_s: Time at which the set point holds: one period after its tick. A tick that
            comes too early returns the same command again, with the same stamp.
        q: Position (14,) [rad, gripper 0..1], or None when nothing is commanded.
        qd: Velocity, (14,) or None.
        qdd: Acceleration, (14,) or None.
        governor_active: Did a limit stand in the plan's way?
        stop: The jerk-limited stop from this set point, or None.
    """

    mode: Mode
    reason: str
    stamp_s: float
    q: NDArray[np.float64] | None = None
    qd: NDArray[np.float64] | None = None
    qdd: NDArray[np.float64] | None = None
    governor_active: bool = False
    stop: Stop | None = None

    def tail(self, part: slice = _ALL) -> Tail | None:
        """Return the way to rest of the joints in `part`, worked out anew; None without output.

        Args:
            part: Which joints, for example one arm's; K is at most 3 of each, plus one.
        """
        tails = self.tails((part,))
        return tails[0] if tails else None

    def tails(self, parts: Sequence[slice]) -> list[Tail]:
        """Return the way to rest of the joints in each of `parts`; none without output.

        Args:
            parts: Which joints; no joint in two of them. Each part has knots of its own.
        """
        if self.stop is None or self.q is None:
            return []
        switches = self.stop.switches_s
        knots = [_merged(switches[:, part]) for part in parts]
        times = np.zeros((max(map(len, knots), default=0), len(self.q)))
        for part, own in zip(parts, knots, strict=True):
            times[: len(own), part], times[len(own) :, part] = own[:, None], own[-1]
        states = self.stop.sample(times)  # one call for all: its cost is per call, not per knot
        tails = []
        for part, own in zip(parts, knots, strict=True):
            q, qd, qdd = states[:, : len(own), part]
            qd[-1] = qdd[-1] = 0.0
            tails.append(Tail(own, q, qd, qdd))
        return tails


def _merged(switches_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 0 and the switching times in whole ns, rising, the first 0, (K,)."""
    times = np.zeros(switches_s.size + 1)
    times[1:] = switches_s.ravel()
    np.round(times, 9, out=times)
    times.sort()
    is_apart = np.ones(len(times), np.bool_)
    np.greater(times[1:] - times[:-1], _APART_S, out=is_apart[1:])
    kept: NDArray[np.float64] = times[is_apart]
    if not is_apart[-1] and len(kept) > 1:
        kept[-1] = times[-1]  # rest is not reached sooner
    return kept
