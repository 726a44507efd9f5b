# SPDX-License-Identifier: Apache-2.0
"""`onestep-vla study`: train, evaluate, tabulate, judge; every part goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.files import read_yaml
from onestep_vla_ros.report import write_json, write_marked
from onestep_vla_ros.sim.rollout import REPLAN_S
from onestep_vla_ros.sim.tasks import task_named
from onestep_vla_ros.study.entry import Entry
from onestep_vla_ros.study.runs import Run, make_runs, train_all
from onestep_vla_ros.study.seams import seam_tables, seams_json
from onestep_vla_ros.study.status import status_line
from onestep_vla_ros.study.studies import Study, study_named
from onestep_vla_ros.study.study_report import (
    draw_study,
    report,
    study_markdown,
    tabulate,
    to_json,
)
from onestep_vla_ros.train.cells import Cell
from onestep_vla_ros.train.episode_log import NAME, read_records
from onestep_vla_ros.train.grid import Grid, resolved, run_grid


@dataclass(frozen=True, slots=True)
class StudyRequest:
    """Which study, on what, and where it is written.

    Attributes:
        name: Key of `STUDIES`.
        tasks: Tasks that are trained on together.
        evaluated: Those of them that are evaluated, one by one; () takes all.
        data: Folder with a dataset a task.
        out: Folder for trainings, episodes and reports; studies share it.
        config: Training configuration that the variants change.
        steps_budget: Steps of each training; None takes the configuration's.
        seeds: Trainings of each variant.
        episodes: Of each cell and training.
        seed: Episode i of every cell runs seed + i.
        jobs: Processes, for trainings side by side and for episodes.
        noise: Decoder noise of every cell.
        policy: The checkpoint of a study that trains nothing.
        replan_s: Time between two observations handed to the policy [s].
        is_status: Only say what is done and left, and report on what is there.
        readme: Markdown file whose marked tables are written anew, or None.
        json: File for the result, or None.
    """

    name: str
    tasks: tuple[str, ...]
    data: Path
    out: Path
    config: Path
    steps_budget: int | None
    seeds: int
    episodes: int
    seed: int
    jobs: int
    noise: str
    policy: str
    evaluated: tuple[str, ...] = ()
    replan_s: float = REPLAN_S
    is_status: bool = False
    readme: Path | None = None
    json: Path | None = None


def run_study(request: StudyRequest) -> int:
    """Run what is not done yet and write the report; return 0.

    Raises:
        ConfigError: The request cannot be run, or contradicts what is in its folder.
        OneStepError: A process failed; what is done stays done.
    """
    study = study_named(request.name)
    for task in (*request.tasks, *request.evaluated):
        task_named(task)
    for name in ("steps_budget", "seeds", "episodes", "jobs"):
        value = getattr(request, name)
        if value is not None and value < 1:
            raise ConfigError(f"{name} is too small", got=value, allowed=">= 1")
    runs = _runs(study, request)
    entries = _entries(study, runs, request)
    print(status_line(runs, _grid(entries, request), request.out))
    if not request.is_status:
        train_all(runs, request.jobs)
        run_grid(resolved(_grid(entries, request)), request.out)
    _write(study, entries, request)
    return 0


def _runs(study: Study, request: StudyRequest) -> tuple[Run, ...]:
    if not study.variants:
        return ()
    base = read_yaml(request.config)
    if request.steps_budget is not None:
        base = {**base, "max_steps": request.steps_budget}
    data = [request.data / task for task in request.tasks]
    return make_runs(study.variants, request.seeds, base, data, request.out)


def _entries(study: Study, runs: Sequence[Run], request: StudyRequest) -> list[Entry]:
    """Return every cell of every training, or of the given checkpoint."""
    tasks = request.evaluated or request.tasks
    if not runs:
        cells = study.cells(request.policy, tasks, request.noise, replan_s=request.replan_s)
        return [Entry(None, 0, cell) for cell in cells]
    entries = []
    for run in runs:
        policy = str(run.checkpoint)
        cells = study.cells(policy, tasks, request.noise, run.variant, request.replan_s)
        entries += [Entry(run.variant, run.seed, cell) for cell in cells]
    return entries


def _grid(entries: Sequence[Entry], request: StudyRequest) -> Grid:
    cells = tuple(dict.fromkeys(entry.cell for entry in entries))
    return Grid(cells, request.episodes, request.seed, request.jobs)


def _write(study: Study, entries: Sequence[Entry], request: StudyRequest) -> None:
    """Write report, picture and JSON from the episodes there are."""
    seeds = range(request.seed, request.seed + request.episodes)
    records = read_records(request.out / NAME, Cell.from_json)
    results = {
        cell: [records[cell, s].episode for s in seeds if (cell, s) in records]
        for cell in dict.fromkeys(entry.cell for entry in entries)
    }
    tables = tabulate(study, entries, results)
    seams = seam_tables(study, entries, results) if study.has_seams else {}
    folder = request.out / study.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(report(study, tables, seams), encoding="utf-8")
    more = {"seams": seams_json(seams)} if seams else {}
    figures = {**to_json(study, tables), **more}
    figures |= {"episodes": request.episodes, "noise": request.noise, "replan_s": request.replan_s}
    for path in [folder / "report.json", *([request.json] if request.json else [])]:
        write_json(path, "study", request.seed, figures)
    if tables:
        draw_study(study, tables, folder / f"{study.name}.png")
    if request.readme is not None:
        write_marked(request.readme, "study", {study.name: study_markdown(study, tables, seams)})
    print(study_markdown(study, tables, seams))
    print(f"{folder}/report.md, report.json, {study.name}.png")
