# SPDX-License-Identifier: Apache-2.0
"""The table between the arms: where it is mirrored, whose side is whose, where arms start."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.joints import ARMS

MIDLINE_Y_M = -0.305
"""The arms' mirror plane; what lies left of it (larger y) belongs to the left arm."""
_HOME = (0.0, 1.047, 1.047, 0.0, 0.0, 0.0, 0.85)
HOME_Q: tuple[float, ...] = _HOME + _HOME
"""Where episodes start, (14,) [rad, gripper 0..1]."""


def arm_for(y_m: float) -> str:
    """Return the arm on whose side of the table `y_m` lies."""
    return "left" if y_m > MIDLINE_Y_M else "right"


def other_arm(arm: str) -> str:
    """Return the arm across the midline."""
    return ARMS[1 - ARMS.index(arm)]


def side_of(arm: str) -> float:
    """Return +1 for the left arm's side of the midline, -1 for the right arm's."""
    return 1.0 if arm == "left" else -1.0


def base_y(arm: str) -> float:
    """Return the y of an arm's base in the left base frame [m]."""
    return 0.0 if arm == "left" else 2.0 * MIDLINE_Y_M


def bearing(arm: str, x_m: float, y_m: float) -> float:
    """Return the direction from an arm's base to a point on the table, about z [rad]."""
    return float(np.arctan2(y_m - base_y(arm), x_m))


def draw_start(rng: np.random.Generator, spread_rad: float) -> NDArray[np.float64]:
    """Return home with uniform noise of +-`spread_rad` on every entry, (14,)."""
    noise = rng.uniform(-spread_rad, spread_rad, len(HOME_Q))
    return np.array(HOME_Q) + noise
