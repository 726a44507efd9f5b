# SPDX-License-Identifier: Apache-2.0
"""The beam of the lift task: its size, how far it leans, and when it is up and level."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

BEAM = "beam"
"""Name of its body, joint and geom; its own y axis runs along it."""
BEAM_HALF_M = (0.0135, 0.21, 0.0135)
BEAM_MASS_KG = 0.12
LEVEL_RAD = math.radians(6.0)
"""A beam that leans less against the horizontal is level."""
LIFTED_M = 0.10
"""Height of its centre above the table from which it counts as lifted."""


def lean(rotation: NDArray[np.float64]) -> float:
    """Return the angle between the beam and the horizontal, >= 0 [rad].

    Args:
        rotation: The beam's axes as columns, (3, 3).
    """
    return math.asin(min(1.0, abs(float(rotation[2, 1]))))
