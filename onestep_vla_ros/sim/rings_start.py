# SPDX-License-Identifier: Apache-2.0
"""Where demonstrations of the rings task start, and the mistakes they begin with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import JointError
from onestep_vla_ros.core.joints import arm_slice
from onestep_vla_ros.sim.kinematics import ArmKinematics, tool_rotation
from onestep_vla_ros.sim.objects import DISTRACTORS
from onestep_vla_ros.sim.rings_expert import (
    APPROACH,
    CARRY_M,
    CLEAR_M,
    CLOSED,
    RELEASE,
    TILT_RAD,
    waiting_point,
)
from onestep_vla_ros.sim.rings_scene import (
    BASE_HEIGHT_M,
    LARGE,
    OUTER_M,
    PEG,
    RINGS,
    SMALL,
    THICKNESS_M,
    RingsScene,
)
from onestep_vla_ros.sim.scene import Pose
from onestep_vla_ros.sim.stage import Stage
from onestep_vla_ros.sim.table import HOME_Q, bearing, other_arm, side_of

STARTS = {"home": 0.64, "near": 0.10, "empty": 0.10, "stacked": 0.10, "dropped": 0.06}
"""Where demonstrations start: home, low near a ring, closed on nothing, with the large ring
already on the peg, or with a ring fallen beside the peg."""
MISTAKE_SHARE = 0.15
"""Share of all demonstrations, from home, whose first grasp of one ring misses on purpose."""
_TRIES = 20
_CLEAR_M = 0.09  # an open gripper fits between a ring and a stray object

_Draw = Callable[[], tuple[NDArray[np.float64], float]]


def begin_demonstration(
    stage: Stage, scene: RingsScene, rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Move arms, and rings that are further on, at once; return the mistakes to make.

    Returns:
        Ring to the offset (3,) [m] of its first grasp, as `RingsExpert` takes it.
    """
    start = str(rng.choice(list(STARTS), p=list(STARTS.values())))
    if start == "home":
        if rng.random() >= MISTAKE_SHARE / STARTS["home"]:
            return {}
        ring = str(rng.choice(RINGS))
        return {ring: _draw_mistake(ring, rng)}
    _Beginning(stage, scene, rng).set_up(start)
    return {}


class _Beginning:
    """Puts arms and rings where a demonstration starts."""

    def __init__(self, stage: Stage, scene: RingsScene, rng: np.random.Generator) -> None:
        self._stage, self._rng = stage, rng
        self._arms = {LARGE: scene.large_arm, SMALL: other_arm(scene.large_arm)}
        self._peg = scene.fixtures[PEG]

    def set_up(self, start: str) -> None:
        """Do so for one of `STARTS` but home."""
        rng = self._rng
        if start == "near":
            which = int(rng.integers(3))
            for ring in RINGS if which == 2 else (RINGS[which],):
                self._near(ring)
        elif start == "empty":
            self._empty(str(rng.choice(RINGS)))
        elif start == "stacked":
            self._stack()
            self._leave(LARGE, float(rng.uniform(0.0, 1.5)))
            drawn = rng.random()
            if drawn < 0.7:
                self._near(SMALL) if drawn < 0.35 else self._empty(SMALL)
        else:
            ring = str(rng.choice(RINGS))
            if ring == SMALL:
                self._stack()
            self._drop(ring)
            self._leave(ring, float(rng.uniform(-0.5, 1.0)))

    def _near(self, ring: str) -> None:
        """Low near its ring, about as open as it should be."""

        def draw() -> tuple[NDArray[np.float64], float]:
            at = self._stage.position(ring)[:2] + self._rng.uniform(-0.06, 0.06, 2)
            grip = APPROACH[ring] + self._rng.uniform(-0.15, 0.0)
            return np.array([*at, self._rng.uniform(0.07, 0.16)]), float(grip)

        self._move(self._arms[ring], draw)

    def _empty(self, ring: str) -> None:
        """Closed on nothing: near the ring it missed, on the way, or where it would go next."""
        arm, rng = self._arms[ring], self._rng

        def draw() -> tuple[NDArray[np.float64], float]:
            begin = self._stage.position(ring)[:2]
            end = np.array([self._peg.x_m, self._peg.y_m])
            if ring == SMALL:
                end = waiting_point(arm, self._peg)
            drawn = rng.random()
            share = 0.0 if drawn < 0.4 else rng.uniform(0.0, 1.0) if drawn < 0.75 else 1.0
            at = begin + share * (end - begin) + rng.uniform(-0.02, 0.02, 2)
            low_m = CLEAR_M if share > 0.5 else 0.05
            return np.array([*at, rng.uniform(low_m, CARRY_M)]), CLOSED + rng.uniform(-0.03, 0.03)

        self._move(arm, draw)

    def _leave(self, ring: str, share: float) -> None:
        """Open above the peg, or by `share` > 0 of the way home; from 1 on at home."""
        arm, rng = self._arms[ring], self._rng

        def draw() -> tuple[NDArray[np.float64], float]:
            at = np.array([self._peg.x_m, self._peg.y_m]) + rng.uniform(-0.012, 0.012, 2)
            return np.array([*at, rng.uniform(CLEAR_M, CARRY_M)]), RELEASE[ring]

        if share < 1.0:
            self._move(arm, draw, max(share, 0.0))

    def _stack(self) -> None:
        z_m = BASE_HEIGHT_M + THICKNESS_M / 2
        x_m, y_m = np.array([self._peg.x_m, self._peg.y_m]) + self._rng.uniform(-0.005, 0.005, 2)
        turn = float(self._rng.uniform(0.0, np.pi))
        self._stage.put(LARGE, Pose(float(x_m), float(y_m), z_m, turn))

    def _drop(self, ring: str) -> None:
        """Lay a ring beside the peg, on its arm's side, clear of stray objects."""
        strays = [self._stage.position(name)[:2] for name in DISTRACTORS]
        for _ in range(_TRIES):
            away_m = OUTER_M[LARGE] + OUTER_M[ring] + self._rng.uniform(0.04, 0.06)
            angle = self._rng.uniform(0.0, 0.9)
            x_m = float(self._peg.x_m - away_m * np.sin(angle))  # towards the robot: in reach
            y_m = float(self._peg.y_m + side_of(self._arms[ring]) * away_m * np.cos(angle))
            turn = float(self._rng.uniform(0.0, np.pi))
            if all(np.hypot(*(at - (x_m, y_m))) > _CLEAR_M for at in strays):
                self._stage.put(ring, Pose(x_m, y_m, THICKNESS_M / 2, turn))
                return

    def _move(self, arm: str, draw: _Draw, home_share: float = 0.0) -> None:
        """Move an arm to the first point that is in reach, then by a share of the way home."""
        kinematics, q, part = ArmKinematics(self._stage.model, arm), self._stage.q, arm_slice(arm)
        for _ in range(_TRIES):
            point, grip = draw()
            heading = bearing(arm, point[0], point[1]) + self._rng.uniform(-0.2, 0.2)
            turned = tool_rotation(heading, TILT_RAD + self._rng.uniform(-0.1, 0.15))
            try:
                joints = kinematics.inverse(point, turned, np.array(HOME_Q[:6]))
            except JointError:
                continue
            there = np.array([*joints, grip])
            q[part] = there + home_share * (np.array(HOME_Q)[part] - there)
            self._stage.set_arms(q)
            return


def _draw_mistake(ring: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw an offset (ahead, left, up) [m] of a grasp that closes on nothing."""
    if rng.random() < 0.5:  # above the ring
        return np.array([*rng.uniform(-0.02, 0.02, 2), rng.uniform(0.03, 0.055)])
    sign = rng.choice([-1.0, 1.0])  # short of it or beyond
    ahead_m = OUTER_M[ring] + rng.uniform(0.017, 0.035)
    return np.array([sign * ahead_m, rng.uniform(-0.01, 0.01), 0.0])
