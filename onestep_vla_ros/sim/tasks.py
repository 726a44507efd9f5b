# SPDX-License-Identifier: Apache-2.0
"""Tasks on the YAM table: what lies where, what is asked, who may do it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import mujoco
import numpy as np

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.station_model import station_spec

MIDLINE_Y_M = -0.305
"""The arms' mirror plane; a cube left of it (larger y) belongs to the left arm."""
COLOURS = MappingProxyType(
    {
        "red": (0.85, 0.08, 0.06, 1.0),
        "green": (0.05, 0.62, 0.12, 1.0),
        "blue": (0.07, 0.16, 0.85, 1.0),
    }
)
CUBE_EDGE_M, CUBE_MASS_KG = 0.04, 0.05
PLATE_RADIUS_M, PLATE_HEIGHT_M = 0.07, 0.008
TASKS: tuple[str, ...] = ("place",)
"""Names of the tasks this station knows."""

_HOME = (0.0, 1.047, 1.047, 0.0, 0.0, 0.0, 0.85)
HOME_Q: tuple[float, ...] = _HOME + _HOME
"""Where episodes start, (14,) [rad, gripper 0..1]."""
START_NOISE_RAD = 0.04
_CUBE_X_M = (0.28, 0.45)
_CUBE_SIDE_M = (0.12, 0.28)  # distance from the midline
_CUBE_YAW_RAD = 0.35
_CUBE_GAP_M = 0.105  # centre to centre, so that an open gripper fits between
_PLATE_X_M = (0.36, 0.42)
_PLATE_SIDE_M = 0.02


@dataclass(frozen=True, slots=True)
class CubePose:
    """Where a cube starts: position on the table [m] and yaw [rad] in the left base frame."""

    x_m: float
    y_m: float
    yaw_rad: float


@dataclass(frozen=True, slots=True)
class Scene:
    """One episode of a task, drawn from its seed.

    Attributes:
        cubes: Colour to pose.
        plate: Centre of the plate (x, y) [m].
        target: Colour of the cube that the instruction names.
        arm: The arm on whose side that cube lies.
        start_q: Arm positions at the start, (14,) [rad, gripper 0..1].
    """

    seed: int
    cubes: MappingProxyType[str, CubePose]
    plate: tuple[float, float]
    target: str
    arm: str
    instruction: str
    start_q: tuple[float, ...]


def check_task(task: str) -> str:
    """Return `task`, or raise `ConfigError` listing the tasks there are."""
    if task not in TASKS:
        raise ConfigError("unknown task", got=repr(task), allowed=list(TASKS))
    return task


def instructions(task: str) -> tuple[str, ...]:
    """Return every sentence the task asks with."""
    check_task(task)
    return tuple(f"put the {colour} cube on the plate" for colour in COLOURS)


def arm_for(y_m: float) -> str:
    """Return the arm on whose side of the table `y_m` lies."""
    return "left" if y_m > MIDLINE_Y_M else "right"


def draw_scene(task: str, seed: int) -> Scene:
    """Draw an episode; the same seed gives the same scene on every machine.

    Args:
        task: A name in `TASKS`.
        seed: Any integer >= 0.
    """
    check_task(task)
    rng = np.random.default_rng(seed)
    target = list(COLOURS)[int(rng.integers(len(COLOURS)))]
    plate = (
        float(rng.uniform(*_PLATE_X_M)),
        float(MIDLINE_Y_M + rng.uniform(-_PLATE_SIDE_M, _PLATE_SIDE_M)),
    )
    cubes: dict[str, CubePose] = {}
    while len(cubes) < len(COLOURS):
        pose = _draw_cube(rng)
        if all(np.hypot(pose.x_m - o.x_m, pose.y_m - o.y_m) > _CUBE_GAP_M for o in cubes.values()):
            cubes[list(COLOURS)[len(cubes)]] = pose
    noise = rng.uniform(-START_NOISE_RAD, START_NOISE_RAD, len(HOME_Q))
    return Scene(
        seed=seed,
        cubes=MappingProxyType(cubes),
        plate=plate,
        target=target,
        arm=arm_for(cubes[target].y_m),
        instruction=f"put the {target} cube on the plate",
        start_q=tuple(np.array(HOME_Q) + noise),
    )


def _draw_cube(rng: np.random.Generator) -> CubePose:
    side = 1.0 if rng.random() < 0.5 else -1.0
    x_m = float(rng.uniform(*_CUBE_X_M))
    y_m = float(MIDLINE_Y_M + side * rng.uniform(*_CUBE_SIDE_M))
    bearing = np.arctan2(y_m - base_y(arm_for(y_m)), x_m)
    return CubePose(x_m, y_m, float(bearing + rng.uniform(-_CUBE_YAW_RAD, _CUBE_YAW_RAD)))


def base_y(arm: str) -> float:
    """Return the y of an arm's base in the left base frame [m]."""
    return 0.0 if arm == "left" else 2.0 * MIDLINE_Y_M


def build_model(task: str) -> mujoco.MjModel:
    """Return the station's compiled model with the task's objects on the table."""
    check_task(task)
    spec = station_spec()
    half = CUBE_EDGE_M / 2
    for colour, rgba in COLOURS.items():
        body = spec.worldbody.add_body(name=f"cube_{colour}", pos=[0.4, MIDLINE_Y_M, half])
        body.add_freejoint(name=f"cube_{colour}")
        body.add_geom(
            name=f"cube_{colour}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[half, half, half],
            mass=CUBE_MASS_KG,
            rgba=rgba,
            condim=4,
            friction=[1.0, 0.02, 0.001],
            contype=1,
            conaffinity=7,
        )
    plate = spec.worldbody.add_body(name="plate", mocap=True)
    plate.add_geom(
        name="plate",
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=[PLATE_RADIUS_M, PLATE_HEIGHT_M / 2, 0],
        rgba=[0.93, 0.93, 0.90, 1],
        friction=[1.0, 0.02, 0.001],
        contype=1,
        conaffinity=7,
    )
    return spec.compile()
