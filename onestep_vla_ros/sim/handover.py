# SPDX-License-Identifier: Apache-2.0
"""Handover: a bar goes from the arm on whose side it lies to the other, then onto the plate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import mujoco
import numpy as np

from onestep_vla_ros.core.joints import ARMS
from onestep_vla_ros.sim.contacts import TABLE, Touches
from onestep_vla_ros.sim.handover_expert import HandoverExpert
from onestep_vla_ros.sim.handover_scene import BAR, BAR_HALF_M, BAR_THICK_M, HandoverScene
from onestep_vla_ros.sim.handover_start import begin_demonstration, draw_drift
from onestep_vla_ros.sim.objects import (
    COLOURS,
    PLATE_HEIGHT_M,
    PLATE_RADIUS_M,
    add_box,
    add_plate,
)
from onestep_vla_ros.sim.perturbation import Variation
from onestep_vla_ros.sim.rest import RestClock
from onestep_vla_ros.sim.scene import Pose
from onestep_vla_ros.sim.stage import Stage
from onestep_vla_ros.sim.table import MIDLINE_Y_M, draw_start, other_arm, side_of
from onestep_vla_ros.sim.task import draw_between, pick

BAR_MASS_KG = 0.06
_BAR_X_M, _BAR_SIDE_M = (0.28, 0.40), (0.15, 0.26)  # side: distance from the midline
_BAR_YAW_RAD = (-1.10, -0.20)  # of a left giver's bar; mirrored for the right arm
_PLATE_X_M, _PLATE_SIDE_M = (0.34, 0.44), (0.03, 0.13)
_SENTENCES = (
    "hand the bar to the other arm and put it on the plate",
    "give the bar to the other gripper, which sets it down on the plate",
    "pass the bar from the {giver} arm to the {receiver} arm and put it on the plate",
    "hand the bar over to the {receiver} arm and place it on the plate",
    "let the {giver} arm hand over the bar, then the {receiver} arm puts it on the plate",
)
_REWRITES = (
    "the bar should change hands and end up lying on the plate",
    "the {receiver} gripper takes the bar from the {giver} one and lays it on the dish",
    "please let the {receiver} arm have the bar, it belongs on the plate",
    "move the bar across from {giver} to {receiver}, then lay it down on the plate",
)


def _asked(template: str, giver: str) -> str:
    return template.format(giver=giver, receiver=other_arm(giver))


def _all(templates: tuple[str, ...]) -> tuple[str, ...]:
    """Return every sentence once, in a fixed order."""
    return tuple(dict.fromkeys(_asked(t, giver) for t in templates for giver in ARMS))


@dataclass(frozen=True, slots=True)
class HandoverTask:
    """The task "handover"; see `sim.task.Task`."""

    name: str = "handover"
    bodies: tuple[str, ...] = (BAR, "plate")
    timeout_s: float = 20.0

    def sentences(self) -> tuple[str, ...]:
        """Return every sentence of the demonstrations."""
        return _all(_SENTENCES)

    def rewrites(self) -> tuple[str, ...]:
        """Return sentences that ask for the same and that no demonstration has."""
        return _all(_REWRITES)

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """Add the bar and the plate."""
        half = [BAR_HALF_M, BAR_THICK_M / 2, BAR_THICK_M / 2]
        add_box(spec, BAR, half, BAR_MASS_KG, COLOURS["blue"])
        add_plate(spec)

    def draw(self, seed: int, variation: Variation) -> HandoverScene:
        """Draw direction, colour, poses, plate and start of episode `seed`."""
        rng = np.random.default_rng(seed)
        giver = ARMS[int(rng.integers(len(ARMS)))]
        side, spread = side_of(giver), variation.spread
        bar = Pose(
            draw_between(rng, _BAR_X_M, spread),
            MIDLINE_Y_M + side * draw_between(rng, _BAR_SIDE_M, spread),
            BAR_THICK_M / 2,
            side * draw_between(rng, _BAR_YAW_RAD),
        )
        x_m, off_m = (
            draw_between(rng, _PLATE_X_M, spread),
            draw_between(rng, _PLATE_SIDE_M, spread),
        )
        start = draw_start(rng, variation.start_rad)
        templates = _REWRITES if variation.is_rewritten else _SENTENCES
        colour = list(COLOURS)[int(rng.integers(len(COLOURS)))]
        return HandoverScene(
            seed=seed,
            instruction=_asked(pick(rng, templates), giver),
            start_q=tuple(start.tolist()),
            poses={BAR: bar},
            fixtures={"plate": Pose(x_m, MIDLINE_Y_M - side * off_m, PLATE_HEIGHT_M / 2)},
            keep_clear=(_end(bar, -BAR_HALF_M), _end(bar, BAR_HALF_M)),
            paint={BAR: COLOURS[colour][:3]},
            giver=giver,
        )

    def judge(self, model: mujoco.MjModel) -> HandoverJudge:
        """Return a judge for a compiled model."""
        return HandoverJudge(model)

    def expert(
        self, stage: Stage, scene: HandoverScene, rng: np.random.Generator | None = None
    ) -> HandoverExpert:
        """Return the demonstrator; with `rng` one that starts elsewhere and makes mistakes."""
        if rng is None:
            return HandoverExpert(stage, scene)
        mistake = begin_demonstration(stage, scene, rng)
        return HandoverExpert(stage, scene, mistake, draw_drift(scene, rng))


def _end(bar: Pose, along_m: float) -> tuple[float, float]:
    """Return the point (x, y) [m] of the bar's axis that is `along_m` from its middle."""
    ahead = along_m * np.array([np.cos(bar.yaw_rad), np.sin(bar.yaw_rad)])
    return float(bar.x_m + ahead[0]), float(bar.y_m + ahead[1])


class Phase(Enum):
    """How far the handover has come."""

    WAITING = 0
    """The giver has not lifted the bar, or the bar has been down again since."""
    GIVEN = 1
    """The giver held it in the air."""
    SHARED = 2
    """Both held it in the air."""
    TAKEN = 3
    """The receiver held it in the air, alone."""


class HandoverJudge:
    """The bar rests on the plate, released, and went from hand to hand in the air before."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._plate = model.body("plate").id
        self._clock = RestClock(model, BAR)
        self._giver = self._receiver = ""
        self.phase = Phase.WAITING

    def reset(self, scene: HandoverScene) -> None:
        """Forget everything: the episode of `scene` starts."""
        self._giver, self._receiver = scene.giver, scene.receiver
        self._clock.reset()
        self.phase = Phase.WAITING

    def update(self, data: mujoco.MjData, touches: Touches) -> None:
        """Take in the state after a physics step."""
        is_down, is_on_plate = touches.is_on(BAR, TABLE), touches.is_on(BAR, "plate")
        self.phase = self._next(touches, is_down, is_on_plate)
        is_released = is_on_plate and not is_down and not touches.is_touched(BAR)
        self._clock.update(data, is_released, self._plate)

    def _next(self, touches: Touches, is_down: bool, is_on_plate: bool) -> Phase:
        is_taken = self.phase is Phase.TAKEN
        if is_on_plate and is_taken:  # leaning over its rim onto the table is no way back
            return Phase.TAKEN
        if is_down or is_on_plate:
            return Phase.WAITING
        is_given = touches.is_grasped(BAR, self._giver)
        is_received = touches.is_grasped(BAR, self._receiver)
        if self.phase is Phase.WAITING:
            return Phase.GIVEN if is_given else Phase.WAITING
        if is_given and is_received:
            return Phase.SHARED
        if is_taken and is_given:
            return Phase.GIVEN
        is_alone = is_received and not touches.is_touched(BAR, self._giver)
        return Phase.TAKEN if self.phase is Phase.SHARED and is_alone else self.phase

    def success(self) -> bool:
        """Does the bar rest on the plate after a handover?"""
        return self.phase is Phase.TAKEN and self._clock.is_placed(PLATE_RADIUS_M)

    def wrong_object(self) -> bool:
        """Does the bar rest on the plate although it was never handed over?"""
        return self.phase is not Phase.TAKEN and self._clock.is_placed(PLATE_RADIUS_M)
