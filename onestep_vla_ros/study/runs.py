# SPDX-License-Identifier: Apache-2.0
"""The trainings of a study: one folder a run, finished ones skipped, cut ones continued."""

from __future__ import annotations

import csv
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tqdm

from onestep_vla_ros.core.errors import ConfigError, OneStepError
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.study.studies import Variant
from onestep_vla_ros.train.crew import share
from onestep_vla_ros.train.run_setup import check
from onestep_vla_ros.train.train_config import BUDGET_KEYS, TrainConfig
from onestep_vla_ros.train.trainer import CHECKPOINT, train

FOLDER = "runs"
_FREE = set(BUDGET_KEYS) - {"max_steps"}
"""What may differ between the training that was asked for and the one that is there."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training.

    Attributes:
        variant: What is trained.
        seed: From which seed.
        folder: Where state, log and checkpoint are.
        config: Everything the training is told.
        data: Folders of its demonstrations, each called after its task.
    """

    variant: Variant
    seed: int
    folder: Path
    config: TrainConfig
    data: tuple[Path, ...]

    @property
    def checkpoint(self) -> Path:
        """Where its checkpoint is, or will be."""
        return self.folder / CHECKPOINT


def make_runs(
    variants: Sequence[Variant],
    seeds: int,
    base: Mapping[str, object],
    data: Sequence[Path],
    out: Path,
) -> tuple[Run, ...]:
    """Return all runs, one seed of every variant before the next seed.

    Args:
        variants: What to train.
        seeds: From how many seeds each; 0, 1, ...
        base: Training configuration as its file gives it.
        data: Folders of demonstrations, each called after its task.
        out: Folder of the studies.

    Raises:
        ConfigError: A configuration cannot be used; lists every fault.
    """
    runs = []
    for seed in range(seeds):
        for variant in variants:
            # one process and one thread: bit-identical after a kill, and two runs side by side
            # beat one run on two cores
            fixed = {"seed": seed, "max_minutes": 0.0, "processes": 1, "threads": 1}
            values = overridden(base, {**variant.overrides, **fixed})
            config = from_mapping(TrainConfig, values, f"study, {variant.name}")
            folder = out / FOLDER / f"{variant.folder}-s{seed}"
            runs.append(Run(variant, seed, folder, config, tuple(data)))
    return tuple(runs)


def overridden(base: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """Return `base` with values replaced; "head.horizon" reaches into the mapping "head"."""
    values: dict[str, Any] = {k: dict(v) if isinstance(v, dict) else v for k, v in base.items()}
    for key, value in changes.items():
        section, dot, name = key.partition(".")
        if dot:
            values.setdefault(section, {})[name] = value
        else:
            values[key] = value
    return values


def is_finished(run: Run) -> bool:
    """Is the run's checkpoint there, made by this configuration from these tasks?

    Raises:
        ConfigError: One made otherwise is.
    """
    path = run.checkpoint / "config.json"
    if not path.is_file():
        return False
    training = json.loads(path.read_text(encoding="utf-8"))["training"]
    old = {**training["config"], "tasks": sorted(training["tasks"])}
    tasks = sorted(folder.name for folder in run.data)
    new = json.loads(json.dumps({**asdict(run.config), "tasks": tasks}))
    different = [
        f"{key}: {old.get(key)!r}, now {new[key]!r}"
        for key in new
        if key not in _FREE and old.get(key) != new[key]
    ]
    if different:
        raise ConfigError(
            f"{run.folder} was trained otherwise",
            got="; ".join(different),
            do="name another --out",
        )
    return bool(training["steps"] >= run.config.max_steps)  # not one exported on the way


def train_all(runs: Sequence[Run], jobs: int) -> None:
    """Train what is not finished, `jobs` runs side by side.

    Raises:
        ConfigError: A run's folder holds a training configured otherwise, or another process
            trains there.
        OneStepError: A training failed or was interrupted; run again to go on.
    """
    todo = [run for run in runs if not is_finished(run)]
    if not todo:
        return
    with alone(todo[0].folder.parent):
        _train_side_by_side(todo, len(runs), jobs)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder of the runs, so that no two processes train the same one."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                f"another study trains in {folder}", do="wait, or name another --out"
            ) from None
        yield


def _train_side_by_side(todo: Sequence[Run], total: int, jobs: int) -> None:
    side_by_side = jobs > 1 and len(todo) > 1
    if side_by_side:
        for run in todo:
            check(run.config, run.data)  # one process fills the caches that all of them map
        os.environ["TQDM_DISABLE"] = "1"  # read where tqdm is imported: in the new processes
    try:
        bar = tqdm.tqdm(total=total, initial=total - len(todo), unit="run", desc="train")
        with bar:
            for run, finished in share(todo, jobs, _open):
                if not finished:
                    raise OneStepError(f"training {run.folder} was interrupted", do="run again")
                bar.update()
    finally:
        if side_by_side:
            del os.environ["TQDM_DISABLE"]


def _open() -> Callable[[Run], bool]:
    return _train


def _train(run: Run) -> bool:
    return train(run.config, run.data, run.folder).is_finished


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        share: 0 to 1.
        minutes: Training time so far.
    """

    share: float
    minutes: float


def progress(run: Run) -> Progress:
    """Return how far a run is, from its log; nothing done is no error."""
    try:
        with (run.folder / "log.csv").open(newline="", encoding="utf-8") as file:
            last = list(csv.DictReader(file))[-1]
        steps, minutes = float(last["step"]), float(last["elapsed_s"]) / 60.0
    except (OSError, IndexError, KeyError, ValueError):
        return Progress(0.0, 0.0)
    return Progress(min(steps / run.config.max_steps, 1.0), minutes)
