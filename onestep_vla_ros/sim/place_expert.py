# SPDX-License-Identifier: Apache-2.0
"""A scripted demonstrator for the place task, with regrasps and mistakes to learn from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import JointError
from onestep_vla_ros.core.joints import arm_slice
from onestep_vla_ros.sim.expert import (
    CLOSED,
    OPEN,
    SQUEEZE_S,
    TILT_RAD,
    Expert,
    Goal,
    Segment,
    goal,
)
from onestep_vla_ros.sim.kinematics import ArmKinematics, tool_rotation
from onestep_vla_ros.sim.objects import PLATE_HEIGHT_M, PLATE_RADIUS_M
from onestep_vla_ros.sim.place_scene import PlaceScene
from onestep_vla_ros.sim.stage import Stage
from onestep_vla_ros.sim.table import HOME_Q, MIDLINE_Y_M, bearing, other_arm, side_of

HOVER_M, GRASP_M, CARRY_M = 0.12, 0.018, 0.14
"""Heights of the tool centre above the table [m]."""
RELEASE_M = PLATE_HEIGHT_M + GRASP_M + 0.004
ATTEMPTS = 4
_LOW_M = 0.08  # below this the tool rises before it moves sideways
_NEAR_M = 0.02  # closer than this beside the cube, an open gripper goes straight down
STARTS = {"home": 0.58, "near": 0.14, "anywhere": 0.08, "empty": 0.20}
"""Where demonstrations start: home, low near a cube, anywhere, or closed on nothing."""
MISTAKE_SHARE = 0.18
"""Share of the demonstrations from home whose first grasp misses on purpose."""


class PlaceExpert(Expert):
    """Plans hover, descend, close, lift, carry, lower, open, retreat."""

    def __init__(
        self, stage: Stage, scene: PlaceScene, mistake_m: NDArray[np.float64] | None = None
    ) -> None:
        """Start from where the arms are now.

        Args:
            stage: Read, never stepped.
            scene: Names the cube and the arm.
            mistake_m: Offset (3,) [m] in the tool's heading frame (ahead, left, up) by
                which the first grasp goes wrong on purpose.
        """
        super().__init__(stage)
        self._cube, self._arm = scene.target, scene.arm
        self._plate = scene.fixtures["plate"]
        self._mistake_m = mistake_m

    def script(self) -> Iterator[Segment]:
        """Pick the cube and bring it to the plate; look, and try again if need be."""
        for attempt in range(ATTEMPTS):
            yield from self._pick(self._mistake_m if attempt == 0 else None)
            if self.stage.is_grasped(self._cube, self._arm):
                yield from self._deliver()
            if self._is_delivered():
                return

    def _pick(self, mistake_m: NDArray[np.float64] | None) -> Iterator[Segment]:
        tool, cube = self.tool(self._arm), self.stage.position(self._cube)
        is_open = self.grip_of(self._arm) > OPEN - 0.15
        if not (is_open and np.hypot(*(tool - cube)[:2]) < _NEAR_M and tool[2] < HOVER_M):
            if tool[2] < _LOW_M:
                heading = bearing(self._arm, tool[0], tool[1])
                yield self.straight({self._arm: goal(tool[0], tool[1], HOVER_M, heading, OPEN)})
            yield self.joint_move({self._arm: self._above(HOVER_M), other_arm(self._arm): None})
        low = self._above(max(self.stage.position(self._cube)[2] - 0.002, GRASP_M))
        wrong = mistake_m is not None
        if mistake_m is not None:
            heading = self._heading()
            ahead = np.array([np.cos(heading), np.sin(heading)])
            left = np.array([-ahead[1], ahead[0]])
            off = [*(mistake_m[0] * ahead + mistake_m[1] * left), mistake_m[2]]
            low = Goal(low.point + off, low.rotation, OPEN)
        yield self.straight({self._arm: low}, is_precise=True, is_mistake=wrong)
        yield self.grip({self._arm: CLOSED}, SQUEEZE_S, is_mistake=wrong)
        up = Goal(np.array([*low.point[:2], CARRY_M]), low.rotation, CLOSED)
        yield self.straight({self._arm: up}, is_mistake=wrong)

    def _deliver(self) -> Iterator[Segment]:
        x_m, y_m = self._plate.x_m, self._plate.y_m
        heading = bearing(self._arm, x_m, y_m)
        yield self.joint_move({self._arm: goal(x_m, y_m, CARRY_M, heading, CLOSED)})
        low = goal(x_m, y_m, RELEASE_M, heading, CLOSED)
        yield self.straight({self._arm: low}, is_precise=True)
        yield self.grip({self._arm: OPEN})
        yield self.straight({self._arm: goal(x_m, y_m, HOVER_M, heading, OPEN)})

    def _is_delivered(self) -> bool:
        offset = self.stage.position(self._cube)[:2] - (self._plate.x_m, self._plate.y_m)
        is_held = self.stage.is_grasped(self._cube, self._arm)
        return bool(np.hypot(*offset) < PLATE_RADIUS_M and not is_held)

    def _above(self, z_m: float) -> Goal:
        cube = self.stage.position(self._cube)
        return goal(cube[0], cube[1], z_m, self._heading(), OPEN)

    def _heading(self) -> float:
        """The cube's face direction that is nearest to the arm's own plane [rad]."""
        cube = self.stage.position(self._cube)
        own = bearing(self._arm, cube[0], cube[1])
        off = self.stage.yaw(self._cube) - own
        return own + float((off + np.pi / 4) % (np.pi / 2) - np.pi / 4)


def begin_demonstration(
    stage: Stage, scene: PlaceScene, rng: np.random.Generator
) -> NDArray[np.float64] | None:
    """Move the acting arm, at once, to where a demonstration starts; return its mistake."""
    start = str(rng.choice(list(STARTS), p=list(STARTS.values())))
    if start == "home":
        return _draw_mistake(rng) if rng.random() < MISTAKE_SHARE / STARTS["home"] else None
    kinematics, q = ArmKinematics(stage.model, scene.arm), stage.q
    for _ in range(20):
        point, grip = _draw_point(stage, scene, start, rng)
        heading = bearing(scene.arm, point[0], point[1]) + rng.uniform(-0.3, 0.3)
        turned = tool_rotation(heading, TILT_RAD + rng.uniform(-0.1, 0.2))
        try:
            arm = kinematics.inverse(point, turned, np.array(HOME_Q[:6]))
        except JointError:
            continue
        q[arm_slice(scene.arm)] = [*arm, grip]
        stage.set_arms(q)
        break
    return None


def _draw_mistake(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw an offset (ahead, left, up) [m] that closes on nothing, or next to nothing."""
    kind = int(rng.integers(3))
    if kind == 0:  # above the cube
        return np.array([*rng.uniform(-0.02, 0.02, 2), rng.uniform(0.035, 0.06)])
    sign = rng.choice([-1.0, 1.0])
    if kind == 1:  # short of it or beyond
        return np.array([sign * rng.uniform(0.03, 0.05), rng.uniform(-0.01, 0.01), 0.0])
    side_m = rng.uniform(0.015, 0.035)  # beside it, high enough not to press on it
    return np.array([rng.uniform(-0.01, 0.01), sign * side_m, rng.uniform(0.03, 0.045)])


def _draw_point(
    stage: Stage, scene: PlaceScene, start: str, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """Draw a tool position (3,) [m] and a gripper opening."""
    cube = stage.position(scene.target)
    if start == "near":
        around = cube[:2] + rng.uniform(-0.06, 0.06, 2)
        return np.array([*around, rng.uniform(0.075, 0.16)]), OPEN + rng.uniform(-0.05, 0.05)
    if start == "anywhere":
        y_m = MIDLINE_Y_M + side_of(scene.arm) * rng.uniform(0.0, 0.3)
        at = np.array([rng.uniform(0.28, 0.45), y_m, rng.uniform(0.09, 0.2)])
        return at, OPEN + rng.uniform(-0.2, 0.05)
    empty_grip = CLOSED + rng.uniform(-0.02, 0.05)
    drawn = rng.random()
    if drawn < 0.4:  # just above or beside the cube it missed
        around = cube[:2] + rng.uniform(-0.04, 0.04, 2)
        return np.array([*around, rng.uniform(0.075, CARRY_M)]), empty_grip
    share = rng.uniform(0.0, 1.0) if drawn < 0.75 else 1.0  # on the way to the plate, or there
    plate = np.array([scene.fixtures["plate"].x_m, scene.fixtures["plate"].y_m])
    at = cube[:2] + share * (plate - cube[:2]) + rng.uniform(-0.02, 0.02, 2)
    return np.array([*at, rng.uniform(0.05, CARRY_M)]), empty_grip
