# SPDX-License-Identifier: Apache-2.0
"""Pictures of the digits study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onestep_vla_ros.digits.digits_tables import start_of, velocity
from onestep_vla_ros.digits.findings import (
    Result,
    budgets,
    compared_budget,
    tables,
    title,
    variants,
)
from onestep_vla_ros.digits.scores import LEVELS, STEPS
from onestep_vla_ros.digits.tasks import CELL_PIXELS
from onestep_vla_ros.digits.tokens import CLASSES
from onestep_vla_ros.digits.tradeoff import NAME as AMBIGUOUS
from onestep_vla_ros.digits.tradeoff import SHARES, separations, tradeoffs
from onestep_vla_ros.study.pictures import Point, draw
from onestep_vla_ros.study.studies import ALPHA_4, UNIFORM

DPI = 120


def draw_all(results: Sequence[Result], folder: Path) -> list[Path]:
    """Draw what there are figures for; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawings = {
        "exact_by_k.png": _exact_by_k,
        "exact_by_budget.png": _exact_by_budget,
        "velocity_error.png": _velocity_error,
        "ambiguity.png": _ambiguity,
        "auto.png": _auto,
        "pictures.png": _pictures,
    }
    return [folder / name for name, make in drawings.items() if make(results, folder / name)]


def _exact_by_k(results: Sequence[Result], path: Path) -> bool:
    """Draw exact match over K, a panel a budget; heads that know one step stay level."""
    panels: dict[str, dict[str, list[Point]]] = {}
    for words, pools in tables(results, "grid").items():
        curves = panels.setdefault(words, {})
        for row in dict.fromkeys(row for row, _ in pools):
            found = [(k, pools.get((row, f"K={k}"), pools[row, "K=1"])) for k in STEPS]
            curves[row] = [Point(k, pool.rate, pool.interval) for k, pool in found]
    if panels:
        draw(panels, "decoder steps K", path, is_even=True, is_bar=False, rate="exact match")
    return bool(panels)


def _exact_by_budget(results: Sequence[Result], path: Path) -> bool:
    """Draw exact match over the training budget, a panel for one step and one for ten."""
    steps, found = budgets(results, "grid"), tables(results, "grid")
    if len(steps) < 2:
        return False
    panels: dict[str, dict[str, list[Point]]] = {}
    for k in (1, 10):
        for variant in variants(results, "grid"):
            column = "K=1" if variant.is_one_step else f"K={k}"
            pools = [(s, found[title("grid", s)].get((variant.name, column))) for s in steps]
            points = [Point(s, pool.rate, pool.interval) for s, pool in pools if pool]
            panels.setdefault(f"K={k}", {})[variant.name] = points
    draw(panels, "training steps", path, is_even=True, is_bar=False, rate="exact match")
    return True


def _velocity_error(results: Sequence[Result], path: Path) -> bool:
    """Draw the velocity's error over τ, a panel an experiment, a band from seed to seed."""
    names = [name for name in ("grid", "weak", AMBIGUOUS, "image") if variants(results, name)]
    if not names:
        return False
    figure = Figure(figsize=(1.5 + 3.6 * len(names), 4.2), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        for variant in (v for v in variants(results, name) if not v.is_one_step):
            found = [velocity(results, name, variant, level) for level in LEVELS]
            values = np.array([m.values for m in found if m])  # (levels, seeds)
            if len(values) == len(LEVELS):
                axes.plot(LEVELS, values.mean(axis=1), marker=".", label=variant.name)
                axes.fill_between(LEVELS, values.min(axis=1), values.max(axis=1), alpha=0.2)
        axes.set(title=title(name, compared_budget(results, name)), yscale="log")
        axes.set_xlabel("noise level τ (1 is pure noise)")
        axes.grid(visible=True, which="both", alpha=0.3)
        axes.legend(fontsize=8)
    panels[0].set_ylabel("mean square of v − (ε − a)")
    figure.savefig(path, dpi=DPI)
    return True


def _ambiguity(results: Sequence[Result], path: Path) -> bool:
    """Draw histograms of the gap of one seed, inputs with one reading against two."""
    areas = separations(results)
    if not areas:
        return False
    figure = Figure(figsize=(1.0 + 3.0 * len(areas), 3.6), layout="constrained")
    panels = figure.subplots(1, len(areas), squeeze=False)[0]
    for axes, area in zip(panels, areas, strict=True):
        found = next(
            inputs
            for r in results
            if r.run.experiment.name == AMBIGUOUS
            and r.run.variant == area.variant
            and (inputs := r.inputs("test")) is not None
        )
        bins = np.linspace(0.0, float(np.quantile(found.gap, 0.995)), 40)
        for is_two, words in ((False, "one reading"), (True, "two readings")):
            gaps = found.gap[found.is_ambiguous == is_two]
            axes.hist(gaps, bins=bins, alpha=0.6, label=words)
        axes.set_title(f"{area.variant.name}: AUROC {area.area.text(1.0, 3)}", fontsize=10)
        axes.set_xlabel("gap of the second look")
    panels[0].set_ylabel("test inputs")
    panels[0].legend(fontsize=8)
    figure.savefig(path, dpi=DPI)
    return True


def _auto(results: Sequence[Result], path: Path) -> bool:
    """Draw right answers over evaluations: K = 1, 2, 10 joined, and auto."""
    rows = tradeoffs(results)
    if not rows:
        return False
    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    panels = figure.subplots(1, len(SHARES), sharey=True)
    for axes, share in zip(panels, SHARES, strict=True):
        for i, row in enumerate(r for r in rows if r.share == share):
            fixed = [row.one.mean, row.two.mean, row.ten.mean]
            axes.plot((1, 2, 10), fixed, f"C{i}o-", markersize=4, label=row.variant.name)
            axes.plot(row.budget_evaluations.mean, row.budget.mean, f"C{i}*", markersize=12)
            axes.plot(row.accurate_evaluations.mean, row.accurate.mean, f"C{i}P", markersize=9)
        axes.set(title=f"{share:.0%} of the inputs ambiguous", ylim=(0.0, 1.03))
        axes.set_xlabel("mean evaluations (auto: star by budget, plus by accuracy)")
        axes.grid(visible=True, alpha=0.3)
    panels[0].set_ylabel("right answers")
    panels[0].legend(fontsize=8)
    figure.savefig(path, dpi=DPI)
    return True


def _pictures(results: Sequence[Result], path: Path) -> bool:
    """Show what the image control makes of each class with one step and with ten."""
    wanted = [
        (variant, k)
        for variant in variants(results, "image")
        for k in (STEPS[:1] if variant.is_one_step else (1, 10))
        if variant.is_one_step or variant in (UNIFORM, ALPHA_4)
    ]
    if not wanted:
        return False
    figure = Figure(figsize=(6.4, 0.75 * len(wanted)), layout="constrained")
    panels = figure.subplots(len(wanted), 1, squeeze=False)[:, 0]
    for axes, (variant, k) in zip(panels, wanted, strict=True):
        result = next(
            r for r in results if r.run.experiment.name == "image" and r.run.variant == variant
        )
        found = result.figures["decoded"][start_of(variant)][str(k)]["pictures"]
        _strip(axes, found, f"{variant.name}, K={k}")
    figure.savefig(path, dpi=DPI)
    return True


def _strip(axes: Axes, hexadecimal: str, words: str) -> None:
    """Show ten pictures side by side."""
    pixels = np.frombuffer(bytes.fromhex(hexadecimal), np.uint8)
    pictures = pixels.reshape(CLASSES, CELL_PIXELS, CELL_PIXELS)
    axes.imshow(np.concatenate(list(pictures), axis=1), cmap="gray", vmin=0, vmax=255)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_ylabel(words, rotation=0, ha="right", va="center", fontsize=8)
