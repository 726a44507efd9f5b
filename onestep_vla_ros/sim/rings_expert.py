# SPDX-License-Identifier: Apache-2.0
"""A scripted demonstrator for the rings: each arm runs its own program, the small one waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onestep_vla_ros.core.joints import ARMS, arm_slice
from onestep_vla_ros.sim.expert import SQUEEZE_S, Expert, Goal, Segment, goal
from onestep_vla_ros.sim.motion import PERIOD_S
from onestep_vla_ros.sim.rings_scene import (
    HOLE_M,
    LARGE,
    PEG,
    PEG_HEIGHT_M,
    SMALL,
    THICKNESS_M,
    RingsScene,
)
from onestep_vla_ros.sim.scene import Pose
from onestep_vla_ros.sim.stage import Stage
from onestep_vla_ros.sim.table import HOME_Q, MIDLINE_Y_M, bearing, other_arm, side_of

TILT_RAD = np.deg2rad(20.0)
"""Lean of the tool: enough to reach over the peg, little enough for low finger tips."""
HOVER_M, GRASP_M, LIFT_M, CARRY_M = 0.09, 0.010, 0.06, 0.115
"""Heights of the tool centre above the table [m]."""
RELEASE_M = {LARGE: 0.022, SMALL: 0.040}
"""Height of the tool centre where a ring is let go, to fall the rest [m]."""
CLEAR_M = 0.09
"""Height at which open fingers are above the peg [m]."""
WAIT_SIDE_M = 0.17
"""Distance from the midline at which the small ring waits [m]."""
APPROACH = {LARGE: 1.0, SMALL: HOME_Q[6]}
"""Opening that leaves 11 mm and more on either side of a ring, 0 closed .. 1 open."""
RELEASE = {LARGE: 1.0, SMALL: 0.8}
"""Opening that lets go of a ring."""
CLOSED = 0.42
"""Commanded to hold a ring; the small one stops the fingers at 0.53, the large one at 0.77."""
ATTEMPTS = 4
_APART_M = 0.06  # the large ring's arm has left the peg
_NEAR_M = 0.012  # closer than this beside the ring, an open gripper goes straight down
_MOST_OFF_M = 0.012  # a ring that is held further off the tool's centre is not centred fully
_LOW_M = 0.075  # below this the tool rises before it moves sideways


class RingsExpert(Expert):
    """Each arm plans hover, descend, close, lift, carry, lower, open, retreat by itself."""

    def __init__(
        self,
        stage: Stage,
        scene: RingsScene,
        mistakes_m: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> None:
        """Start from where the arms are now.

        Args:
            stage: Read, never stepped.
            scene: Names the arm of each ring, and where the peg stands.
            mistakes_m: Ring to the offset (3,) [m] in the tool's heading frame (ahead, left,
                up) by which the first grasp of it goes wrong on purpose.
        """
        super().__init__(stage)
        self._arms = {LARGE: scene.large_arm, SMALL: other_arm(scene.large_arm)}
        self._peg = scene.fixtures[PEG]
        self._mistakes_m = mistakes_m or {}
        self._given_up: set[str] = set()

    def script(self) -> Iterator[Segment]:
        """Run both arms' programs side by side, each at its own pace."""
        programs = {self._arms[ring]: self._program(ring) for ring in (LARGE, SMALL)}
        running: dict[str, Segment] = {}
        while True:
            for arm in ARMS:
                if arm not in running and (segment := next(programs[arm], None)) is not None:
                    running[arm] = segment
            if not running:
                return
            count = min(len(segment.targets) for segment in running.values())
            targets = np.repeat(self.target[None], count, axis=0)
            for arm, segment in running.items():
                targets[:, arm_slice(arm)] = segment.targets[:count, arm_slice(arm)]
            flags = list(running.values())
            is_idle = all(s.is_idle for s in flags if len(s.targets) == count)
            running = {a: _rest(s, count) for a, s in running.items() if len(s.targets) > count}
            yield Segment(
                targets,
                any(s.is_precise for s in flags),
                any(s.is_mistake for s in flags),
                is_idle,
            )

    def _program(self, ring: str) -> Iterator[Segment]:
        """Bring one ring to the peg; look, and try again if need be."""
        arm = self._arms[ring]
        for attempt in range(ATTEMPTS):
            if self._is_on_peg(ring):
                break
            yield from self._pick(ring, self._mistakes_m.get(ring) if attempt == 0 else None)
            if not self.stage.is_grasped(ring, arm):
                yield self._rise(arm, HOVER_M, APPROACH[ring])
                continue
            yield self._rise(arm, LIFT_M)
            if ring == SMALL and not self._is_clear():
                aside = waiting_point(arm, self._peg)
                yield self.joint_move({arm: goal_at(arm, aside, CARRY_M, CLOSED)})
                while not (self._is_clear() or LARGE in self._given_up):
                    yield replace(self.wait(PERIOD_S), is_idle=True)
            yield from self._deliver(ring)
        if not self._is_on_peg(ring):
            self._given_up.add(ring)
        yield self.joint_move({arm: None})

    def _pick(self, ring: str, mistake_m: NDArray[np.float64] | None) -> Iterator[Segment]:
        arm, grip = self._arms[ring], APPROACH[ring]
        tool, at = self.tool(arm), self.stage.position(ring)
        is_open = self.grip_of(arm) > grip - 0.1
        if not (is_open and np.hypot(*(tool - at)[:2]) < _NEAR_M and tool[2] < HOVER_M):
            if tool[2] < _LOW_M:
                yield self._rise(arm, HOVER_M)
            yield self.joint_move({arm: goal_at(arm, at, HOVER_M, grip)})
        at = self.stage.position(ring)
        low = goal_at(arm, at, max(at[2] + 0.001, GRASP_M), grip)
        wrong = mistake_m is not None
        if mistake_m is not None:
            heading = bearing(arm, at[0], at[1])
            ahead = np.array([np.cos(heading), np.sin(heading)])
            left = np.array([-ahead[1], ahead[0]])
            off = [*(mistake_m[0] * ahead + mistake_m[1] * left), mistake_m[2]]
            low = Goal(low.point + off, low.rotation, grip)
        yield self.straight({arm: low}, is_precise=True, is_mistake=wrong)
        yield self.grip({arm: CLOSED}, SQUEEZE_S, is_mistake=wrong)

    def _deliver(self, ring: str) -> Iterator[Segment]:
        arm, peg = self._arms[ring], np.array([self._peg.x_m, self._peg.y_m])
        yield self.joint_move({arm: goal_at(arm, peg, CARRY_M, CLOSED)})
        if not self.stage.is_grasped(ring, arm):
            return
        over = peg - np.clip(self._held_off(ring), -_MOST_OFF_M, _MOST_OFF_M)
        yield self.straight({arm: goal_at(arm, over, RELEASE_M[ring], CLOSED)}, is_precise=True)
        yield self.grip({arm: RELEASE[ring]})
        yield replace(self._rise(arm, CLEAR_M), is_precise=True)  # do not drag the ring along

    def _held_off(self, ring: str) -> NDArray[np.float64]:
        """Return by how much, in the table's plane, a ring is held off the tool's centre."""
        arm = self._arms[ring]
        tool, _ = self.kinematics[arm].forward(self.stage.q[arm_slice(arm)][:6])
        return (self.stage.position(ring) - tool)[:2]

    def _rise(self, arm: str, z_m: float, grip: float | None = None) -> Segment:
        """Go straight up, opening to `grip` on the way."""
        grip = self.grip_of(arm) if grip is None else grip
        return self.straight({arm: goal_at(arm, self.tool(arm), z_m, grip)})

    def _is_on_peg(self, ring: str) -> bool:
        at = self.stage.position(ring)
        is_around = np.hypot(at[0] - self._peg.x_m, at[1] - self._peg.y_m) < HOLE_M[ring]
        is_held = self.stage.is_grasped(ring, self._arms[ring])
        return bool(is_around and at[2] < PEG_HEIGHT_M - THICKNESS_M / 2 and not is_held)

    def _is_clear(self) -> bool:
        """Is the large ring on the peg, and its arm no longer above it?"""
        tool = self.tool(self._arms[LARGE])
        away = np.hypot(tool[0] - self._peg.x_m, tool[1] - self._peg.y_m)
        return self._is_on_peg(LARGE) and bool(away > _APART_M)


def goal_at(arm: str, at: ArrayLike, z_m: float, grip: float) -> Goal:
    """Return the goal at height `z_m` over a point of the table, in the arm's own plane.

    Args:
        arm: Whose tool.
        at: Point, x and y first [m]; what follows them is ignored.
        z_m: Height of the tool centre [m].
        grip: Opening, 0 closed .. 1 open.
    """
    x_m, y_m = np.asarray(at)[:2].tolist()
    return goal(x_m, y_m, z_m, bearing(arm, x_m, y_m), grip, TILT_RAD)


def waiting_point(arm: str, peg: Pose) -> NDArray[np.float64]:
    """Return where the small ring waits above the table, (2,) [m]."""
    return np.array([peg.x_m - 0.02, MIDLINE_Y_M + side_of(arm) * WAIT_SIDE_M])


def _rest(segment: Segment, count: int) -> Segment:
    """Return what is left of a stretch after `count` of its targets."""
    return replace(segment, targets=segment.targets[count:])
