# SPDX-License-Identifier: Apache-2.0
"""One episode of a task, drawn from its seed: what lies where, what is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a body's centre is [m] and how it is turned about the vertical [rad].

    In the left arm's base frame: x ahead, y left, z up from the table's top.
    """

    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What every task's episode has; a task adds what its judge and its expert need.

    Attributes:
        seed: The same seed gives the same scene on every machine.
        instruction: The sentence of the episode.
        start_q: Arm positions at the start, (14,) [rad, gripper 0..1].
        poses: Name of a movable body to where it starts.
        fixtures: Name of a body that nothing moves (a plate, a peg) to where it stands.
        keep_clear: Points (x, y) [m] that stray objects stay clear of besides the bodies'
            centres: the ends of something long.
        paint: Name of a body to its red, green and blue 0..1; others keep the model's.
    """

    seed: int
    instruction: str
    start_q: tuple[float, ...]
    poses: Mapping[str, Pose]
    fixtures: Mapping[str, Pose]
    keep_clear: tuple[tuple[float, float], ...] = ()
    paint: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
