# SPDX-License-Identifier: Apache-2.0
"""The tables of the digits study, each figure as mean ± spread over training seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onestep_vla_ros.digits.conditions import EXPERIMENTS
from onestep_vla_ros.digits.findings import (
    Mean,
    Result,
    budgets,
    compared_budget,
    over_seeds,
    title,
    variants,
)
from onestep_vla_ros.digits.scores import LEVELS, SAMPLED, STEPS, ZERO
from onestep_vla_ros.digits.tradeoff import separations, tradeoffs
from onestep_vla_ros.study.markdown import percent, table
from onestep_vla_ros.study.studies import Variant

NONE, SAME = "–", "the same"
Figure = Callable[[Result], float | None]


def rate(result: Result, noise: str, steps: int) -> float | None:
    """Return exact match with K steps from a start noise; None where that was not measured."""
    right = result.outcomes(noise, steps)
    return None if right is None else sum(right) / len(right)


def start_of(variant: Variant) -> str:
    """Return the start noise that a variant's figures are of."""
    return ZERO if variant.is_one_step else SAMPLED


def schedule_table(results: Sequence[Result], name: str) -> str:
    """Return exact match by variant, budget and K in per cent."""

    def row(variant: Variant, steps: int) -> list[str]:
        noise = start_of(variant)
        figures: list[Figure] = [lambda r, k=k: rate(r, noise, k) for k in STEPS]  # type: ignore[misc]
        cells = [_text(results, name, variant, steps, f, 100.0, 1) for f in figures]
        return [cells[0], *[SAME] * (len(cells) - 1)] if variant.is_one_step else cells

    return _by_variant(results, name, [f"K={k}" for k in STEPS], row)


def detail_table(results: Sequence[Result], name: str) -> str:
    """Return token accuracy, squared error, zero noise and noise leak."""

    def row(variant: Variant, steps: int) -> list[str]:
        noise = start_of(variant)
        cells = [
            _text(results, name, variant, steps, decoded(noise, k, key), scale, digits)
            for key, scale, digits in (("token_accuracy", 100.0, 2), ("mse", 1.0, 3))
            for k in (1, 10)
        ]
        zero = _text(results, name, variant, steps, lambda r: rate(r, ZERO, 1), 100.0, 1)
        leak: Figure = lambda r: r.figures.get("noise_leak")  # noqa: E731
        return [*cells, zero, _text(results, name, variant, steps, leak, 1.0, 4)]

    head = ["tokens K=1 [%]", "K=10", "MSE K=1", "K=10", "exact K=1, ε = 0 [%]", "noise leak"]
    return _by_variant(results, name, head, row)


def pictures_table(results: Sequence[Result]) -> str:
    """Return spread and distance of generated pictures by K; real ones have 1 and 0."""

    def row(variant: Variant, steps: int) -> list[str]:
        return [
            " / ".join(
                _text(results, "image", variant, steps, decoded(start_of(variant), k, key), 1.0, 2)
                for key in ("spread", "frechet")
            )
            for k in STEPS
        ]

    return _by_variant(results, "image", [f"K={k}" for k in STEPS], row)


def velocity_table(results: Sequence[Result]) -> str:
    """Return the velocity's squared error by noise level, at the controls' budget."""
    rows = []
    for name in EXPERIMENTS:
        for variant in (v for v in variants(results, name) if not v.is_one_step):
            steps = compared_budget(results, name)
            cells = [
                found.text(1.0, 3) if (found := velocity(results, name, variant, level)) else NONE
                for level in LEVELS
            ]
            rows.append([title(name, steps), variant.name, *cells])
    return table(["", "", *(f"τ = {level:g}" for level in LEVELS)], rows, left=1)


def velocity(results: Sequence[Result], name: str, variant: Variant, level: float) -> Mean | None:
    """Return the velocity's error at a noise level, at the controls' budget."""
    return over_seeds(
        results,
        name,
        variant,
        compared_budget(results, name),
        lambda r: r.figures.get("velocity_error", {}).get(f"{level:g}"),
    )


def gap_table(results: Sequence[Result]) -> str:
    """Return how well the gap tells ambiguous inputs from others."""
    rows = [
        [
            s.variant.name,
            s.area.text(1.0, 3),
            f"{s.interval[0]:.3f} to {s.interval[1]:.3f}",
            s.step_area.text(1.0, 3),
        ]
        for s in separations(results)
    ]
    return table(["", "AUROC of the gap", "95 %, all seeds", "of x₁ − x₂"], rows, left=0)


def auto_table(results: Sequence[Result]) -> str:
    """Return success and cost of one, two, ten steps and as many as the gap asks for."""
    rows = [
        [
            t.variant.name,
            percent(t.share),
            *(m.text(100.0) for m in (t.one, t.two, t.ten)),
            *(t.budget.text(100.0), t.budget_evaluations.text(1.0, 2)),
            *(t.accurate.text(100.0), t.accurate_evaluations.text(1.0, 2)),
        ]
        for t in tradeoffs(results)
    ]
    head = ["", "ambiguous", "K=1", "K=2", "K=10", "auto, budget", "evaluations"]
    return table([*head, "auto, accuracy", "evaluations"], rows, left=0)


def decoded(noise: str, steps: int, key: str) -> Figure:
    """Return what reads a figure of chunks decoded with K steps."""
    return lambda r: r.figures["decoded"].get(noise, {}).get(str(steps), {}).get(key)


def _text(
    results: Sequence[Result],
    name: str,
    variant: Variant,
    steps: int,
    figure: Figure,
    scale: float,
    digits: int,
) -> str:
    found = over_seeds(results, name, variant, steps, figure)
    return found.text(scale, digits) if found else NONE


def _by_variant(
    results: Sequence[Result],
    name: str,
    head: Sequence[str],
    row: Callable[[Variant, int], list[str]],
) -> str:
    """Return a table with a row for each variant and budget that has any figure."""
    rows = []
    for variant in variants(results, name):
        for steps in budgets(results, name):
            cells = row(variant, steps)
            if any(cell.replace(NONE, "").strip(" /") for cell in cells):
                rows.append([variant.name, f"{steps:,}", *cells])
    return table(["", "steps", *head], rows, left=0)
