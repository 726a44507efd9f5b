# SPDX-License-Identifier: Apache-2.0
"""Things on the table: boxes, a plate, and objects that nobody asks for."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import mujoco

COLOURS = MappingProxyType(
    {
        "red": (0.85, 0.08, 0.06, 1.0),
        "green": (0.05, 0.62, 0.12, 1.0),
        "blue": (0.07, 0.16, 0.85, 1.0),
    }
)
PLATE_RADIUS_M, PLATE_HEIGHT_M = 0.07, 0.008
FRICTION = (1.0, 0.02, 0.001)
"""Sliding [-], torsional [m], rolling [m]."""
DISTRACTORS: tuple[str, ...] = ("distractor_0", "distractor_1", "distractor_2")
DISTRACTOR_HALF_M = 0.015
_DISTRACTOR_COLOURS = ((0.80, 0.68, 0.10, 1.0), (0.45, 0.15, 0.55, 1.0), (0.12, 0.12, 0.13, 1.0))
_TOUCHES_ALL = {"contype": 1, "conaffinity": 7}


def add_body(spec: mujoco.MjSpec, name: str) -> mujoco.MjsBody:
    """Add a movable body without geoms; the free joint has its name."""
    body = spec.worldbody.add_body(name=name, pos=[0.4, -0.305, 0.1])
    body.add_freejoint(name=name)
    return body


def add_geom(
    body: mujoco.MjsBody,
    name: str,
    kind: mujoco.mjtGeom,
    size: Sequence[float],
    rgba: Sequence[float],
    *,
    mass: float = 0.0,
    at: Sequence[float] = (0.0, 0.0, 0.0),
    quat: Sequence[float] = (1.0, 0.0, 0.0, 0.0),
) -> None:
    """Add a geom that touches table, arms and other objects.

    Args:
        body: What it belongs to.
        name: Unique name.
        kind: MuJoCo's geom type.
        size: MuJoCo's size of that type [m], three numbers.
        rgba: Colour, 0..1.
        mass: [kg].
        at: Position in the body's frame [m].
        quat: Orientation in the body's frame (w, x, y, z).
    """
    body.add_geom(
        name=name,
        type=kind,
        size=size,
        rgba=rgba,
        mass=mass,
        pos=at,
        quat=quat,
        condim=4,
        friction=FRICTION,
        **_TOUCHES_ALL,
    )


def add_box(
    spec: mujoco.MjSpec,
    name: str,
    half_m: Sequence[float],
    mass_kg: float,
    rgba: Sequence[float],
) -> None:
    """Add a movable box; body, joint and geom have its name."""
    body = add_body(spec, name)
    add_geom(body, name, mujoco.mjtGeom.mjGEOM_BOX, half_m, rgba, mass=mass_kg)


def add_plate(spec: mujoco.MjSpec) -> None:
    """Add the plate, a fixture (mocap body) named "plate"; its centre is half its height up."""
    plate = spec.worldbody.add_body(name="plate", mocap=True)
    size = [PLATE_RADIUS_M, PLATE_HEIGHT_M / 2, 0.0]
    add_geom(plate, "plate", mujoco.mjtGeom.mjGEOM_CYLINDER, size, (0.93, 0.93, 0.90, 1.0))


def add_distractors(spec: mujoco.MjSpec) -> None:
    """Add `DISTRACTORS`: a box, a cylinder and a lying bar in colours no task asks for."""
    half = DISTRACTOR_HALF_M
    kinds = (
        (mujoco.mjtGeom.mjGEOM_BOX, [half, half, half]),
        (mujoco.mjtGeom.mjGEOM_CYLINDER, [half, half, 0.0]),
        (mujoco.mjtGeom.mjGEOM_BOX, [half, half / 2, half]),
    )
    for name, (kind, size), rgba in zip(DISTRACTORS, kinds, _DISTRACTOR_COLOURS, strict=True):
        add_geom(add_body(spec, name), name, kind, size, rgba, mass=0.03)
