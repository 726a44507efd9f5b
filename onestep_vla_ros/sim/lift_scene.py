# SPDX-License-Identifier: Apache-2.0
"""What an episode of the lift task has beyond every scene's, and what its beam is like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.sim.scene import Scene

BEAM_HALF_M = (0.0135, 0.21, 0.0135)
"""Half the beam's edges; its own y axis runs along it."""
LEVEL_RAD = float(np.deg2rad(6.0))
"""A beam that leans less against the horizontal is level."""
LIFTED_M = 0.10
"""Height of the beam's centre above the table from which it counts as lifted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftScene(Scene):
    """One episode of the lift task.

    Attributes:
        beam: Body of the beam that lies on the table; the others are out of sight.
    """

    beam: str


def beam_name(colour: str) -> str:
    """Return the body of the beam of a colour."""
    return f"beam_{colour}"


def lean(rotation: NDArray[np.float64]) -> float:
    """Return the angle between the beam and the horizontal, >= 0 [rad].

    Args:
        rotation: The beam's axes as columns, (3, 3).
    """
    return float(np.arcsin(min(1.0, abs(rotation[2, 1]))))
