# SPDX-License-Identifier: Apache-2.0
"""Rings: both go onto the peg, the large one first, each by the arm on its own side."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from onestep_vla_ros.sim.contacts import Touches
from onestep_vla_ros.sim.objects import COLOURS
from onestep_vla_ros.sim.perturbation import Variation
from onestep_vla_ros.sim.rest import RestClock
from onestep_vla_ros.sim.rings_expert import RingsExpert
from onestep_vla_ros.sim.rings_scene import (
    HOLE_M,
    LARGE,
    PEG,
    PEG_HEIGHT_M,
    RINGS,
    SMALL,
    THICKNESS_M,
    RingsScene,
    add_peg,
    add_ring,
)
from onestep_vla_ros.sim.rings_start import begin_demonstration
from onestep_vla_ros.sim.scene import Pose
from onestep_vla_ros.sim.stage import Stage
from onestep_vla_ros.sim.table import MIDLINE_Y_M, draw_start, other_arm, side_of
from onestep_vla_ros.sim.task import draw_between, pick

_RING_X_M = (0.28, 0.42)
_RING_SIDE_M = (0.16, 0.27)  # distance from the midline
_PEG_X_M = (0.36, 0.42)
_PEG_SIDE_M = 0.015
_SENTENCES = (
    "stack the rings on the peg, the large one first",
    "put both rings on the peg with the big one at the bottom",
    "thread the large ring onto the peg and then the small one",
    "build a tower on the peg: large ring below, small ring above",
)
_REWRITES = (
    "the peg should carry both rings, the smaller one lying on the bigger one",
    "please slide the wide ring down the stick before you add the narrow one",
    "first drop the bigger hoop over the pole and afterwards the little one",
)


@dataclass(frozen=True, slots=True)
class RingsTask:
    """The task "rings"; see `sim.task.Task`."""

    name: str = "rings"
    bodies: tuple[str, ...] = (*RINGS, PEG)
    timeout_s: float = 16.0

    def sentences(self) -> tuple[str, ...]:
        """Return every sentence of the demonstrations."""
        return _SENTENCES

    def rewrites(self) -> tuple[str, ...]:
        """Return sentences that ask for the same and that no demonstration has."""
        return _REWRITES

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """Add two rings and the peg."""
        for ring in RINGS:
            add_ring(spec, ring)
        add_peg(spec)

    def draw(self, seed: int, variation: Variation) -> RingsScene:
        """Draw sides, colours, poses, peg and start of episode `seed`."""
        rng = np.random.default_rng(seed)
        large_arm = "left" if rng.random() < 0.5 else "right"
        colours = rng.permutation(list(COLOURS))
        x_m = rng.uniform(*_PEG_X_M)
        y_m = MIDLINE_Y_M + rng.uniform(-_PEG_SIDE_M, _PEG_SIDE_M)
        arms = {LARGE: large_arm, SMALL: other_arm(large_arm)}
        rings = {r: _draw_ring(rng, arms[r], variation.spread) for r in RINGS}
        start = draw_start(rng, variation.start_rad)
        return RingsScene(
            seed=seed,
            instruction=pick(rng, _REWRITES if variation.is_rewritten else _SENTENCES),
            start_q=tuple(start.tolist()),
            poses=rings,
            fixtures={PEG: Pose(float(x_m), float(y_m), 0.0)},
            large_arm=large_arm,
            paint={r: COLOURS[c][:3] for r, c in zip(RINGS, colours, strict=False)},
        )

    def judge(self, model: mujoco.MjModel) -> RingsJudge:
        """Return a judge for a compiled model."""
        return RingsJudge(model)

    def expert(
        self, stage: Stage, scene: RingsScene, rng: np.random.Generator | None = None
    ) -> RingsExpert:
        """Return the demonstrator; with `rng` one that starts elsewhere and makes mistakes."""
        mistakes_m = None if rng is None else begin_demonstration(stage, scene, rng)
        return RingsExpert(stage, scene, mistakes_m)


def _draw_ring(rng: np.random.Generator, arm: str, spread: float) -> Pose:
    x_m = draw_between(rng, _RING_X_M, spread)
    off = side_of(arm) * draw_between(rng, _RING_SIDE_M, spread)
    return Pose(x_m, float(MIDLINE_Y_M + off), THICKNESS_M / 2, float(rng.uniform(0.0, np.pi)))


class RingsJudge:
    """Both rings rest on the peg, released by every finger, the small one on the large one."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._peg = model.body(PEG).id
        self._ring = {r: model.body(r).id for r in RINGS}
        self._clocks = {r: RestClock(model, r) for r in RINGS}
        self._is_large_below = False

    def reset(self, scene: RingsScene) -> None:
        """Forget everything: the episode of `scene` starts."""
        for clock in self._clocks.values():
            clock.reset()

    def update(self, data: mujoco.MjData, touches: Touches) -> None:
        """Take in the state after a physics step."""
        at = {ring: data.xpos[i] - data.xpos[self._peg] for ring, i in self._ring.items()}
        for ring, clock in self._clocks.items():
            is_down = at[ring][2] < PEG_HEIGHT_M - THICKNESS_M / 2
            clock.update(data, is_down and not touches.is_touched(ring), self._peg)
        self._is_large_below = bool(
            np.hypot(*at[LARGE][:2]) < HOLE_M[LARGE]
            and at[LARGE][2] + THICKNESS_M / 2 < at[SMALL][2]
        )

    def threaded(self) -> set[str]:
        """Return the rings that have rested on the peg long enough."""
        return {r for r, clock in self._clocks.items() if clock.is_placed(HOLE_M[r])}

    def success(self) -> bool:
        """Do both rings rest on the peg, the large one below?"""
        return self._is_large_below and self.threaded() == set(RINGS)

    def wrong_object(self) -> bool:
        """Does the small ring rest on the peg without the large one below it?"""
        return not self._is_large_below and SMALL in self.threaded()
