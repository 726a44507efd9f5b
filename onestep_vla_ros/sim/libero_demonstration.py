# SPDX-License-Identifier: Apache-2.0
"""Demonstrations by LIBERO's scripted expert, of scenes that no evaluation uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.libero_expert import LiberoExpert
from onestep_vla_ros.sim.libero_world import STILL, LiberoWorld

DRIFT, TREMOR = 0.9, 0.2
"""Of the error of a hand: how much of it stays to the next step, and its standard deviation as a
part of the action, so that the hand errs on its way and is calm where it grasps."""
ALWAYS, EMPTY = "always", "empty"
UNSTEADY: tuple[str, ...] = (ALWAYS, EMPTY)
"""When the hand errs: all the way, or while it holds nothing, which shows no learner how to bring
something to its place from a little beside the way."""
PATIENCE = 15
"""Control steps that are left for things to come to rest when the expert is done."""


@dataclass(frozen=True, slots=True)
class LiberoDemonstration:
    """One episode, N control steps.

    Attributes:
        state: As seen before each action, (N, 8).
        action: What the expert wanted, (N, 7) in -1..1; what was carried out errs.
        success: Was the task done?
    """

    state: NDArray[np.float64]
    action: NDArray[np.float64]
    success: bool


def demonstrate_libero(
    world: LiberoWorld,
    seed: int,
    watch: Callable[[LiberoWorld], None] | None = None,
    unsteady: str = ALWAYS,
) -> LiberoDemonstration:
    """Run the expert with an unsteady hand until success or the step limit.

    The scene is drawn by the package's own sampler, not one of the fixed initial states that
    evaluations use. What is recorded is the action that the expert wanted from where it got to:
    a learner sees how errors are made good (Laskey et al., DART, arXiv 1703.09327).

    Args:
        world: Of a task the expert can do.
        seed: Of the scene and of the hand.
        watch: Sees the world before every action.
        unsteady: One of `UNSTEADY`.

    Raises:
        ConfigError: `unsteady` is something else, or the expert cannot do the task.
    """
    if unsteady not in UNSTEADY:
        raise ConfigError("unsteady", got=repr(unsteady), allowed=list(UNSTEADY))
    world.scatter(seed)
    expert, rng = LiberoExpert(world), np.random.default_rng(seed)
    error, states, actions = np.zeros(3), [], []
    is_done, idle = False, 0
    while len(actions) < world.libero_task.step_limit and not is_done and idle < PATIENCE:
        if watch is not None:
            watch(world)
        states.append(world.joint_state()[0])
        wanted = expert.act()
        actions.append(wanted)
        idle = idle + 1 if np.array_equal(wanted, STILL) else 0
        error = DRIFT * error + np.sqrt(1.0 - DRIFT**2) * TREMOR * rng.standard_normal(3)
        done = wanted.copy()
        if unsteady == ALWAYS or wanted[-1] < 0.0:
            done[:3] = np.clip(wanted[:3] + error * np.linalg.norm(wanted[:3]), -1.0, 1.0)
        world.step(done)
        is_done = world.success()
    return LiberoDemonstration(np.array(states), np.array(actions), is_done)
