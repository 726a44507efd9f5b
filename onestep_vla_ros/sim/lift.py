# SPDX-License-Identifier: Apache-2.0
"""Lift: both arms take a long beam at once, raise it and hold it level."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np

from onestep_vla_ros.core.joints import ARMS
from onestep_vla_ros.sim.beam import BEAM, BEAM_HALF_M, BEAM_MASS_KG, LEVEL_RAD, LIFTED_M, lean
from onestep_vla_ros.sim.contacts import Touches
from onestep_vla_ros.sim.lift_expert import LiftExpert, begin_demonstration
from onestep_vla_ros.sim.objects import COLOURS, add_box
from onestep_vla_ros.sim.perturbation import Variation
from onestep_vla_ros.sim.scene import Pose, Scene
from onestep_vla_ros.sim.stage import Stage
from onestep_vla_ros.sim.table import MIDLINE_Y_M, draw_start
from onestep_vla_ros.sim.task import in_every_colour, pick

HOLD_S = 0.5
"""How long the beam must be held up, level."""
_BEAM_X_M = (0.30, 0.40)
_BEAM_SIDE_M = 0.03  # from the midline
_BEAM_YAW_RAD = 0.2
_UPRIGHT_RAD = math.radians(45.0)
_CLEAR_AT = (-1.0, -0.67, -0.33, 0.33, 0.67, 1.0)  # of half its length: no stray lies there
_SENTENCES = (
    "lift the {} beam with both arms and hold it level",
    "raise the {} bar off the table with both hands",
    "pick up the {} beam at both ends and keep it level",
    "use both arms to lift the {} bar",
)
_REWRITES = (
    "the {} beam should be up in the air, please take it with both hands",
    "grab the two ends of the bar that is {} and bring it up together",
    "I would like to see the {} beam held level above the table",
)


@dataclass(frozen=True, slots=True)
class LiftTask:
    """The task "lift"; see `sim.task.Task`."""

    name: str = "lift"
    bodies: tuple[str, ...] = (BEAM,)
    timeout_s: float = 12.0

    def sentences(self) -> tuple[str, ...]:
        """Return every sentence of the demonstrations."""
        return in_every_colour(_SENTENCES)

    def rewrites(self) -> tuple[str, ...]:
        """Return sentences that ask for the same and that no demonstration has."""
        return in_every_colour(_REWRITES)

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """Add the beam; its colour is the scene's."""
        add_box(spec, BEAM, BEAM_HALF_M, BEAM_MASS_KG, next(iter(COLOURS.values())))

    def draw(self, seed: int, variation: Variation) -> Scene:
        """Draw colour and pose of the beam, start and sentence of episode `seed`."""
        rng = np.random.default_rng(seed)
        colour = list(COLOURS)[int(rng.integers(len(COLOURS)))]
        middle, half = sum(_BEAM_X_M) / 2, (_BEAM_X_M[1] - _BEAM_X_M[0]) / 2
        offset = variation.spread * rng.uniform(-1.0, 1.0, 3)
        pose = Pose(
            float(middle + half * offset[0]),
            float(MIDLINE_Y_M + _BEAM_SIDE_M * offset[1]),
            BEAM_HALF_M[2],
            float(_BEAM_YAW_RAD * offset[2]),
        )
        start = draw_start(rng, variation.start_rad)
        templates = _REWRITES if variation.is_rewritten else _SENTENCES
        return Scene(
            seed=seed,
            instruction=pick(rng, templates).format(colour),
            start_q=tuple(start.tolist()),
            poses={BEAM: pose},
            fixtures={},
            keep_clear=tuple(_along(pose, share * BEAM_HALF_M[1]) for share in _CLEAR_AT),
            paint={BEAM: COLOURS[colour][:3]},
        )

    def judge(self, model: mujoco.MjModel) -> LiftJudge:
        """Return a judge for a compiled model."""
        return LiftJudge(model)

    def expert(
        self, stage: Stage, scene: Scene, rng: np.random.Generator | None = None
    ) -> LiftExpert:
        """Return the demonstrator; with `rng` one that starts elsewhere and makes mistakes."""
        mistake = None if rng is None else begin_demonstration(stage, rng)
        return LiftExpert(stage, mistake)


def _along(beam: Pose, at_m: float) -> tuple[float, float]:
    """Return the point (x, y) of a lying beam at `at_m` from its centre."""
    x_m, y_m = beam.x_m - math.sin(beam.yaw_rad) * at_m, beam.y_m + math.cos(beam.yaw_rad) * at_m
    return x_m, y_m


class LiftJudge:
    """Both grippers hold the beam up and level, and nothing but fingers touches it."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._beam = model.geom(BEAM).id
        tips = {model.body(f"{arm}_{tip}").id for arm in ARMS for tip in ("tip_left", "tip_right")}
        self._is_finger = np.array([body in tips for body in model.geom_bodyid])
        self._since_s, self._now_s, self._is_lost = math.nan, 0.0, False

    def reset(self, scene: Scene) -> None:
        """Forget everything: the episode of `scene` starts."""
        self._since_s, self._now_s, self._is_lost = math.nan, 0.0, False

    def update(self, data: mujoco.MjData, touches: Touches) -> None:
        """Take in the state after a physics step."""
        self._now_s = data.time
        body = data.body(BEAM)
        tilt, height_m = lean(body.xmat.reshape(3, 3)), body.xpos[2]
        self._is_lost = bool(tilt > _UPRIGHT_RAD or height_m < 0.0)
        is_held = (
            height_m >= LIFTED_M
            and tilt <= LEVEL_RAD
            and all(touches.is_grasped(BEAM, arm) for arm in ARMS)
            and self._is_touched_by_fingers_only(data)
        )
        if not is_held:
            self._since_s = math.nan
        elif math.isnan(self._since_s):
            self._since_s = data.time

    def success(self) -> bool:
        """Has the beam been held up, level, for `HOLD_S` until now?"""
        return self._now_s - self._since_s >= HOLD_S - 1e-9

    def wrong_object(self) -> bool:
        """Does the beam stand up on end, or has it fallen off the table?

        There is nothing else to lift, so this is the harm that can be done.
        """
        return self._is_lost

    def _is_touched_by_fingers_only(self, data: mujoco.MjData) -> bool:
        pairs = data.contact.geom[: data.ncon]
        one, other = pairs[:, 0], pairs[:, 1]
        touching = np.concatenate([other[one == self._beam], one[other == self._beam]])
        return bool(self._is_finger[touching].all())
