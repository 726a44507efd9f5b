# SPDX-License-Identifier: Apache-2.0
"""`onestep-vla eval`: run the cells, print them, write report and films, judge the bar."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onestep_vla_ros.policy.decoder import AUTO
from onestep_vla_ros.report import write_json
from onestep_vla_ros.study.films import choose, write_films
from onestep_vla_ros.study.folder import declare, write_report
from onestep_vla_ros.study.markdown import cell_table
from onestep_vla_ros.study.request import Request
from onestep_vla_ros.study.summary import Summary, summarise
from onestep_vla_ros.train.cells import Axes
from onestep_vla_ros.train.evaluate import check_world, figures
from onestep_vla_ros.train.grid import Grid, Results, resolved, run_grid

FOLDER = Path("out/eval")
"""Where a grid, or a run with films, goes unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRequest(Request):
    """What to evaluate; the bar is for the first cell of each task.

    Attributes:
        axes: Values along each dimension; the cells are their product.
        world: Which world; "yam".
    """

    axes: Axes
    world: str = "yam"


def run_eval(request: EvalRequest) -> int:
    """Run the cells; return 0 when the first cell of every task meets the bar, else 1.

    Raises:
        ConfigError: The request cannot be run.
        CheckpointError: A checkpoint is missing, damaged or does not fit the station.
    """
    check_world(request.world)
    cells = request.axes.cells()
    grid = resolved(Grid(cells, request.episodes, request.seed, request.jobs))
    is_kept = request.out is not None or len(grid.cells) > 1 or request.videos > 0
    out = (request.out or FOLDER) if is_kept else None
    if out is not None:
        declare(out, grid.cells)
    results = run_grid(grid, out)
    summaries = summarise(results)
    _print(summaries)
    if out is not None:
        write_report(out, request.seed)
        films = write_films(choose(summaries, request.videos), out / "videos")
        print(f"{out}/report.md, report.json, pictures" + (f", {len(films)} films" * bool(films)))
    if request.json is not None:
        write_json(request.json, "eval", request.seed, _figures(results, summaries))
    firsts = [s for s in summaries if s.cell == s.reference]
    return 0 if all(s.rate >= request.bar for s in firsts) else 1


def _print(summaries: tuple[Summary, ...]) -> None:
    for task in dict.fromkeys(s.cell.task for s in summaries):
        own = [s for s in summaries if s.cell.task == task]
        print(_line(own[0]) if len(own) == 1 else f"{task}\n{cell_table(own)}")


def _line(summary: Summary) -> str:
    cell, found = summary.cell, summary.to_json()
    low, high = summary.interval
    steps = f", {found['mean_steps']:.2f} steps a chunk" if cell.steps == AUTO else ""
    return (
        f"{cell.task}, K={cell.steps or '-'}: "
        f"{summary.successes}/{len(summary.episodes)} = {summary.rate:.1%} "
        f"(95 % {low:.1%} to {high:.1%}), wrong object {summary.wrong}, "
        f"inference ms {found['latency_ms']}{steps}"
    )


def _figures(results: Results, summaries: tuple[Summary, ...]) -> dict[str, object]:
    """Return the figures of a single cell as they always were, those of a grid as a list."""
    if len(results) == 1:
        ((cell, episodes),) = results.items()
        return figures(cell, episodes)
    return {"cells": [s.to_json() for s in summaries]}
