# SPDX-License-Identifier: Apache-2.0
"""Runs episodes of LIBERO in one process; the world of a task is opened once."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from onestep_vla_ros.policy.policy import OneStepPolicy, load_policy
from onestep_vla_ros.sim.libero_expert import LiberoExpert
from onestep_vla_ros.sim.libero_suites import open_task
from onestep_vla_ros.sim.libero_world import LiberoWorld
from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.train.libero_cells import LiberoCell

Watch = Callable[[LiberoWorld], None]
Act = Callable[[Episode], NDArray[np.float64]]


class LiberoRunner:
    """Runs one episode after the other; keeps the last world and the last policy.

    Thread: one, the one that made it: it renders.
    """

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._world: tuple[tuple[object, ...], LiberoWorld] | None = None
        self._policy: tuple[tuple[object, ...], OneStepPolicy] | None = None

    def run(self, cell: LiberoCell, seed: int, watch: Watch | None = None) -> Episode:
        """Run the episode from initial state number `seed`, until success or the step limit.

        Args:
            cell: Which task, and who acts; a resolved one.
            seed: Of the task's initial states, and of sampled noise.
            watch: Sees the world at its start and after every action.
        """
        world = self._world_of(cell)
        world.reset(seed)
        act = self._act(cell, world, seed)
        episode = Episode(seed=seed, instruction=world.instruction)
        if watch is not None:
            watch(world)
        while episode.ticks < world.libero_task.step_limit and not episode.success:
            world.step(act(episode))
            episode.ticks += 1
            episode.success = world.success()
            if watch is not None:
                watch(world)
        episode.time_s = world.time_s
        return episode

    def close(self) -> None:
        """Free the world."""
        if self._world is not None:
            self._world[1].close()
            self._world = None

    def _act(self, cell: LiberoCell, world: LiberoWorld, seed: int) -> Act:
        """Return what gives the next action, (7,), and notes in the episode what it cost."""
        if cell.is_expert:
            expert = LiberoExpert(world)
            return lambda _: expert.act()
        policy = self._policy_of(cell)
        policy.reseed(seed)
        return partial(next_action, policy, world, cell.replan, [])

    def _world_of(self, cell: LiberoCell) -> LiberoWorld:
        size = 128 if cell.is_expert else self._policy_of(cell).contract.cameras[0].height
        key = (cell.suite, cell.task, cell.rendering, size)
        if self._world is None or self._world[0] != key:
            self.close()
            task = open_task(cell.suite, cell.task)
            self._world = key, LiberoWorld(task, size, cell.rendering)
        return self._world[1]

    def _policy_of(self, cell: LiberoCell) -> OneStepPolicy:
        key = (cell.policy, cell.steps, cell.noise)
        if self._policy is None or self._policy[0] != key:
            policy = load_policy(Path(cell.policy), steps=cell.steps, noise=cell.noise)
            policy.warm_up()
            self._policy = key, policy
        return self._policy[1]


def next_action(
    policy: OneStepPolicy,
    world: LiberoWorld,
    replan: int,
    queue: list[NDArray[np.float64]],
    episode: Episode,
) -> NDArray[np.float64]:
    """Return the next action (7,) of the chunk at hand; asks for one when `queue` is empty.

    Pictures are rendered for that alone, once in `replan` control steps.
    """
    if not queue:
        observation = world.observe()
        started = time.perf_counter()
        chunk = policy.infer(observation)
        episode.inference_s.append(time.perf_counter() - started)
        episode.chunks += 1
        assert policy.effort is not None  # noqa: S101 - there was an answer
        episode.evaluations += policy.effort.evaluations
        episode.more_steps += policy.effort.steps > 1
        queue.extend(chunk.q[:replan])
    return queue.pop(0)


def open_runner() -> Callable[[tuple[LiberoCell, int]], tuple[Episode, float]]:
    """Return what runs one episode and says what it took [s]."""
    return partial(_run, LiberoRunner())


def _run(runner: LiberoRunner, job: tuple[LiberoCell, int]) -> tuple[Episode, float]:
    started = time.perf_counter()
    return runner.run(*job), time.perf_counter() - started
