# SPDX-License-Identifier: Apache-2.0
"""A scripted demonstrator: stretches of motion for one arm or both, planned one at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import JointError
from onestep_vla_ros.core.joints import ARMS, arm_slice
from onestep_vla_ros.sim.kinematics import ArmKinematics, rotation_vector, tool_rotation
from onestep_vla_ros.sim.motion import PERIOD_S, follow
from onestep_vla_ros.sim.stage import Stage
from onestep_vla_ros.sim.table import HOME_Q

TILT_RAD = np.deg2rad(30.0)
"""Usual lean of the tool: reaches where joint 4 stops a strictly vertical one."""
OPEN, CLOSED = HOME_Q[6], 0.15
SQUEEZE_S = 0.2
"""Time for the fingers to build up force [s]."""
_STAY_S = 0.6
_SHARES = 5


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the plan.

    Attributes:
        targets: (n, 14), one every `PERIOD_S` [rad, gripper 0..1].
        is_precise: Fingers are near something; noise on the execution should be small.
        is_mistake: Wrong on purpose; nothing of it may become a label.
        is_idle: What follows does not depend on how this went: an arm waits for the other.
        drift: (n, 14), what a demonstration's execution adds to the targets and its labels do
            not have; None adds nothing.
    """

    targets: NDArray[np.float64]
    is_precise: bool = False
    is_mistake: bool = False
    is_idle: bool = False
    drift: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """Where one tool shall be.

    Attributes:
        point: Tool centre, (3,) [m], in the left base frame.
        rotation: Tool frame, (3, 3), as `kinematics.tool_rotation` gives it.
        grip: Opening, 0 closed .. 1 open.
    """

    point: NDArray[np.float64]
    rotation: NDArray[np.float64]
    grip: float


Goals = Mapping[str, Goal | None]
"""Arm to goal; None sends the arm home, an arm that is not named stays."""


def goal(
    x_m: float, y_m: float, z_m: float, heading_rad: float, grip: float, tilt_rad: float = TILT_RAD
) -> Goal:
    """Return the goal of a tool that leans towards `heading_rad` by `tilt_rad`."""
    return Goal(np.array([x_m, y_m, z_m]), tool_rotation(heading_rad, tilt_rad), grip)


class Expert:
    """Hands out the targets of a script, closed-loop on privileged state.

    A task's expert gives `script`: the next stretch is planned from the true state when the
    one before has been handed out, so an empty or lost grasp can be noticed and tried again.
    """

    def __init__(self, stage: Stage) -> None:
        """Start from where the arms are now; `stage` is read, never stepped."""
        self.stage = stage
        self.kinematics = {arm: ArmKinematics(stage.model, arm) for arm in ARMS}
        self.target = stage.q
        self.segment = Segment(np.zeros((0, len(self.target))))
        """The stretch that the last target came from."""
        self.drift = np.zeros_like(self.target)
        """Of the last target, (14,): see `Segment`."""
        self.is_done = False
        self._index = 0
        self._stretches = self._run()

    @property
    def must_look(self) -> bool:
        """Will `next` plan a stretch that depends on the true state as it is then?"""
        is_at_end = self._index >= len(self.segment.targets)
        return is_at_end and not self.is_done and not self.segment.is_idle

    def next(self) -> NDArray[np.float64]:
        """Return the clean target (14,), due one `PERIOD_S` after the one before.

        After the end (`is_done`) the last target comes for ever.
        """
        while not self.is_done and self._index >= len(self.segment.targets):
            segment = next(self._stretches, None)
            if segment is None:
                self.is_done = True
            else:
                self.segment, self._index = segment, 0
        if not self.is_done:
            drift = self.segment.drift
            self.target = self.segment.targets[self._index]
            self.drift = np.zeros_like(self.target) if drift is None else drift[self._index]
            self._index += 1
        return self.target

    def script(self) -> Iterator[Segment]:
        """Yield the stretches of the task, up to but without `ending`.

        A `JointError` (something was knocked out of reach) ends it.
        """
        raise NotImplementedError

    def ending(self) -> Iterator[Segment]:
        """Yield what follows the script, however it ended: go home and stay there."""
        yield self.joint_move(dict.fromkeys(ARMS))
        yield self.wait(_STAY_S)

    def _run(self) -> Iterator[Segment]:
        with contextlib.suppress(JointError):
            yield from self.script()
        yield from self.ending()

    def tool(self, arm: str) -> NDArray[np.float64]:
        """Return the tool centre of the last target, (3,) [m]."""
        return self.kinematics[arm].forward(self.target[arm_slice(arm)][:6])[0]

    def grip_of(self, arm: str) -> float:
        """Return the gripper of the last target, 0 closed .. 1 open."""
        return float(self.target[arm_slice(arm)][6])

    def joint_move(self, goals: Goals) -> Segment:
        """Move in joint space, all named arms at once.

        Raises:
            JointError: A goal is out of reach.
        """
        end = self.target.copy()
        for arm, wanted in goals.items():
            part = arm_slice(arm)
            end[part] = _home(arm) if wanted is None else self._solve(arm, wanted, end[part])
        return Segment(follow(np.stack([self.target, end])))

    def straight(
        self, goals: Goals, *, is_precise: bool = False, is_mistake: bool = False
    ) -> Segment:
        """Move every named tool along a straight line, turning evenly, all at once.

        An arm that goes home (None) does so in joint space.

        Raises:
            JointError: A point of a line is out of reach.
        """
        path = np.repeat(self.target[None], _SHARES + 1, axis=0)
        shares = np.linspace(0.0, 1.0, _SHARES + 1)
        for arm, wanted in goals.items():
            part = arm_slice(arm)
            begin = self.target[part]
            if wanted is None:
                path[:, part] = begin + shares[:, None] * (_home(arm) - begin)
                continue
            at, turned = self.kinematics[arm].forward(begin[:6])
            turn = rotation_vector(wanted.rotation @ turned.T)
            for i, share in enumerate(shares[1:], start=1):
                between = Goal(
                    at + share * (wanted.point - at),
                    _turned(turned, share * turn),
                    begin[6] + share * (wanted.grip - begin[6]),
                )
                path[i, part] = self._solve(arm, between, path[i - 1, part])
        return Segment(follow(path), is_precise, is_mistake)

    def grip(
        self, openings: Mapping[str, float], hold_s: float = 0.0, *, is_mistake: bool = False
    ) -> Segment:
        """Open or close grippers (arm to opening), then hold for `hold_s`."""
        end = self.target.copy()
        for arm, opening in openings.items():
            end[arm_slice(arm).stop - 1] = opening
        targets = follow(np.stack([self.target, end]))
        still = np.repeat(targets[-1:], round(hold_s / PERIOD_S), axis=0)
        return Segment(np.concatenate([targets, still]), True, is_mistake)

    def wait(self, duration_s: float) -> Segment:
        """Stay where the arms are."""
        return Segment(np.repeat(self.target[None], round(duration_s / PERIOD_S), axis=0))

    def _solve(self, arm: str, wanted: Goal, start: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (7,): joints that bring the tool to a goal, and its grip."""
        joints = self.kinematics[arm].inverse(wanted.point, wanted.rotation, start[:6])
        return np.array([*joints, wanted.grip])


def _home(arm: str) -> NDArray[np.float64]:
    return np.array(HOME_Q)[arm_slice(arm)]


def _turned(rotation: NDArray[np.float64], vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `rotation` (3, 3) turned by a rotation vector (3,) in the base frame."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-9:
        return rotation
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    turn = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
    return turn @ rotation
