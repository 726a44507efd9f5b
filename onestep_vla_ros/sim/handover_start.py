# SPDX-License-Identifier: Apache-2.0
"""Where a handover's demonstration starts: at home, in the middle of it, or with a mistake."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import JointError
from onestep_vla_ros.core.joints import DOF, arm_slice
from onestep_vla_ros.sim.expert import CLOSED, OPEN, Goal
from onestep_vla_ros.sim.handover_expert import (
    EXCHANGE_M,
    LIFT_M,
    OUT_M,
    UP_M,
    Mistake,
    exchange_heading,
    tool_goal,
    waiting_goal,
)
from onestep_vla_ros.sim.handover_scene import BAR, BAR_THICK_M, GRASP_OFF_M, HandoverScene
from onestep_vla_ros.sim.kinematics import ArmKinematics
from onestep_vla_ros.sim.scene import Pose
from onestep_vla_ros.sim.stage import Stage
from onestep_vla_ros.sim.station_model import GRIPPER_STROKE_M
from onestep_vla_ros.sim.table import HOME_Q, MIDLINE_Y_M, bearing, side_of

STARTS = {
    "home": 0.48,
    "near": 0.08,
    "empty": 0.05,
    "given": 0.12,
    "taking": 0.13,
    "shared": 0.08,
    "dropped": 0.06,
}
"""Share of starts: at home, the giver low near the bar, the giver closed on nothing, the bar in
the giver's hand on its way to the exchange, there with the receiver just short of it, the bar in
both hands, the bar fallen there."""
MISTAKE_SHARE = 0.16
"""Share of the demonstrations whose first grasp, by either arm, misses on purpose."""
DRIFT_SHARE = 0.6
DRIFT_RAD = np.array([0.03, 0.03, 0.03, 0.03, 0.02, 0.02])
"""Share of demonstrations in which the giver drifts, and by how much a joint does [rad]: the bar
is then some 2 cm from where it changes hands otherwise, or leans a little."""
_TRIES = 20
_CLOSING = 0.4
"""A gripper as open as this or more is on its way, not closed on nothing."""
_SQUEEZED = BAR_THICK_M / (2.0 * GRIPPER_STROKE_M) - 0.02
"""Opening at which the fingers press on the bar from the first moment."""


def begin_demonstration(
    stage: Stage, scene: HandoverScene, rng: np.random.Generator
) -> Mistake | None:
    """Move arms and bar, at once, to where a demonstration starts; return its mistake."""
    start = str(rng.choice(list(STARTS), p=list(STARTS.values())))
    if start == "home":
        is_wrong = rng.random() < MISTAKE_SHARE / STARTS["home"]
        return _draw_mistake(rng, scene) if is_wrong else None
    for _ in range(_TRIES):
        try:
            if start in ("near", "empty"):
                _start_near_bar(stage, scene, rng, is_open=start == "near")
            elif start == "dropped":
                _start_dropped(stage, scene, rng)
            elif start == "taking":
                _start_taking(stage, scene, rng)
            else:
                _start_holding(stage, scene, rng, is_shared=start == "shared")
        except JointError:
            continue
        break
    return None


def draw_drift(scene: HandoverScene, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw by how much the giver is elsewhere than told while it offers the bar, (14,) [rad]."""
    drift = np.zeros(DOF)
    if rng.random() < DRIFT_SHARE:
        part = arm_slice(scene.giver)
        drift[part.start : part.start + 6] = rng.normal(0.0, DRIFT_RAD)
    return drift


def _draw_mistake(rng: np.random.Generator, scene: HandoverScene) -> Mistake:
    """Draw whose grasp closes on nothing and where: above, short of or beside the bar's end."""
    if rng.random() < 0.4:  # in the air: short of the end, or above it
        short_m, up_m = rng.uniform(0.055, 0.075), rng.uniform(-0.01, 0.03)
        if rng.random() < 0.5:
            short_m, up_m = rng.uniform(-0.02, 0.02), rng.uniform(0.04, 0.06)
        return Mistake(scene.receiver, np.array([-short_m, rng.uniform(-0.01, 0.01), up_m]))
    kind = int(rng.integers(3))
    off = np.array([*rng.uniform(-0.02, 0.02, 2), rng.uniform(0.04, 0.06)])
    if kind == 1:
        off = np.array([-rng.uniform(0.055, 0.075), rng.uniform(-0.01, 0.01), 0.0])
    elif kind == 2:
        side_m = rng.choice([-1.0, 1.0]) * rng.uniform(0.015, 0.035)
        off = np.array([rng.uniform(-0.01, 0.01), side_m, rng.uniform(0.035, 0.045)])
    return Mistake(scene.giver, off)


def _start_near_bar(
    stage: Stage, scene: HandoverScene, rng: np.random.Generator, *, is_open: bool
) -> None:
    """Put the giver's tool above the table near the bar's middle."""
    x_m, y_m = stage.position(BAR)[:2] + rng.uniform(-0.06, 0.06, 2)
    heading = bearing(scene.giver, x_m, y_m) + rng.uniform(-0.6, 0.6)
    grip = rng.uniform(_CLOSING, OPEN) if is_open else CLOSED + rng.uniform(-0.02, 0.05)
    _pose(stage, {scene.giver: tool_goal([x_m, y_m, rng.uniform(0.085, 0.16)], heading, grip)})


def _start_holding(
    stage: Stage, scene: HandoverScene, rng: np.random.Generator, *, is_shared: bool
) -> None:
    """Put the bar into the giver's fingers between lift and exchange, or into both pairs."""
    giver, receiver, bar = scene.giver, scene.receiver, scene.poses[BAR]
    share = 1.0 if is_shared else float(rng.uniform(0.0, 1.0))
    low, high = np.array([bar.x_m, bar.y_m, LIFT_M]), np.array(EXCHANGE_M)
    at = low + share * (high - low) + rng.uniform(-0.012, 0.012, 3)
    end = exchange_heading(giver)
    heading = bar.yaw_rad + share * (end - bar.yaw_rad) + rng.uniform(-0.08, 0.08)
    goals = {giver: _holding(at, heading, GRASP_OFF_M + rng.uniform(-0.01, 0.01))}
    if is_shared:
        off_m = GRASP_OFF_M + rng.uniform(-0.01, 0.01)
        goals[receiver] = _holding(at, heading + np.pi, off_m)
    _pose(stage, goals)
    if not is_shared:
        _bring_receiver(stage, receiver, share + rng.uniform(-0.3, 0.3), rng)
    stage.put(BAR, Pose(float(at[0]), float(at[1]), float(at[2]), heading))


def _start_taking(stage: Stage, scene: HandoverScene, rng: np.random.Generator) -> None:
    """Put the receiver short of its end of the bar, fingers anywhere between open and closing.

    A policy that begins to close too soon is in just such a state; were closing fingers always
    to mean that the arm has arrived, it would stay there and close on nothing.
    """
    giver, receiver = scene.giver, scene.receiver
    at = np.array(EXCHANGE_M) + rng.uniform(-0.02, 0.02, 3)
    heading = exchange_heading(giver) + rng.uniform(-0.08, 0.08)
    share, back = rng.uniform(0.0, 0.9), heading + np.pi  # of the way from its end to waiting
    off_m = GRASP_OFF_M + share * OUT_M
    end = at - off_m * np.array([np.cos(back), np.sin(back), 0.0])
    end += [0.0, 0.0, share * UP_M] + rng.uniform(-0.01, 0.01, 3)
    grip = rng.uniform(_CLOSING, OPEN)
    goals = {
        giver: _holding(at, heading, GRASP_OFF_M + rng.uniform(-0.01, 0.01)),
        receiver: tool_goal(end, back + rng.uniform(-0.06, 0.06), grip),
    }
    _pose(stage, goals)
    stage.put(BAR, Pose(float(at[0]), float(at[1]), float(at[2]), heading))


def _start_dropped(stage: Stage, scene: HandoverScene, rng: np.random.Generator) -> None:
    """Lay the bar down between the arms, as if one had lost it where it changes hands."""
    giver, receiver = scene.giver, scene.receiver
    at = np.array(EXCHANGE_M) + rng.uniform(-0.04, 0.04, 3)
    heading = exchange_heading(giver) + rng.uniform(-0.2, 0.2)
    at[:2] -= GRASP_OFF_M * np.array([np.cos(heading), np.sin(heading)])
    _pose(stage, {giver: tool_goal(at, heading, rng.uniform(CLOSED, OPEN))})
    _bring_receiver(stage, receiver, rng.uniform(0.3, 1.0), rng)
    x_m, away_m = rng.uniform(0.30, 0.42), rng.uniform(0.02, 0.16)
    y_m = MIDLINE_Y_M + side_of(giver) * away_m
    yaw = bearing(giver, x_m, y_m) + rng.uniform(-0.7, 0.7)
    stage.put(BAR, Pose(x_m, y_m, BAR_THICK_M / 2, yaw))


def _holding(at: NDArray[np.float64], heading: float, off_m: float) -> Goal:
    """Return the goal of a tool that holds the bar `off_m` behind its middle `at` (3,)."""
    back = off_m * np.array([np.cos(heading), np.sin(heading), 0.0])
    return tool_goal(at - back, heading, _SQUEEZED)


def _bring_receiver(stage: Stage, receiver: str, share: float, rng: np.random.Generator) -> None:
    """Put the receiver on its way from home to where it waits."""
    q, part = stage.q, arm_slice(receiver)
    home, waiting = np.array(HOME_Q)[part], waiting_goal(receiver)
    joints = ArmKinematics(stage.model, receiver).inverse(
        waiting.point, waiting.rotation, home[:6]
    )
    there = np.array([*joints, waiting.grip])
    q[part] = home + np.clip(share, 0.0, 1.0) * (there - home) + rng.uniform(-0.04, 0.04, 7)
    stage.set_arms(q)


def _pose(stage: Stage, goals: dict[str, Goal]) -> None:
    q = stage.q
    for arm, wanted in goals.items():
        kinematics = ArmKinematics(stage.model, arm)
        joints = kinematics.inverse(wanted.point, wanted.rotation, np.array(HOME_Q[:6]))
        q[arm_slice(arm)] = [*joints, wanted.grip]
    stage.set_arms(q)
