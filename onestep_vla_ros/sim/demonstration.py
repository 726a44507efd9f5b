# SPDX-License-Identifier: Apache-2.0
"""One demonstration: the clean plan is the label, a disturbed copy of it is executed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import JointError
from onestep_vla_ros.core.joints import ARM_JOINT_INDEX, DOF, arm_slice
from onestep_vla_ros.sim.expert import CARRY_M, CLOSED, HORIZON, OPEN, TILT_RAD, PlaceExpert
from onestep_vla_ros.sim.kinematics import ArmKinematics, tool_rotation
from onestep_vla_ros.sim.motion import PERIOD_S
from onestep_vla_ros.sim.tasks import HOME_Q, base_y
from onestep_vla_ros.sim.yam_station import YamStation

TICK_S = 0.01
LIMIT_S = 20.0
NOISE_RAD, NOISE_MEMORY = 0.025, 0.92
"""Standard deviation of the AR(1) noise on executed joints and its memory per period."""
PRECISE_SHARE = 0.35
"""Share of the noise that is left where the plan says the fingers are near something."""
STARTS = {"home": 0.58, "near": 0.14, "anywhere": 0.08, "empty": 0.20}
"""Where episodes start: home, low near a cube, anywhere, or closed on nothing."""
MISTAKE_SHARE = 0.18
"""Share of the episodes from home whose first grasp misses on purpose."""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What one episode left behind.

    Attributes:
        plan: Clean targets, (M, 14); row k is due at k * `PERIOD_S`.
        q: Measured positions at the same times, (M, 14).
        physics: Generalised positions at the same times, (M, nq): images come later.
        is_usable: (M,): no mistake among the next `HORIZON` targets.
        success: Did the named cube rest on the plate, and no other?
    """

    plan: NDArray[np.float64]
    q: NDArray[np.float64]
    physics: NDArray[np.float64]
    is_usable: NDArray[np.bool_]
    success: bool


def demonstrate(world: YamStation, seed: int) -> Demonstration:
    """Run the expert once in the scene of `seed`; the same seed gives the same episode."""
    world.reset(seed)
    rng = np.random.default_rng([seed, 1])
    start = str(rng.choice(list(STARTS), p=list(STARTS.values())))
    mistake_m = None
    if start == "home" and rng.random() < MISTAKE_SHARE / STARTS["home"]:
        mistake_m = _draw_mistake(rng)
    _start_elsewhere(world, start, rng)
    expert = PlaceExpert(world, mistake_m)
    noise, plan = np.zeros(DOF), [world.joint_state()[0]]
    measured, physics, wrong = [plan[0]], [world.data.qpos.copy()], [False]
    executed = plan[0]
    while not expert.is_done and world.time_s < LIMIT_S:
        target = expert.next()
        noise = _next_noise(noise, rng)
        disturbed = target + noise * (PRECISE_SHARE if expert.segment.is_precise else 1.0)
        _execute(world, executed, disturbed)
        executed = disturbed
        plan.append(target)
        measured.append(world.joint_state()[0])
        physics.append(world.data.qpos.copy())
        wrong.append(expert.segment.is_mistake)
    return Demonstration(
        plan=np.array(plan),
        q=np.array(measured),
        physics=np.array(physics),
        is_usable=_usable(np.array(wrong)),
        success=expert.is_done and world.success() and not world.wrong_object(),
    )


def _execute(world: YamStation, begin: NDArray[np.float64], end: NDArray[np.float64]) -> None:
    ticks = round(PERIOD_S / TICK_S)
    for k in range(1, ticks + 1):
        world.step(begin + (end - begin) * (k / ticks), TICK_S)


def _next_noise(noise: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """AR(1): n' = m n + sqrt(1 - m^2) sigma e, on the revolute joints only."""
    fresh = np.zeros(DOF)
    index = list(ARM_JOINT_INDEX)
    fresh[index] = rng.normal(0.0, NOISE_RAD, len(index))
    return NOISE_MEMORY * noise + np.sqrt(1.0 - NOISE_MEMORY**2) * fresh


def _usable(wrong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(M,): no target among the next `HORIZON` belongs to a mistake."""
    padded = np.concatenate([wrong[1:], np.zeros(HORIZON, dtype=bool)])
    return ~np.lib.stride_tricks.sliding_window_view(padded, HORIZON)[: len(wrong)].any(axis=1)


def _draw_mistake(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw an offset (ahead, left, up) [m] that closes on nothing, or next to nothing."""
    kind = int(rng.integers(3))
    if kind == 0:  # above the cube
        return np.array([*rng.uniform(-0.02, 0.02, 2), rng.uniform(0.035, 0.06)])
    if kind == 1:  # short of it or beyond
        sign = rng.choice([-1.0, 1.0])
        return np.array([sign * rng.uniform(0.03, 0.05), rng.uniform(-0.01, 0.01), 0.0])
    sign = rng.choice([-1.0, 1.0])  # beside it, high enough not to press on it
    side_m = rng.uniform(0.015, 0.035)
    return np.array([rng.uniform(-0.01, 0.01), sign * side_m, rng.uniform(0.03, 0.045)])


def _start_elsewhere(world: YamStation, start: str, rng: np.random.Generator) -> None:
    """Move the acting arm, at once, to where this kind of episode starts."""
    if start == "home":
        return
    scene, q = world.scene, world.joint_state()[0]
    kinematics = ArmKinematics(world.model, scene.arm)
    for _ in range(20):
        point, grip = _draw_point(world, start, rng)
        bearing = np.arctan2(point[1] - base_y(scene.arm), point[0])
        turned = tool_rotation(bearing + rng.uniform(-0.3, 0.3), TILT_RAD + rng.uniform(-0.1, 0.2))
        try:
            arm = kinematics.inverse(point, turned, np.array(HOME_Q[:6]))
        except JointError:
            continue
        q[arm_slice(scene.arm)] = [*arm, grip]
        world.stage.set_arms(q)
        return


def _draw_point(
    world: YamStation, start: str, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """Draw a tool position (3,) [m] and a gripper opening."""
    side = 1.0 if world.scene.arm == "left" else -1.0
    cube = world.stage.cube_position(world.scene.target)
    if start == "near":
        around = cube + np.array([*rng.uniform(-0.06, 0.06, 2), 0.0])
        return np.array([*around[:2], rng.uniform(0.075, 0.16)]), OPEN + rng.uniform(-0.05, 0.05)
    anywhere = np.array(
        [rng.uniform(0.28, 0.45), -0.305 + side * rng.uniform(0.0, 0.3), rng.uniform(0.09, 0.2)]
    )
    if start == "anywhere":
        return anywhere, OPEN + rng.uniform(-0.2, 0.05)
    empty_grip = CLOSED + rng.uniform(-0.02, 0.05)
    pick = rng.random()
    if pick < 0.4:  # just above or beside the cube it missed
        around = cube[:2] + rng.uniform(-0.04, 0.04, 2)
        return np.array([*around, rng.uniform(0.075, CARRY_M)]), empty_grip
    share = rng.uniform(0.0, 1.0) if pick < 0.75 else 1.0  # on the way to the plate, or there
    at = cube[:2] + share * (np.array(world.scene.plate) - cube[:2])
    return np.array([*(at + rng.uniform(-0.02, 0.02, 2)), rng.uniform(0.05, CARRY_M)]), empty_grip
