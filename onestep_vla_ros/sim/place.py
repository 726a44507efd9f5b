# SPDX-License-Identifier: Apache-2.0
"""Place: one of three cubes, named by its colour, goes onto the plate; either arm may have it."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from onestep_vla_ros.sim.contacts import Touches
from onestep_vla_ros.sim.objects import (
    COLOURS,
    PLATE_HEIGHT_M,
    PLATE_RADIUS_M,
    add_box,
    add_plate,
)
from onestep_vla_ros.sim.perturbation import Variation
from onestep_vla_ros.sim.place_expert import PlaceExpert, begin_demonstration
from onestep_vla_ros.sim.place_scene import CUBE_EDGE_M, PlaceScene, cube_name
from onestep_vla_ros.sim.rest import RestClock
from onestep_vla_ros.sim.scene import Pose
from onestep_vla_ros.sim.stage import Stage
from onestep_vla_ros.sim.table import MIDLINE_Y_M, arm_for, bearing, draw_start
from onestep_vla_ros.sim.task import draw_between, in_every_colour, pick

CUBE_MASS_KG = 0.05
_CUBE_X_M = (0.28, 0.45)
_CUBE_SIDE_M = (0.12, 0.28)  # distance from the midline
_CUBE_YAW_RAD = 0.35
_CUBE_GAP_M = 0.105  # centre to centre, so that an open gripper fits between
_PLATE_X_M = (0.36, 0.42)
_PLATE_SIDE_M = 0.02
_SENTENCES = (
    "put the {} cube on the plate",
    "place the {} cube onto the plate",
    "move the {} block to the plate",
    "pick up the {} cube and set it down on the plate",
)
_REWRITES = (
    "the {} cube belongs on the plate, please put it there",
    "I would like to see the {} block lying on the plate",
    "take the cube that is {} and lay it on the dish",
)


@dataclass(frozen=True, slots=True)
class PlaceTask:
    """The task "place"; see `sim.task.Task`."""

    name: str = "place"
    bodies: tuple[str, ...] = (*(cube_name(colour) for colour in COLOURS), "plate")
    timeout_s: float = 15.0

    def sentences(self) -> tuple[str, ...]:
        """Return every sentence of the demonstrations."""
        return in_every_colour(_SENTENCES)

    def rewrites(self) -> tuple[str, ...]:
        """Return sentences that ask for the same and that no demonstration has."""
        return in_every_colour(_REWRITES)

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """Add three cubes and the plate."""
        for colour, rgba in COLOURS.items():
            add_box(spec, cube_name(colour), [CUBE_EDGE_M / 2] * 3, CUBE_MASS_KG, rgba)
        add_plate(spec)

    def draw(self, seed: int, variation: Variation) -> PlaceScene:
        """Draw colours, poses, plate and start of episode `seed`."""
        rng = np.random.default_rng(seed)
        colour = list(COLOURS)[int(rng.integers(len(COLOURS)))]
        x_m = rng.uniform(*_PLATE_X_M)
        y_m = MIDLINE_Y_M + rng.uniform(-_PLATE_SIDE_M, _PLATE_SIDE_M)
        cubes: dict[str, Pose] = {}
        while len(cubes) < len(COLOURS):
            pose = _draw_cube(rng, variation.spread)
            gaps = [np.hypot(pose.x_m - o.x_m, pose.y_m - o.y_m) for o in cubes.values()]
            if all(gap > _CUBE_GAP_M for gap in gaps):
                cubes[cube_name(list(COLOURS)[len(cubes)])] = pose
        start = draw_start(rng, variation.start_rad)
        templates = _REWRITES if variation.is_rewritten else _SENTENCES
        target = cube_name(colour)
        return PlaceScene(
            seed=seed,
            instruction=pick(rng, templates).format(colour),
            start_q=tuple(start.tolist()),
            poses=cubes,
            fixtures={"plate": Pose(float(x_m), float(y_m), PLATE_HEIGHT_M / 2)},
            target=target,
            arm=arm_for(cubes[target].y_m),
        )

    def judge(self, model: mujoco.MjModel) -> PlaceJudge:
        """Return a judge for a compiled model."""
        return PlaceJudge(model)

    def expert(
        self, stage: Stage, scene: PlaceScene, rng: np.random.Generator | None = None
    ) -> PlaceExpert:
        """Return the demonstrator; with `rng` one that starts elsewhere and makes mistakes."""
        mistake_m = None if rng is None else begin_demonstration(stage, scene, rng)
        return PlaceExpert(stage, scene, mistake_m)


def _draw_cube(rng: np.random.Generator, spread: float) -> Pose:
    side = 1.0 if rng.random() < 0.5 else -1.0
    x_m = draw_between(rng, _CUBE_X_M, spread)
    y_m = MIDLINE_Y_M + side * draw_between(rng, _CUBE_SIDE_M, spread)
    turn = rng.uniform(-_CUBE_YAW_RAD, _CUBE_YAW_RAD)
    return Pose(x_m, y_m, CUBE_EDGE_M / 2, float(bearing(arm_for(y_m), x_m, y_m) + turn))


class PlaceJudge:
    """The cube that the sentence names rests on the plate, released by every finger."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._plate = model.body("plate").id
        self._clocks = {c: RestClock(model, c) for c in (cube_name(x) for x in COLOURS)}
        self._target = ""

    def reset(self, scene: PlaceScene) -> None:
        """Forget everything: the episode of `scene` starts."""
        self._target = scene.target
        for clock in self._clocks.values():
            clock.reset()

    def update(self, data: mujoco.MjData, touches: Touches) -> None:
        """Take in the state after a physics step."""
        for cube, clock in self._clocks.items():
            clock.update(
                data, touches.is_on(cube, "plate") and not touches.is_touched(cube), self._plate
            )

    def placed(self) -> set[str]:
        """Return the cubes that have rested on the plate long enough."""
        return {cube for cube, clock in self._clocks.items() if clock.is_placed(PLATE_RADIUS_M)}

    def success(self) -> bool:
        """Does the cube that the instruction names rest on the plate?"""
        return self._target in self.placed()

    def wrong_object(self) -> bool:
        """Does any other cube rest on the plate?"""
        return bool(self.placed() - {self._target})
