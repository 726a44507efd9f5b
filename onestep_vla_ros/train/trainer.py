# SPDX-License-Identifier: Apache-2.0
"""Training: demonstrations in, a checkpoint folder with its K table out.

With a step budget a run on one process is reproducible to the bit, interrupted or not.
With `max_minutes` the cosine follows the clock, so the number of steps depends on the
machine and bit-reproducibility is given up.
"""

from __future__ import annotations

import functools
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import torch

from onestep_vla_ros.core.errors import CheckpointError, ConfigError
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.files import read_yaml
from onestep_vla_ros.train.batches import Augmentation
from onestep_vla_ros.train.held_out import held_out_loss, spread
from onestep_vla_ros.train.learner import Learner, Update, read_facts
from onestep_vla_ros.train.progress import Progress
from onestep_vla_ros.train.run_setup import (
    RunSetup,
    check,
    prepare,
    write_checkpoint,
    write_snapshot,
)
from onestep_vla_ros.train.team import Team, launched_team, own_team
from onestep_vla_ros.train.train_config import BUDGET_KEYS, TrainConfig

STATE = "state.safetensors"
CHECKPOINT = "checkpoint"
SNAPSHOT = "snapshot"
"""The averaged weights that the last rollouts played."""

Rollout = Callable[[Path, int], Mapping[str, float]]
"""(Checkpoint folder, episodes of each task) to the success rate of each task."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """How a run ended.

    Attributes:
        step: Steps done so far.
        elapsed_s: Training time so far [s].
        is_finished: The budget is spent; otherwise it was interrupted and can go on.
        checkpoint: The folder that was written, when finished.
        rows: The held-out K table, when finished.
    """

    step: int
    elapsed_s: float
    is_finished: bool
    checkpoint: Path | None
    rows: tuple[dict[str, object], ...]


def load_train_config(path: Path) -> TrainConfig:
    """Return the run a YAML file describes.

    Raises:
        ConfigError: Lists every fault.
    """
    return from_mapping(TrainConfig, read_yaml(path), str(path))


def train(
    config: TrainConfig,
    data: Sequence[Path],
    out: Path,
    *,
    resume: bool = True,
    rollout: Rollout | None = None,
) -> TrainResult:
    """Train until the budget is spent, then write `out`/checkpoint.

    SIGINT and SIGTERM end the run after the present step with its state saved; the same
    call goes on from there, and from the last saved state after any other end.

    Args:
        config: The run.
        data: Folders of demonstrations, one a task.
        out: Folder for state, log, plot and checkpoint.
        resume: Go on from the state in `out` when there is one; False starts over.
        rollout: Plays episodes; asked every `rollout_every` steps, its time does not count.

    Raises:
        ConfigError: The configuration cannot be used, or differs from the state's.
        DatasetError: The demonstrations cannot be used.
        CheckpointError: The state file is damaged.
    """
    if config.rollout_every and rollout is None:
        raise ConfigError("rollout_every asks for rollouts, but nobody plays them", allowed=0)
    if config.launcher == "accelerate":
        with launched_team(config) as team:
            if team.rank == 0:
                _open_folder(config, data, out, resume)
            team.meet()
            return _run(config, data, out, rollout, team)
    _open_folder(config, data, out, resume)  # faults and cache before any process starts
    with own_team(config, functools.partial(_run, config, data, out, None)) as team:
        return _run(config, data, out, rollout, team)


def _open_folder(config: TrainConfig, data: Sequence[Path], out: Path, resume: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        (out / STATE).unlink(missing_ok=True)
        (out / "log.csv").unlink(missing_ok=True)
    if (out / STATE).is_file():
        _check_same_run(config, read_facts(out / STATE))
    check(config, data)


def export(config: TrainConfig, data: Sequence[Path], out: Path) -> tuple[dict[str, object], ...]:
    """Write `out`/checkpoint from the state in `out`, also while a run goes on elsewhere.

    Returns:
        The rows of the held-out K table.
    """
    setup = prepare(config, data)
    learner = Learner(setup.model, config)
    facts = learner.restore(out / STATE)
    return write_checkpoint(
        config, setup, learner, out / CHECKPOINT, float(str(facts["elapsed_s"]))
    )


@contextmanager
def _stop_request() -> Iterator[threading.Event]:
    """Yield an event that SIGINT and SIGTERM set; elsewhere than the main thread, nobody."""
    event = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        event.set()

    is_main = threading.current_thread() is threading.main_thread()
    signals = (signal.SIGINT, signal.SIGTERM) if is_main else ()
    old = {number: signal.signal(number, ask) for number in signals}
    try:
        yield event
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _run(
    config: TrainConfig, data: Sequence[Path], out: Path, rollout: Rollout | None, team: Team
) -> TrainResult:
    setup = prepare(config, data, team.device)
    learner = Learner(setup.model, config, team.reduce)
    elapsed_s = 0.0
    if (out / STATE).is_file():
        elapsed_s = float(str(learner.restore(out / STATE)["elapsed_s"]))
    run = _Run(config, setup, learner, out, team, rollout)
    if team.rank > 0:
        run.loop(elapsed_s, threading.Event(), None)
        return TrainResult(learner.step, elapsed_s, False, None, ())
    progress = Progress(out, config.batch, config.max_steps, learner.step, setup.dataset.tasks)
    with _stop_request() as stop:
        try:
            elapsed_s = run.loop(elapsed_s, stop, progress)
        finally:
            progress.close()
    if learner.progress(elapsed_s) < 1.0:
        return TrainResult(learner.step, elapsed_s, False, None, ())
    rows = write_checkpoint(config, setup, learner, out / CHECKPOINT, elapsed_s)
    return TrainResult(learner.step, elapsed_s, True, out / CHECKPOINT, rows)


@dataclass(frozen=True, slots=True)
class _Run:
    """What the loop of a run works with."""

    config: TrainConfig
    setup: RunSetup
    learner: Learner
    out: Path
    team: Team
    rollout: Rollout | None

    def loop(self, elapsed_s: float, stop: threading.Event, progress: Progress | None) -> float:
        """Train to the end of the budget or to a stop request; return the training time [s]."""
        config, learner = self.config, self.learner
        begin = time.monotonic() - elapsed_s
        while learner.progress(elapsed_s) < 1.0:
            # Updates average over the team: all of it is the first process's clock.
            clock_s = (time.monotonic() - begin) * self.team.size if self.team.rank == 0 else 0.0
            update = self._step(clock_s, stop.is_set())
            elapsed_s = update.elapsed_s
            is_last = update.is_stopped or learner.progress(elapsed_s) >= 1.0
            if progress is not None:
                progress.update(update)
                is_due = config.rollout_every and learner.step % config.rollout_every == 0
                paused = time.monotonic()
                success = self._play() if is_due else {}
                begin += time.monotonic() - paused
                if is_last or is_due or learner.step % config.validate_every == 0:
                    progress.log(learner.step, update, self._held_out(), success)
                if is_last or learner.step % config.save_every == 0:
                    learner.save(
                        self.out / STATE, {"elapsed_s": elapsed_s, "config": asdict(config)}
                    )
            if update.is_stopped:
                break
        return elapsed_s

    def _step(self, elapsed_s: float, is_stopped: bool) -> Update:
        """Learn from this process's part of the next batch."""
        config, batches, rank = self.config, self.setup.batches, self.team.rank
        step, size = self.learner.step, config.batch // self.team.size
        indices = self.setup.sampler.draw(size, step, rank, self.team.size)
        rng = np.random.default_rng([config.seed, step, rank])
        augmentation = Augmentation(config.shift_px, config.colour_jitter)
        batch = batches.read(indices, augmentation, rng)
        generator = torch.Generator(batch.q.device).manual_seed(int(rng.integers(2**62)))
        return self.learner.update(batch, generator, elapsed_s, is_stopped)

    def _held_out(self) -> dict[str, float]:
        """Return the held-out loss of every task that has held-out frames."""
        frames = self.config.validation_frames // len(self.setup.held)
        return {
            task: held_out_loss(self.learner, self.setup.batches, spread(held, max(1, frames)))
            for task, held in self.setup.held.items()
            if len(held)
        }

    def _play(self) -> Mapping[str, float]:
        """Return the closed-loop success rate of the averaged weights, by task."""
        folder = self.out / SNAPSHOT
        write_snapshot(self.config, self.setup, self.learner, folder)
        assert self.rollout is not None  # noqa: S101 - `train` has checked
        return self.rollout(folder, self.config.rollout_episodes)


def _check_same_run(config: TrainConfig, facts: dict[str, object]) -> None:
    """Refuse to go on from the state of a run that was configured otherwise."""
    old = facts.get("config")
    if not isinstance(old, dict):
        raise CheckpointError("training state names no configuration", do="start with --fresh")
    new = asdict(config)
    different = [
        f"{key}: {old.get(key)!r}, now {new[key]!r}"
        for key in new
        if key not in BUDGET_KEYS and old.get(key) != new[key]
    ]
    if different:
        raise ConfigError(
            "the state in the output folder is of a run configured otherwise",
            got="; ".join(different),
            allowed=f"only {list(BUDGET_KEYS)} may change",
            do="start over with --fresh or name another --out",
        )
