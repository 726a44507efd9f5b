# SPDX-License-Identifier: Apache-2.0
"""What the bridge says each control period: mode, reason, set point and the way to rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.stop import Stop
from onestep_vla_ros.core.supervisor import Mode

_TAIL_KNOTS = 9


@dataclass(frozen=True, slots=True)
class Tail:
    """Knots from a command to rest, for controllers that interpolate quintically.

    Attributes:
        times_s: Times after the command's `stamp_s`, (K,), the first 0 [s].
        q: Positions, (K, 14).
        qd: Velocities, (K, 14), the last row zero.
        qdd: Accelerations, (K, 14), the last row zero.
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

    @property
    def tail(self) -> Tail | None:
        """The way to rest from this set point, worked out at each call; None without output."""
        if self.stop is None or self.q is None or self.qd is None or self.qdd is None:
            return None
        duration = self.stop.duration_s
        times = np.linspace(0.0, duration, _TAIL_KNOTS) if duration > 0.0 else np.zeros(1)
        q, qd, qdd = self.stop.sample(times[:, None])
        qd[-1] = qdd[-1] = 0.0
        return Tail(times, q, qd, qdd)
