# SPDX-License-Identifier: Apache-2.0
"""A scripted demonstrator for the place task, closed-loop on privileged state."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.errors import JointError
from onestep_vla_ros.core.joints import arm_slice
from onestep_vla_ros.core.observation import Observation
from onestep_vla_ros.sim.kinematics import ArmKinematics, tool_rotation
from onestep_vla_ros.sim.motion import PERIOD_S, follow
from onestep_vla_ros.sim.tasks import HOME_Q, PLATE_HEIGHT_M, PLATE_RADIUS_M, base_y
from onestep_vla_ros.sim.yam_station import YamStation

TILT_RAD = np.deg2rad(30.0)
OPEN, CLOSED = HOME_Q[6], 0.15
HOVER_M, GRASP_M, CARRY_M = 0.12, 0.018, 0.14
"""Heights of the tool centre above the table [m]."""
RELEASE_M = PLATE_HEIGHT_M + GRASP_M + 0.004
ATTEMPTS = 4
_LOW_M = 0.08  # below this the tool rises before it moves sideways
_NEAR_M = 0.02  # closer than this beside the cube, an open gripper goes straight down
_SQUEEZE_S = 0.2  # time for the fingers to build up force
_STAY_S = 0.6
HORIZON = 16
"""Waypoints in the chunks of `ExpertPolicy`."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the plan.

    Attributes:
        targets: (n, 14), one every `PERIOD_S` [rad, gripper 0..1].
        is_precise: Fingers are near something; noise on the execution should be small.
        is_mistake: Wrong on purpose; nothing of it may become a label.
    """

    targets: NDArray[np.float64]
    is_precise: bool = False
    is_mistake: bool = False


class PlaceExpert:
    """Plans hover, descend, close, lift, carry, lower, open, retreat, home.

    The next stage is planned from the true state when the one before has been handed
    out; an empty or lost grasp is noticed and tried again.
    """

    def __init__(self, world: YamStation, mistake_m: NDArray[np.float64] | None = None) -> None:
        """Start from where the arms of `world` are now.

        Args:
            world: Read, never stepped.
            mistake_m: Offset (3,) [m] in the tool's heading frame (ahead, left, up) by
                which the first grasp goes wrong on purpose.
        """
        self._world = world
        self._arm = world.scene.arm
        self._kinematics = ArmKinematics(world.model, self._arm)
        self._slice = arm_slice(self._arm)
        self._mistake_m = mistake_m
        self._target = world.joint_state()[0]
        self._script = self._run()
        self._segment = Segment(np.zeros((0, len(self._target))))
        self._index = 0
        self.is_done = False

    @property
    def segment(self) -> Segment:
        """The stretch that the last target came from."""
        return self._segment

    def next(self) -> NDArray[np.float64]:
        """Return the clean target (14,), due one `PERIOD_S` after the one before.

        After the end (`is_done`) the last target comes for ever.
        """
        while not self.is_done and self._index >= len(self._segment.targets):
            segment = next(self._script, None)
            if segment is None:
                self.is_done = True
            else:
                self._segment, self._index = segment, 0
        if not self.is_done:
            self._target = self._segment.targets[self._index]
            self._index += 1
        return self._target

    def _run(self) -> Iterator[Segment]:
        # Knocked out of reach is no error: go home and let success() say so.
        with contextlib.suppress(JointError):
            yield from self._attempt()
        yield Segment(follow(np.stack([self._target, np.array(HOME_Q)])))
        yield Segment(np.repeat(self._target[None], round(_STAY_S / PERIOD_S), axis=0))

    def _attempt(self) -> Iterator[Segment]:
        for attempt in range(ATTEMPTS):
            yield from self._pick(self._mistake_m if attempt == 0 else None)
            if self._is_grasped():
                yield from self._deliver()
            if self._is_delivered():
                return

    def _pick(self, mistake_m: NDArray[np.float64] | None) -> Iterator[Segment]:
        tool = self._tool()
        cube = self._world.stage.cube_position(self._world.scene.target)
        is_open = self._target[self._slice][6] > OPEN - 0.15
        if not (is_open and np.hypot(*(tool - cube)[:2]) < _NEAR_M and tool[2] < HOVER_M):
            if tool[2] < _LOW_M:
                yield self._straight(
                    np.array([tool[0], tool[1], HOVER_M]), OPEN, self._heading(tool)
                )
            cube = self._world.stage.cube_position(self._world.scene.target)
            heading = self._cube_heading()
            yield self._joint_move(np.array([cube[0], cube[1], HOVER_M]), OPEN, heading)
        heading = self._cube_heading()
        cube = self._world.stage.cube_position(self._world.scene.target)
        goal = np.array([cube[0], cube[1], max(cube[2] - 0.002, GRASP_M)])
        wrong = mistake_m is not None
        if mistake_m is not None:
            ahead = np.array([np.cos(heading), np.sin(heading)])
            left = np.array([-ahead[1], ahead[0]])
            goal[:2] += mistake_m[0] * ahead + mistake_m[1] * left
            goal[2] += mistake_m[2]
        yield self._straight(goal, OPEN, heading, is_precise=True, is_mistake=wrong)
        yield self._grip(CLOSED, hold_s=_SQUEEZE_S, is_mistake=wrong)
        up = np.array([goal[0], goal[1], CARRY_M])
        yield self._straight(up, CLOSED, heading, is_mistake=wrong)

    def _deliver(self) -> Iterator[Segment]:
        x_m, y_m = self._world.scene.plate
        heading = self._heading(np.array([x_m, y_m]))
        yield self._joint_move(np.array([x_m, y_m, CARRY_M]), CLOSED, heading)
        yield self._straight(np.array([x_m, y_m, RELEASE_M]), CLOSED, heading, is_precise=True)
        yield self._grip(OPEN)
        yield self._straight(np.array([x_m, y_m, HOVER_M]), OPEN, heading)

    def _is_grasped(self) -> bool:
        return self._world.stage.is_grasped(self._world.scene.target, self._arm)

    def _is_delivered(self) -> bool:
        cube = self._world.stage.cube_position(self._world.scene.target)
        offset = cube[:2] - np.array(self._world.scene.plate)
        return bool(np.hypot(*offset) < PLATE_RADIUS_M and not self._is_grasped())

    def _tool(self) -> NDArray[np.float64]:
        return self._kinematics.forward(self._target[self._slice][:6])[0]

    def _heading(self, point: NDArray[np.float64]) -> float:
        return float(np.arctan2(point[1] - base_y(self._arm), point[0]))

    def _cube_heading(self) -> float:
        """The cube's face direction that is nearest to the arm's own plane [rad]."""
        colour = self._world.scene.target
        bearing = self._heading(self._world.stage.cube_position(colour))
        off = self._world.stage.cube_yaw(colour) - bearing
        return bearing + float((off + np.pi / 4) % (np.pi / 2) - np.pi / 4)

    def _solve(
        self, point: NDArray[np.float64], heading: float, start: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return self._kinematics.inverse(point, tool_rotation(heading, TILT_RAD), start)

    def _joint_move(self, point: NDArray[np.float64], grip: float, heading: float) -> Segment:
        goal = np.array(HOME_Q)
        start = self._target[self._slice][:6]
        goal[self._slice] = [*self._solve(point, heading, start), grip]
        return Segment(follow(np.stack([self._target, goal])))

    def _straight(
        self,
        point: NDArray[np.float64],
        grip: float,
        heading: float,
        *,
        is_precise: bool = False,
        is_mistake: bool = False,
    ) -> Segment:
        """Return a straight line of the tool centre to `point`."""
        begin, q = self._tool(), self._target[self._slice][:6]
        arm = [self._target[self._slice]]
        for share in np.linspace(0.0, 1.0, 6)[1:]:
            q = self._solve(begin + share * (point - begin), heading, q)
            arm.append(np.array([*q, arm[0][6] + share * (grip - arm[0][6])]))
        path = np.repeat(np.array(HOME_Q)[None], len(arm), axis=0)
        path[0] = self._target
        path[:, self._slice] = arm
        return Segment(follow(path), is_precise, is_mistake)

    def _grip(self, grip: float, hold_s: float = 0.0, *, is_mistake: bool = False) -> Segment:
        goal = self._target.copy()
        goal[self._slice][6] = grip
        targets = follow(np.stack([self._target, goal]))
        still = np.repeat(targets[-1:], round(hold_s / PERIOD_S), axis=0)
        return Segment(np.concatenate([targets, still]), True, is_mistake)


class ExpertPolicy:
    """The expert behind a policy's face: looks one horizon ahead, ignores the images."""

    def __init__(self, world: YamStation) -> None:
        self._world = world
        self._expert: PlaceExpert | None = None
        self._start_s = 0.0
        self._plan: list[NDArray[np.float64]] = []

    def infer(self, observation: Observation) -> Chunk:
        """Return `HORIZON` waypoints from the observation's stamp on; a new episode restarts."""
        stamp_s = observation.stamp_s
        if self._expert is None or stamp_s < self._start_s:
            self._expert, self._start_s = PlaceExpert(self._world), stamp_s
            self._plan = [observation.q]
        due = (stamp_s - self._start_s) / PERIOD_S + np.arange(1, HORIZON + 1)
        while len(self._plan) < due[-1] + 1:
            self._plan.append(self._expert.next())
        plan = np.array(self._plan)
        known = np.arange(len(plan))
        q = np.stack([np.interp(due, known, plan[:, j]) for j in range(plan.shape[1])], axis=1)
        return Chunk(q=q, stamp_s=stamp_s, period_s=PERIOD_S)
