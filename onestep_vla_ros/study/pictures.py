# SPDX-License-Identifier: Apache-2.0
"""Pictures of an evaluation: success with its interval along every dimension that varies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import TABLEAU_COLORS
from matplotlib.figure import Figure

from onestep_vla_ros.policy.decoder import AUTO
from onestep_vla_ros.study.summary import Summary
from onestep_vla_ros.train.cells import Cell, label, short_policy

CURVES = {
    "steps": "decoder steps K",
    "latency_s": "observation to chunk [s]",
    "replan_s": "between two chunks [s]",
}
"""Dimensions drawn as curves, with the words under their axis."""
BARS = {"axis": "scenes perturbed along", "ablation": "policy without", "policy": "policy"}
"""Dimensions drawn as bars."""
_EVEN = ("steps",)  # values at even distances: 1, 2, 5, 10
_COLOURS = (*TABLEAU_COLORS.values(), "black")  # the usual ten, and one for the digits' eleventh


@dataclass(frozen=True, slots=True)
class Point:
    """A success rate with its interval, somewhere along a dimension."""

    x: object
    rate: float
    interval: tuple[float, float]


def write_pictures(summaries: Sequence[Summary], folder: Path) -> list[Path]:
    """Draw by_<dimension>.png for every dimension with more than one value; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, words in {**CURVES, **BARS}.items():
        panels = {
            task: groups
            for task in dict.fromkeys(s.cell.task for s in summaries)
            if (groups := series([s for s in summaries if s.cell.task == task], name))
        }
        if panels:
            path = folder / f"by_{name.removesuffix('_s')}.png"
            draw(panels, words, path, is_even=name in _EVEN or name in BARS, is_bar=name in BARS)
            written.append(path)
    return written


def series(summaries: Sequence[Summary], name: str) -> dict[str, list[Point]]:
    """Return the cells that differ in dimension `name` alone, by what they have in common."""
    groups: dict[Cell, list[Summary]] = {}
    for s in summaries:
        if getattr(s.cell, name) is not None:
            groups.setdefault(_common(s.cell, name), []).append(s)
    groups = {key: group for key, group in groups.items() if len(group) > 1}
    found = {}
    for key, group in groups.items():
        if name in CURVES:
            group = sorted(group, key=lambda s: _place(getattr(s.cell, name)))
        points = [Point(_shown(s.cell, name), s.rate, s.interval) for s in group]
        found[label(key, list(groups))] = points
    return found


def draw(
    panels: dict[str, dict[str, list[Point]]],
    words: str,
    path: Path,
    *,
    is_even: bool,
    is_bar: bool,
    rate: str = "success",
) -> None:
    """Draw one panel a task.

    Args:
        panels: Task to the name of a curve to its points.
        words: Under the axis.
        path: PNG to write.
        is_even: Values stand at even distances instead of to scale.
        is_bar: Bars instead of curves.
        rate: What the rates are of.
    """
    bars = sum(len(points) for points in next(iter(panels.values())).values())
    width = max(2.0 + (0.35 * bars if is_bar else 3.6) * len(panels), 5.6)
    most = max(len(curves) for curves in panels.values())
    figure = Figure(figsize=(width, 4.2 + 0.12 * most), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (task, curves) in zip(axes, panels.items(), strict=True):
        values = list(dict.fromkeys(p.x for points in curves.values() for p in points))
        if not is_bar:
            values.sort(key=_place)
        axis.set_prop_cycle(color=_COLOURS)
        for i, (name, points) in enumerate(curves.items()):
            share = i - (len(curves) - 1) / 2
            if is_bar:
                _bars(axis, points, values, name, share, 0.8 / len(curves))
            else:
                _curve(axis, points, values, name, share, is_even)
        if is_even:
            turn = 30 if is_bar and max(len(str(v)) for v in values) > 4 else 0
            axis.set_xticks(range(len(values)), [str(v) for v in values], rotation=turn)
        axis.set(title=task, xlabel=words, ylim=(0.0, 1.03))
        axis.grid(visible=True, axis="y", alpha=0.3)
        axis.set_axisbelow(True)
    axes[0].set_ylabel(f"{rate}, Wilson 95 %")
    names: dict[str, Any] = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        names |= dict(zip(labels, handles, strict=True))
    if list(names) != ["all"]:
        columns = 1 if max(map(len, names)) > 24 * len(panels) else 2 * len(panels)
        figure.legend(names.values(), names, fontsize=8, loc="outside lower center", ncols=columns)
    figure.savefig(path, dpi=120)


def _curve(
    axis: Axes, points: list[Point], values: list[Any], name: str, share: float, is_even: bool
) -> None:
    step = 0.03 * (1.0 if is_even else max(float(v) for v in values) / 5)
    x = [(values.index(p.x) if is_even else float(str(p.x))) + share * step for p in points]
    axis.errorbar(
        x,
        [p.rate for p in points],
        yerr=_errors(points),
        marker="o",
        markersize=4,
        capsize=2,
        linewidth=1.2,
        label=name,
    )


def _bars(
    axis: Axes, points: list[Point], values: list[Any], name: str, share: float, width: float
) -> None:
    axis.bar(
        [values.index(p.x) + share * width for p in points],
        [p.rate for p in points],
        width=0.92 * width,
        yerr=_errors(points),
        capsize=2,
        error_kw={"linewidth": 1},
        label=name,
    )


def _errors(points: list[Point]) -> list[list[float]]:
    return [
        [max(p.rate - p.interval[0], 0.0) for p in points],
        [max(p.interval[1] - p.rate, 0.0) for p in points],
    ]


def _place(value: object) -> float:
    """Return where a value stands on a curve's axis; "auto" steps come last."""
    return math.inf if value == AUTO else float(str(value))


def _shown(cell: Cell, name: str) -> object:
    value = getattr(cell, name)
    return short_policy(value) if name == "policy" else value


def _common(cell: Cell, name: str) -> Cell:
    """Return `cell` with dimension `name` set to what every cell may have."""
    blank: dict[str, Any] = {"policy": "", "steps": 1, "latency_s": 0.0, "replan_s": 1.0}
    common: dict[str, Any] = {name: blank.get(name, "none")}
    if cell.is_expert and name == "policy":
        return cell
    return replace(cell, **common)
