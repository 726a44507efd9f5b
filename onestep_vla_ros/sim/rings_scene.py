# SPDX-License-Identifier: Apache-2.0
"""Two rings and a peg: their sizes, their geoms, and what an episode with them has."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from onestep_vla_ros.sim.objects import FRICTION, add_body
from onestep_vla_ros.sim.scene import Scene

LARGE, SMALL, PEG = "ring_large", "ring_small", "peg"
RINGS: tuple[str, ...] = (LARGE, SMALL)
"""Bodies of the rings, in the order in which they go onto the peg."""
OUTER_M = {LARGE: 0.036, SMALL: 0.025}
"""Outer radius [m]."""
HOLE_M = {LARGE: 0.018, SMALL: 0.0155}
"""Radius of the hole [m]."""
THICKNESS_M = 0.018
BASE_RADIUS_M, BASE_HEIGHT_M = 0.028, 0.005
ROD_RADIUS_M, PEG_HEIGHT_M = 0.006, 0.058
_MASS_KG = {LARGE: 0.04, SMALL: 0.025}
_SEGMENTS = 12
_PEG_RGBA = (0.95, 0.94, 0.90, 1.0)
_TOUCHES_ALL, _ARMS, _ROD = 7, 6, 8
_CONE_M = 0.024  # half height of the rod's tapering tip
_SMOOTH = (0.15, 0.005, 0.0001)


@dataclass(frozen=True, slots=True, kw_only=True)
class RingsScene(Scene):
    """One episode of the rings task.

    Attributes:
        large_arm: The arm on whose side the large ring lies; the small one is the other's.
    """

    large_arm: str


def add_ring(spec: mujoco.MjSpec, name: str) -> None:
    """Add a movable ring, a chain of boxes; body and joint have its name.

    The boxes meet arms and the peg's rod; a hidden disc that fills the hole, and that the rod
    does not meet, rests on everything else: 4 contacts with the table instead of 48.
    """
    body = add_body(spec, name)
    outer, width = OUTER_M[name], OUTER_M[name] - HOLE_M[name]
    size = [width / 2, outer * np.tan(np.pi / _SEGMENTS), THICKNESS_M / 2]
    for i in range(_SEGMENTS):
        angle = 2 * np.pi * i / _SEGMENTS
        middle = HOLE_M[name] + width / 2
        body.add_geom(
            name=f"{name}_{i}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=size,
            pos=[middle * np.cos(angle), middle * np.sin(angle), 0.0],
            quat=[np.cos(angle / 2), 0.0, 0.0, np.sin(angle / 2)],
            mass=_MASS_KG[name] / _SEGMENTS,
            condim=4,
            friction=FRICTION,
            contype=0,
            conaffinity=_ARMS | _ROD,
        )
    body.add_geom(
        name=f"{name}_disc",
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=[outer, THICKNESS_M / 2, 0.0],
        mass=0.0,
        group=3,
        condim=4,
        friction=FRICTION,
        contype=1,
        conaffinity=1,
    )


def add_peg(spec: mujoco.MjSpec) -> None:
    """Add the peg, a fixture (mocap body) named `PEG`, whose origin is on the table."""
    peg = spec.worldbody.add_body(name=PEG, mocap=True)
    peg.add_geom(
        name="peg_base",
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=[BASE_RADIUS_M, BASE_HEIGHT_M / 2, 0.0],
        pos=[0.0, 0.0, BASE_HEIGHT_M / 2],
        rgba=_PEG_RGBA,
        condim=4,
        friction=FRICTION,
        contype=1,
        conaffinity=_TOUCHES_ALL,
    )
    neck = PEG_HEIGHT_M - _CONE_M
    parts = (
        ("rod", mujoco.mjtGeom.mjGEOM_CYLINDER, [ROD_RADIUS_M, neck / 2, 0.0], neck / 2),
        ("tip", mujoco.mjtGeom.mjGEOM_ELLIPSOID, [ROD_RADIUS_M, ROD_RADIUS_M, _CONE_M], neck),
    )
    for part, kind, size, z_m in parts:
        peg.add_geom(
            name=f"peg_{part}",
            type=kind,
            size=size,
            pos=[0.0, 0.0, z_m],
            rgba=_PEG_RGBA,
            condim=4,
            friction=_SMOOTH,
            priority=1,  # the rod is polished, whatever touches it
            contype=_ROD,
            conaffinity=_ARMS,
        )
