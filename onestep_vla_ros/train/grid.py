# SPDX-License-Identifier: Apache-2.0
"""Every cell on the same seeds: in parallel, continued where it stopped."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Generic

import tqdm

from onestep_vla_ros.core.errors import ConfigError, OneStepError
from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.train.cells import EXPERT, Cell
from onestep_vla_ros.train.crew import share
from onestep_vla_ros.train.episode_log import AnyCellT, EpisodeLog, Read, Record, check_weights
from onestep_vla_ros.train.runner import Runner, resolve

Results = Mapping[Cell, list[Episode]]
"""Cell to its episodes in the order of their seeds."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells to evaluate on the same seeds.

    Attributes:
        cells: What to evaluate; the first of a task is what its others are compared with.
        episodes: Of each cell.
        seed: Episode i of every cell runs seed + i.
        jobs: Processes that share the episodes; the result does not depend on it.
    """

    cells: tuple[Cell, ...]
    episodes: int = 100
    seed: int = 0
    jobs: int = 1

    def __post_init__(self) -> None:
        """Refuse a grid that cannot be run, before any process starts."""
        for name, low in (("episodes", 1), ("jobs", 1), ("seed", 0)):
            if getattr(self, name) < low:
                got, allowed = getattr(self, name), f">= {low}"
                raise ConfigError(f"{name} is too small", got=got, allowed=allowed)
        if not self.cells:
            raise ConfigError("no cell to evaluate", allowed="at least one")

    @property
    def seeds(self) -> range:
        """Seeds of every cell."""
        return range(self.seed, self.seed + self.episodes)


def resolved(grid: Grid) -> Grid:
    """Return `grid` with every cell's steps and noise filled in, after checking all policies.

    Raises:
        CheckpointError: A checkpoint is missing, damaged or does not fit the station.
        ConfigError: Steps or noise cannot be used.
    """
    return replace(grid, cells=tuple(dict.fromkeys(resolve(cell) for cell in grid.cells)))


def run_grid(grid: Grid, out: Path | None = None, *, progress: bool = True) -> Results:
    """Run what is not there yet and return every episode of the grid.

    Args:
        grid: From `resolved`.
        out: Folder of the log: a killed run goes on from there; None keeps nothing.
        progress: Show a bar.

    Raises:
        ConfigError: The folder holds episodes of other weights, or another process writes it.
        OneStepError: A process failed; what is done stays done.
    """
    jobs = Jobs(_in_order(grid), grid.jobs, _open, Cell.from_json)
    found = run_jobs(jobs, out, progress=progress)
    return {cell: [found[cell, seed] for seed in grid.seeds] for cell in grid.cells}


@dataclass(frozen=True, slots=True)
class Jobs(Generic[AnyCellT]):
    """Episodes of any world.

    Attributes:
        every: All of them, in the order in which they are handed out.
        processes: That share them.
        open: Called once in each process; returns what runs one and says what it took [s].
        read: Returns a cell that the log holds.
    """

    every: Sequence[tuple[AnyCellT, int]]
    processes: int
    open: Callable[[], Callable[[tuple[AnyCellT, int]], tuple[Episode, float]]]
    read: Read[AnyCellT]


def run_jobs(
    jobs: Jobs[AnyCellT], out: Path | None = None, *, progress: bool = True
) -> dict[tuple[AnyCellT, int], Episode]:
    """Run what is not there yet and return every episode; arguments and errors as `run_grid`."""
    weights = {cell.policy: fingerprint(cell.policy) for cell, _ in jobs.every}
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(EpisodeLog(out, jobs.read)) if out else None
        there = log.records() if log else {}
        check_weights(there, weights, out or Path())
        found = {key: record.episode for key, record in there.items()}
        todo = [job for job in jobs.every if job not in found]
        total = len(jobs.every)
        bar = tqdm.tqdm(
            total=total,
            initial=total - len(todo),
            unit="episode",
            desc="eval",
            disable=not progress,
        )
        stack.enter_context(bar)
        for (cell, seed), (episode, wall_s) in share(todo, jobs.processes, jobs.open):
            found[cell, seed] = episode
            if log is not None:
                log.append(Record(cell, weights[cell.policy], episode, wall_s))
            bar.update()
    return found


def fingerprint(policy: str) -> str:
    """Return what tells a checkpoint from one trained later in the same folder."""
    if policy == EXPERT:
        return EXPERT
    try:
        manifest = (Path(policy) / "manifest.json").read_bytes()
    except OSError as error:
        raise OneStepError(f"checkpoint {policy} cannot be read", got=error.strerror) from None
    return hashlib.sha256(manifest).hexdigest()[:16]


def _in_order(grid: Grid) -> list[tuple[Cell, int]]:
    """Return all jobs, those of one world and one checkpoint together."""
    cells = sorted(grid.cells, key=lambda c: (c.task, c.axis, c.policy))
    return [(cell, seed) for cell in cells for seed in grid.seeds]


def _open() -> Callable[[tuple[Cell, int]], tuple[Episode, float]]:
    return partial(_run, Runner())


def _run(runner: Runner, job: tuple[Cell, int]) -> tuple[Episode, float]:
    started = time.perf_counter()
    return runner.run(*job), time.perf_counter() - started
