# SPDX-License-Identifier: Apache-2.0
"""Rest-to-rest joint motion along a path, timed by a minimum-jerk profile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

PERIOD_S = 0.05
"""Time between two planned targets [s]."""
MAX_SPEED, MAX_ACCELERATION, MAX_JERK = 1.6, 8.0, 250.0
"""Bounds of the plan [rad/s, rad/s^2, rad/s^3] (gripper: 1/s, ...), inside the arm's own."""
_SAMPLES = 101


def minimum_jerk(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return s(u) = 10 u^3 - 15 u^4 + 6 u^5 for u in [0, 1]: at rest at both ends."""
    return u**3 * (10.0 - 15.0 * u + 6.0 * u**2)


def follow(waypoints: NDArray[np.float64], shortest_s: float = 0.0) -> NDArray[np.float64]:
    """Return targets every `PERIOD_S` along a path, the first one period after its start.

    Args:
        waypoints: Path (K, J), K >= 2; `waypoints[0]` is where the motion starts.
        shortest_s: Lower bound of the duration [s].

    Returns:
        Targets (n, J); the last equals `waypoints[-1]`. The duration is the shortest
        multiple of `PERIOD_S` that respects `MAX_SPEED`, `MAX_ACCELERATION`, `MAX_JERK`.
    """
    curve = _curve(waypoints)
    s = minimum_jerk(np.linspace(0.0, 1.0, _SAMPLES))
    path, h = curve(s), 1.0 / (_SAMPLES - 1)
    duration_s = max(
        shortest_s,
        PERIOD_S,
        _peak(path, 1, h) / MAX_SPEED,
        (_peak(path, 2, h) / MAX_ACCELERATION) ** (1 / 2),
        (_peak(path, 3, h) / MAX_JERK) ** (1 / 3),
    )
    steps = int(np.ceil(duration_s / PERIOD_S - 1e-9))
    return curve(minimum_jerk(np.arange(1, steps + 1) / steps))


def _peak(path: NDArray[np.float64], order: int, h: float) -> float:
    return float(np.abs(np.diff(path, n=order, axis=0)).max()) / h**order


def _curve(waypoints: NDArray[np.float64]) -> CubicSpline:
    lengths = np.linalg.norm(np.diff(waypoints, axis=0), axis=1) + 1e-9
    knots = np.concatenate([[0.0], np.cumsum(lengths)])
    kind = "natural" if len(waypoints) > 2 else "not-a-knot"
    return CubicSpline(knots / knots[-1], waypoints, axis=0, bc_type=kind)
