# SPDX-License-Identifier: Apache-2.0
"""A scripted demonstrator for the lift task, with regrasps and mistakes to learn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import JointError
from onestep_vla_ros.core.joints import ARMS, arm_slice
from onestep_vla_ros.sim.beam import BEAM, LEVEL_RAD, LIFTED_M, lean
from onestep_vla_ros.sim.expert import (
    CLOSED,
    OPEN,
    SQUEEZE_S,
    TILT_RAD,
    Expert,
    Goal,
    Segment,
)
from onestep_vla_ros.sim.kinematics import ArmKinematics, tool_rotation
from onestep_vla_ros.sim.stage import Stage
from onestep_vla_ros.sim.table import HOME_Q, side_of

HOVER_M, GRASP_M, RAISED_M = 0.085, 0.018, 0.138
"""Heights of the tool centre above the table [m]."""
GRASP_AT_M = 0.15
"""Distance of each grasp from the beam's centre, along it."""
NEAREST_X_M, FARTHEST_X_M = 0.28, 0.37
"""The beam is drawn back to this range as it rises: farther out joint 4 stops the tools."""
HOLD_S = 0.8
ATTEMPTS = 4
STARTS = {"home": 0.65, "near": 0.15, "empty": 0.20}
"""Where demonstrations start: home, low near the beam's ends, or closed on nothing."""
MISTAKE_SHARE = 0.15
"""Share of the demonstrations whose first grasp misses on purpose."""
_AROUND = 0.31  # opening at which the fingers just touch the beam
_LOW_M = 0.065  # below this a tool rises before it moves sideways
_NEAR_M = 0.015  # closer than this beside its grasp, an open gripper goes straight down


@dataclass(frozen=True, slots=True)
class Mistake:
    """What goes wrong on purpose at the first grasp.

    Attributes:
        offsets: Arm to an offset (3,) [m] of its grasp: outwards along the beam, across, up.
        rise_m: How far the tools then rise before it is noticed, 0 for not at all.
    """

    offsets: Mapping[str, NDArray[np.float64]]
    rise_m: float


class LiftExpert(Expert):
    """Plans hover, descend, close, lift, hold, with both arms at once."""

    def __init__(self, stage: Stage, mistake: Mistake | None = None) -> None:
        """Start from where the arms are now.

        Args:
            stage: Read, never stepped.
            mistake: How the first grasp goes wrong on purpose.
        """
        super().__init__(stage)
        self._mistake = mistake

    def script(self) -> Iterator[Segment]:
        """Take the beam and raise it; look, and try again if need be."""
        for attempt in range(ATTEMPTS):
            yield from self._release()
            yield from self._approach()
            if attempt == 0 and self._mistake is not None:
                yield from self._miss(self._mistake)
                continue
            low = {arm: grasp_goal(self.stage, arm) for arm in ARMS}
            yield self.straight(low, is_precise=True)
            yield self.grip(dict.fromkeys(ARMS, CLOSED), SQUEEZE_S)
            if self._is_grasped():
                yield self.straight(self._raised(low), is_precise=True)
                yield self.grip(dict.fromkeys(ARMS, CLOSED), HOLD_S)
            if self._is_held():
                return

    def ending(self) -> Iterator[Segment]:
        """Stay there with the beam; without it go home."""
        if not self._is_held():
            yield from super().ending()

    def _release(self) -> Iterator[Segment]:
        """Put down what is held, open, and rise to where the tools may move sideways."""
        holding = [arm for arm in ARMS if self.stage.is_grasped(BEAM, arm)]
        if holding:
            if self.stage.position(BEAM)[2] > 2 * GRASP_M:
                yield self.straight(self._vertical(holding, GRASP_M), is_precise=True)
            yield self.grip(dict.fromkeys(holding, OPEN))
        low = [arm for arm in ARMS if self.tool(arm)[2] < _LOW_M and not self._is_ready(arm)]
        if low:
            yield self.straight(self._vertical(low, HOVER_M))

    def _approach(self) -> Iterator[Segment]:
        far = [arm for arm in ARMS if not self._is_ready(arm)]
        if far:
            above = (0.0, 0.0, HOVER_M - GRASP_M)
            yield self.joint_move({a: grasp_goal(self.stage, a, above) for a in far})

    def _miss(self, mistake: Mistake) -> Iterator[Segment]:
        low = {
            arm: grasp_goal(self.stage, arm, mistake.offsets.get(arm, (0.0, 0.0, 0.0)))
            for arm in ARMS
        }
        yield self.straight(low, is_precise=True, is_mistake=True)
        yield self.grip(dict.fromkeys(ARMS, CLOSED), SQUEEZE_S, is_mistake=True)
        if mistake.rise_m > 0.0:
            yield self.straight(self._raised(low, mistake.rise_m), is_mistake=True)

    def _raised(
        self, low: Mapping[str, Goal], by_m: float = RAISED_M - GRASP_M
    ) -> dict[str, Goal]:
        """Return goals shifted up by `by_m`, closed, and back to where the arms reach that."""
        x_m = self.stage.position(BEAM)[0]
        shift = [np.clip(x_m, NEAREST_X_M, FARTHEST_X_M) - x_m, 0.0, by_m]
        return {arm: Goal(g.point + shift, g.rotation, CLOSED) for arm, g in low.items()}

    def _vertical(self, arms: list[str], z_m: float) -> dict[str, Goal]:
        """Return goals straight above or below where the tools are, turned as they are."""
        goals = {}
        for arm in arms:
            at, turned = self.kinematics[arm].forward(self.target[arm_slice(arm)][:6])
            goals[arm] = Goal(np.array([*at[:2], z_m]), turned, self.grip_of(arm))
        return goals

    def _is_ready(self, arm: str) -> bool:
        """Is the open gripper above its grasp, or around it?"""
        off = self.tool(arm) - grasp_goal(self.stage, arm).point
        is_open = self.grip_of(arm) > OPEN - 0.15
        return bool(is_open and np.hypot(*off[:2]) < _NEAR_M and off[2] < HOVER_M)

    def _is_grasped(self) -> bool:
        touches = self.stage.touches()
        return all(touches.is_grasped(BEAM, arm) for arm in ARMS)

    def _is_held(self) -> bool:
        is_high = self.stage.position(BEAM)[2] >= LIFTED_M
        is_level = lean(self.stage.rotation(BEAM)) <= LEVEL_RAD
        return bool(is_high and is_level and self._is_grasped())


def grasp_goal(
    stage: Stage,
    arm: str,
    offset_m: tuple[float, float, float] | NDArray[np.float64] = (0.0, 0.0, 0.0),
    grip: float = OPEN,
) -> Goal:
    """Return where a tool takes its end of the beam as it lies, leaning inwards along it.

    Args:
        stage: Read for the beam's pose.
        arm: Takes the end on its own side.
        offset_m: Outwards along the beam, across it (ahead), up.
        grip: Opening of the goal.
    """
    along = stage.rotation(BEAM)[:, 1]
    yaw = float(np.arctan2(-along[0], along[1]))
    if abs(yaw) > np.pi / 2:
        yaw -= np.sign(yaw) * np.pi
    side = side_of(arm)
    outwards = side * np.array([-np.sin(yaw), np.cos(yaw)])
    across = np.array([np.cos(yaw), np.sin(yaw)])
    at = stage.position(BEAM)[:2] + (GRASP_AT_M + offset_m[0]) * outwards + offset_m[1] * across
    rotation = tool_rotation(yaw - side * np.pi / 2, TILT_RAD)
    return Goal(np.array([*at, GRASP_M + offset_m[2]]), rotation, grip)


def begin_demonstration(stage: Stage, rng: np.random.Generator) -> Mistake | None:
    """Move the arms, at once, to where a demonstration starts; return its mistake."""
    start = str(rng.choice(list(STARTS), p=list(STARTS.values())))
    if start == "home":
        return _draw_mistake(rng) if rng.random() < MISTAKE_SHARE / STARTS["home"] else None
    empty = set(ARMS) if rng.random() < 0.3 else {str(rng.choice(ARMS))}
    q = stage.q
    for arm in ARMS:
        kinematics = ArmKinematics(stage.model, arm)
        for _ in range(20):
            offset, grip = _draw_offset(start, arm in empty, rng)
            wanted = grasp_goal(stage, arm, offset)
            try:
                joints = kinematics.inverse(wanted.point, wanted.rotation, np.array(HOME_Q[:6]))
            except JointError:
                continue
            q[arm_slice(arm)] = [*joints, grip]
            break
    stage.set_arms(q)
    return None


def _draw_offset(
    start: str, is_empty: bool, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """Draw an offset from the grasp (outwards, across, up) [m] and a gripper opening."""
    if start == "near":
        off = [*rng.uniform(-0.05, 0.05, 2), rng.uniform(0.055, 0.09)]
        return np.array(off), OPEN + rng.uniform(-0.05, 0.05)
    if not is_empty:  # around the beam
        return np.array([rng.uniform(-0.02, 0.02), 0.0, 0.0]), _AROUND
    grip = CLOSED + rng.uniform(-0.02, 0.05)
    if rng.random() < 0.6:  # above the end it missed, or raised without it
        return np.array([*rng.uniform(-0.03, 0.03, 2), rng.uniform(0.04, 0.11)]), grip
    across = rng.choice([-1.0, 1.0]) * rng.uniform(0.045, 0.07)
    return np.array([rng.uniform(-0.03, 0.03), across, rng.uniform(0.0, 0.06)]), grip


def _draw_mistake(rng: np.random.Generator) -> Mistake:
    """Draw a grasp of one arm or both that closes on nothing."""
    wrong = set(ARMS) if rng.random() < 0.3 else {str(rng.choice(ARMS))}
    offsets = {}
    for arm in (a for a in ARMS if a in wrong):
        kind = int(rng.integers(3))
        if kind == 0:  # above the beam
            offsets[arm] = np.array([*rng.uniform(-0.02, 0.02, 2), rng.uniform(0.035, 0.055)])
        elif kind == 1:  # beyond its end
            offsets[arm] = np.array([rng.uniform(0.085, 0.1), rng.uniform(-0.01, 0.01), 0.0])
        else:  # beside it, high enough not to press on it
            side_m = rng.choice([-1.0, 1.0]) * rng.uniform(0.015, 0.035)
            offsets[arm] = np.array([rng.uniform(-0.01, 0.01), side_m, rng.uniform(0.035, 0.05)])
    rise_m = float(rng.uniform(0.03, 0.09)) if rng.random() < 0.6 else 0.0
    return Mistake(offsets, rise_m)
