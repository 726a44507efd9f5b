# SPDX-License-Identifier: Apache-2.0
"""Judges the place task from contacts and poses, never from what the robot intends."""

from __future__ import annotations

import mujoco
import numpy as np

from onestep_vla_ros.core.joints import ARMS
from onestep_vla_ros.sim.tasks import COLOURS, PLATE_RADIUS_M, Scene

HOLD_S = 0.25
"""How long a cube must rest released on the plate."""
REST_SPEED_M_S, REST_SPEED_RAD_S = 0.05, 0.5
"""A cube slower than both is at rest."""


class PlaceJudge:
    """Tracks since when each cube rests on the plate, released by every finger."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._cubes = {model.geom(f"cube_{colour}").id: colour for colour in COLOURS}
        self._plate = model.geom("plate").id
        self._fingers: dict[int, tuple[str, int]] = {}
        for arm in ARMS:
            for side, tip in enumerate(("tip_left", "tip_right")):
                for part in ("pad", "finger", "knuckle"):
                    self._fingers[model.geom(f"{arm}_{tip}_{part}").id] = (arm, side)
            self._fingers[model.geom(f"{arm}_palm_collision").id] = (arm, 2)
        self._dof = {colour: int(model.joint(f"cube_{colour}").dofadr[0]) for colour in COLOURS}
        self._body = {colour: model.body(f"cube_{colour}").id for colour in COLOURS}
        self._plate_body = model.body("plate").id
        self._resting_since_s: dict[str, float] = {}

    def reset(self) -> None:
        """Forget everything: a new episode starts."""
        self._resting_since_s = {}

    def touches(self, data: mujoco.MjData) -> tuple[set[str], dict[str, set[tuple[str, int]]]]:
        """Return the cubes that touch the plate, and per cube the (arm, finger) touching it."""
        on_plate: set[str] = set()
        held_by: dict[str, set[tuple[str, int]]] = {colour: set() for colour in COLOURS}
        for one, other in data.contact.geom[: data.ncon].tolist():
            for cube, thing in ((one, other), (other, one)):
                colour = self._cubes.get(cube)
                if colour is None:
                    continue
                if thing == self._plate:
                    on_plate.add(colour)
                elif thing in self._fingers:
                    held_by[colour].add(self._fingers[thing])
        return on_plate, held_by

    def update(self, data: mujoco.MjData) -> None:
        """Take in the state after a physics step; call it at least every 0.02 s."""
        on_plate, held_by = self.touches(data)
        for colour in COLOURS:
            if colour in on_plate and not held_by[colour] and self._is_placed(data, colour):
                self._resting_since_s.setdefault(colour, data.time)
            else:
                self._resting_since_s.pop(colour, None)

    def _is_placed(self, data: mujoco.MjData, colour: str) -> bool:
        offset = data.xpos[self._body[colour]] - data.xpos[self._plate_body]
        velocity = data.qvel[self._dof[colour] : self._dof[colour] + 6]
        return bool(
            np.hypot(offset[0], offset[1]) < PLATE_RADIUS_M
            and np.abs(velocity[:3]).max() < REST_SPEED_M_S
            and np.abs(velocity[3:]).max() < REST_SPEED_RAD_S
        )

    def placed(self, data: mujoco.MjData) -> set[str]:
        """Return the colours that have rested, released, for `HOLD_S` or longer."""
        return {
            colour
            for colour, since_s in self._resting_since_s.items()
            if data.time - since_s >= HOLD_S - 1e-9
        }

    def success(self, data: mujoco.MjData, scene: Scene) -> bool:
        """Does the cube that the instruction names rest on the plate?"""
        return scene.target in self.placed(data)

    def wrong_object(self, data: mujoco.MjData, scene: Scene) -> bool:
        """Does any other cube rest on the plate?"""
        return bool(self.placed(data) - {scene.target})
