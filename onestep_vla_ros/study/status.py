# SPDX-License-Identifier: Apache-2.0
"""What of a study is done, what is left, and about how long that takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from onestep_vla_ros.study.runs import Run, is_finished, progress
from onestep_vla_ros.train.cells import Cell
from onestep_vla_ros.train.episode_log import NAME, read_records
from onestep_vla_ros.train.grid import Grid


def status_line(runs: Sequence[Run], grid: Grid, out: Path) -> str:
    """Return one line: trainings, episodes and the time left at the speed seen so far."""
    parts: list[str] = []
    training = _training_minutes(runs, parts)
    records = read_records(out / NAME, Cell.from_json)
    jobs = [(cell, seed) for cell in grid.cells for seed in grid.seeds]
    done = [records[job] for job in jobs if job in records]
    left = len(jobs) - len(done)
    parts.append(f"episodes: {len(done)} of {len(jobs)}")
    known = done or list(records.values())
    mean_s = sum(r.wall_s for r in known) / len(known) if known else None
    playing = 0.0 if left == 0 else None if mean_s is None else left * mean_s / 60.0
    if training is None or playing is None:
        parts.append("time left: not known before some of each is done")
    else:
        parts.append(f"about {_time(training / grid.jobs + playing / grid.jobs)} left")
    return "; ".join(parts)


def _training_minutes(runs: Sequence[Run], parts: list[str]) -> float | None:
    """Return the minutes of one process that trainings still need; None when not known."""
    if not runs:
        return 0.0
    is_done = [is_finished(run) for run in runs]
    found = [progress(run) for run in runs]
    started = sum(1 for p, done in zip(found, is_done, strict=True) if not done and p.share > 0.0)
    parts.append(f"trainings: {sum(is_done)} of {len(runs)}, {started} begun")
    if all(is_done):
        return 0.0
    whole = [p.minutes / p.share for p in found if p.share > 0.0]
    if not whole:
        return None
    left = sum(1.0 - p.share for p, done in zip(found, is_done, strict=True) if not done)
    return left * sum(whole) / len(whole)


def _time(minutes: float) -> str:
    hours, rest = divmod(round(minutes), 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"
