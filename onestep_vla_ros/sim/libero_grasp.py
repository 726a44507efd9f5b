# SPDX-License-Identifier: Apache-2.0
"""Where LIBERO's gripper closes on an object, from what is around it: privileged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.sim.boxes import Boxes
from onestep_vla_ros.sim.libero_world import LiberoWorld

DEPTH_M = 0.03
"""How far below an object's top the tool goes at most: the palm is 4 cm above it."""
HAND_M = np.array([0.035, 0.105])
"""Half of the hand along x and along y, which its fingers open along."""
FINGERS_M = 0.035
"""How far the hand is above the tool."""
OPENING_M, FINGER_M = 0.04, 0.01
"""Half of the opening, and half a finger."""
WIDE_M = 0.07
"""What does not fit between the fingers is held by its rim."""
MARGIN_M = 0.01
SIDES = 16
"""Directions from the middle in which a rim is looked at."""
RIM_M, RIM_DEPTH_M = (0.012, 0.022, 0.03), (0.025, 0.015)
"""Where a rim is held: from the outside inwards, and below its top; the best first."""
RIM_ROOM_M = 0.005
"""What the open fingers stay off everything there, the object's walls among it."""
_FINGER_M = ((-0.011, 0.011), (0.037, 0.058), (-0.012, 0.045))
_PALM_M = ((-0.035, 0.035), (-0.105, 0.105), (0.035, 0.095))
"""A finger and the palm beside the tool: along x, along the opening, upwards."""
_FINE_M, _COARSE_M = 0.01, 0.02
"""Between the points that stand for a finger and for the palm."""
_REACH_M = 0.25
"""No point of the hand is farther from the tool."""


@dataclass(frozen=True, slots=True)
class Grasp:
    """A way to hold an object from above.

    Attributes:
        place: Of the tool (3,) [m].
        yaw_rad: What the hand is turned by about the vertical, -π/2..π/2; at 0 its fingers open
            along y.
    """

    place: NDArray[np.float64]
    yaw_rad: float = 0.0


def find_grasp(world: LiberoWorld, name: str) -> Grasp:
    """Return where the gripper closes: on the middle, of a wide object on its rim.

    Raises:
        ConfigError: There is no such object.
    """
    low, high = world.extent(name)
    size, middle = high - low, 0.5 * (low + high)
    if size[1] >= WIDE_M:
        return _on_rim(world.shape(name), world.obstacles(name))
    middle[2] = max(middle[2], high[2] - DEPTH_M)
    neighbours = [world.extent(n) for n in world.objects if n != name]
    tall = [box for box in neighbours if box[1][2] > middle[2] + FINGERS_M]
    return Grasp(middle + _elbow_room(middle, size, tall))


def _on_rim(own: Boxes, others: Boxes) -> Grasp:
    """Return the grasp that turns the hand least of those that touch nothing on the way down."""
    low, high = own.extent()
    near = others.near(0.5 * (low + high), 0.5 * float(np.linalg.norm(high - low)) + _REACH_M)
    hand, best = _hand(), (-np.inf, Grasp(high))
    for grasp in sorted(_rim_grasps(own), key=lambda grasp: round(abs(grasp.yaw_rad), 6)):
        cos, sin = np.cos(grasp.yaw_rad), np.sin(grasp.yaw_rad)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        points = hand @ turn.T + grasp.place
        room = min(own.gap(points), near.gap(points))
        if room >= RIM_ROOM_M:
            return grasp
        best = max(best, (room, grasp), key=lambda found: found[0])
    return best[1]


def _rim_grasps(own: Boxes) -> Iterator[Grasp]:
    """Yield ways to hold the rim across it."""
    for inwards in RIM_M:
        for depth in RIM_DEPTH_M:
            for rim, outwards in _rim(own):
                yaw = float(np.arctan2(-outwards[0], outwards[1]))
                yaw = (yaw + 0.5 * np.pi) % np.pi - 0.5 * np.pi  # either finger may be outside
                yield Grasp(rim - [*(inwards * outwards), depth], yaw)


def _rim(own: Boxes) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the rim's outermost points (3,) [m] and the directions (2,) that they lie in.

    Looked at in each direction by itself: a bowl may stand on something, and lean.
    """
    low, high = own.extent()
    corners, middle = own.corners(), 0.5 * (low + high)[:2]
    offset = corners[:, :2] - middle
    bearing = np.arctan2(offset[:, 1], offset[:, 0])
    for angle in 0.5 * np.pi + np.arange(SIDES) * (2.0 * np.pi / SIDES):
        outwards = np.array([np.cos(angle), np.sin(angle)])
        beside = np.abs((bearing - angle + np.pi) % (2.0 * np.pi) - np.pi) < 2.0 * np.pi / SIDES
        if not beside.any():
            continue
        top = corners[beside, 2].max()
        near = beside & (corners[:, 2] > top - _FINE_M)
        reach = float((offset[near] @ outwards).max())
        yield np.array([*(middle + reach * outwards), top]), outwards


def _hand() -> NDArray[np.float64]:
    """Return points (N, 3) [m] of palm and open fingers beside the tool."""
    finger, palm = _grid(_FINGER_M, _FINE_M), _grid(_PALM_M, _COARSE_M)
    return np.concatenate([finger, finger * [1.0, -1.0, 1.0], palm])


def _grid(sides: Iterable[tuple[float, float]], step: float) -> NDArray[np.float64]:
    axes = [np.linspace(a, b, int(np.ceil((b - a) / step)) + 1) for a, b in sides]
    return np.stack(np.meshgrid(*axes), -1).reshape(-1, 3)


_Box = tuple[NDArray[np.float64], NDArray[np.float64]]


def _elbow_room(
    grasp: NDArray[np.float64], size: NDArray[np.float64], tall: list[_Box]
) -> NDArray[np.float64]:
    """Return the smallest shift (3,) at which the hand goes down beside tall neighbours."""
    along = max(0.0, 0.5 * size[0] - FINGER_M)
    across = max(0.0, OPENING_M - 0.5 * size[1] - FINGER_M)
    shifts = [
        np.array([x, y, 0.0])
        for x in np.linspace(-along, along, 9)
        for y in np.linspace(-across, across, 9)
    ]
    rooms = [min((_gap(grasp + s, box) for box in tall), default=1.0) for s in shifts]
    wanted = min(max(rooms), MARGIN_M)
    free = [s for s, room in zip(shifts, rooms, strict=True) if room >= wanted]
    return min(free, key=lambda s: float(np.linalg.norm(s)))


def _gap(grasp: NDArray[np.float64], box: _Box) -> float:
    """Return how far the hand over `grasp` stays off a box, negative where it would hit it [m]."""
    below = box[0][:2] - (grasp[:2] + HAND_M)
    above = (grasp[:2] - HAND_M) - box[1][:2]
    return float(np.maximum(below, above).max())
