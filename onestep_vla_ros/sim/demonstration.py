# SPDX-License-Identifier: Apache-2.0
"""One demonstration: the clean plan is the label, a disturbed copy of it is executed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.joints import ARM_JOINT_INDEX, DOF
from onestep_vla_ros.sim.motion import PERIOD_S
from onestep_vla_ros.sim.yam_station import YamStation

TICK_S = 0.01
NOISE_RAD, NOISE_MEMORY = 0.025, 0.90
"""Standard deviation of the AR(1) noise on executed joints and its memory per period."""
PRECISE_SHARE = 0.35
"""Share of the noise that is left where the plan says the fingers are near something."""
_SLACK = 1.4  # an expert may take this many times as long as a policy


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What one episode left behind.

    Attributes:
        plan: Clean targets, (M, 14); row k is due at k * `PERIOD_S`.
        q: Measured positions at the same times, (M, 14).
        physics: Generalised positions at the same times, (M, nq): images come later.
        is_mistake: (M,): that target is wrong on purpose and must not become a label.
        success: Was the task done, and nothing that was not asked for?
    """

    plan: NDArray[np.float64]
    q: NDArray[np.float64]
    physics: NDArray[np.float64]
    is_mistake: NDArray[np.bool_]
    success: bool


Lead = Callable[[YamStation, int], NDArray[np.float64]]
"""Resets a world with a seed, brings it to where the expert goes on, and says what the arms were
told last, (14,)."""


def demonstrate(world: YamStation, seed: int, lead: Lead | None = None) -> Demonstration:
    """Run the expert once in the scene of `seed`; the same seed gives the same episode.

    Args:
        world: Of the task.
        seed: Names the scene, where the demonstration starts and its noise.
        lead: Drives the world to where the demonstration starts, instead of the task's own
            starts and mistakes.
    """
    rng = np.random.default_rng([seed, 1])
    if lead is None:
        world.reset(seed)
        expert = world.expert(rng)
    else:
        told = lead(world, seed)
        expert = world.expert()
        expert.target = told
    end_s = world.time_s + _SLACK * world.timeout_s
    noise, plan = np.zeros(DOF), [expert.target]
    measured, physics, wrong = [world.stage.q], [world.data.qpos.copy()], [False]
    executed = plan[0]
    while not expert.is_done and world.time_s < end_s:
        target = expert.next()
        noise = _next_noise(noise, rng)
        share = PRECISE_SHARE if expert.segment.is_precise else 1.0
        disturbed = target + expert.drift + share * noise
        _execute(world, executed, disturbed)
        executed = disturbed
        plan.append(target)
        measured.append(world.stage.q)
        physics.append(world.data.qpos.copy())
        wrong.append(expert.segment.is_mistake)
    return Demonstration(
        plan=np.array(plan),
        q=np.array(measured),
        physics=np.array(physics),
        is_mistake=np.array(wrong),
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
