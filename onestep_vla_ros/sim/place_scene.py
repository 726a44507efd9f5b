# SPDX-License-Identifier: Apache-2.0
"""What an episode of the place task has beyond every scene's."""

from __future__ import annotations

from dataclasses import dataclass

from onestep_vla_ros.sim.scene import Scene

CUBE_EDGE_M = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceScene(Scene):
    """One episode of the place task.

    Attributes:
        target: Body of the cube that the instruction names.
        arm: The arm on whose side that cube lies.
    """

    target: str
    arm: str


def cube_name(colour: str) -> str:
    """Return the body of the cube of a colour."""
    return f"cube_{colour}"
