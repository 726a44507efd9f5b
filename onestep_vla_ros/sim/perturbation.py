# SPDX-License-Identifier: Apache-2.0
"""How much episodes differ from each other: as in training, or far more along one axis.

The axes are LIBERO-Plus's seven: camera, robot start, language, light, background, layout,
sensor noise. Injected latency, an eighth, belongs to the rollout's timing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from onestep_vla_ros.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Variation:
    """Ranges an episode is drawn from; the defaults are those of the demonstrations.

    Attributes:
        start_rad: Largest offset of each joint from home [rad; gripper: of its 0..1].
        camera_m: Largest shift of each camera along each axis [m].
        camera_rad: Largest turn of each camera about each axis [rad].
        light: Largest relative change of every lamp's brightness and of its colour balance.
        light_turn_rad: Largest lean of the lamp's direction [rad].
        background: Largest change of table and floor colour, of 1.
        tint: Largest change of an object's colour, of 1.
        friction: Largest relative change of the objects' sliding friction.
        distractors: Fewest and most objects that nobody asks for.
        spread: Factor on the region in which objects start; 1 is that of the demonstrations.
        pixel_noise: Standard deviation of each pixel's noise [of 255].
        joint_noise_rad: Standard deviation of the measured joints' noise [rad].
        is_rewritten: The sentence is one that no demonstration was given.
    """

    start_rad: float = 0.04
    camera_m: float = 0.003
    camera_rad: float = 0.005
    light: float = 0.12
    light_turn_rad: float = 0.2
    background: float = 0.04
    tint: float = 0.03
    friction: float = 0.15
    distractors: tuple[int, int] = (0, 1)
    spread: float = 1.0
    pixel_noise: float = 0.0
    joint_noise_rad: float = 0.0
    is_rewritten: bool = False


USUAL = Variation()
"""What demonstrations and plain evaluations draw from."""
NO_AXIS = "none"
_ON_AXIS = MappingProxyType(
    {
        "camera": replace(USUAL, camera_m=0.015, camera_rad=0.03),
        "start": replace(USUAL, start_rad=0.15),
        "language": replace(USUAL, is_rewritten=True),
        "light": replace(USUAL, light=0.5, light_turn_rad=0.8),
        "background": replace(USUAL, background=0.3),
        "layout": replace(USUAL, distractors=(2, 3), spread=1.15),
        "noise": replace(USUAL, pixel_noise=12.0, joint_noise_rad=0.005),
    }
)
AXES: tuple[str, ...] = tuple(_ON_AXIS)
"""Axes along which a station can be perturbed."""


def variation_on(axis: str) -> Variation:
    """Return the ranges of an axis, `NO_AXIS` for the usual ones.

    Raises:
        ConfigError: There is no such axis; the message lists all.
    """
    if axis == NO_AXIS:
        return USUAL
    if axis not in _ON_AXIS:
        raise ConfigError("unknown perturbation axis", got=repr(axis), allowed=[NO_AXIS, *AXES])
    return _ON_AXIS[axis]
