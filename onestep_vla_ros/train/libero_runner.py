# SPDX-License-Identifier: Apache-2.0
"""Runs episodes of LIBERO in one process; the world of a task is opened once."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from onestep_vla_ros.sim.libero_expert import LiberoExpert
from onestep_vla_ros.sim.libero_suites import open_task
from onestep_vla_ros.sim.libero_world import LiberoWorld
from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.train.libero_cells import LiberoCell

Watch = Callable[[LiberoWorld], None]


class LiberoRunner:
    """Runs one episode after the other; keeps the last world.

    Thread: one, the one that made it: it renders.
    """

    def __init__(self) -> None:
        self._world: tuple[LiberoCell, LiberoWorld] | None = None

    def run(self, cell: LiberoCell, seed: int, watch: Watch | None = None) -> Episode:
        """Run the episode from initial state number `seed`, until success or the step limit.

        Args:
            cell: Which task, and who acts.
            seed: Of the task's initial states.
            watch: Sees the world at its start and after every action.
        """
        world = self._world_of(cell)
        world.reset(seed)
        expert = LiberoExpert(world)
        episode = Episode(seed=seed, instruction=world.instruction)
        if watch is not None:
            watch(world)
        while episode.ticks < world.libero_task.step_limit and not episode.success:
            world.step(expert.act())
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

    def _world_of(self, cell: LiberoCell) -> LiberoWorld:
        if self._world is None or self._world[0] != cell:
            self.close()
            task = open_task(cell.suite, cell.task)
            self._world = cell, LiberoWorld(task, rendering=cell.rendering)
        return self._world[1]


def open_runner() -> Callable[[tuple[LiberoCell, int]], tuple[Episode, float]]:
    """Return what runs one episode and says what it took [s]."""
    return partial(_run, LiberoRunner())


def _run(runner: LiberoRunner, job: tuple[LiberoCell, int]) -> tuple[Episode, float]:
    started = time.perf_counter()
    return runner.run(*job), time.perf_counter() - started
