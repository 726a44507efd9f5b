# SPDX-License-Identifier: Apache-2.0
"""The digits study as Markdown and JSON."""

from __future__ import annotations

from collections.abc import Sequence

from onestep_vla_ros.digits.claims import judge
from onestep_vla_ros.digits.conditions import EXPERIMENTS
from onestep_vla_ros.digits.digits_tables import (
    auto_table,
    detail_table,
    gap_table,
    pictures_table,
    rate,
    schedule_table,
    velocity_table,
)
from onestep_vla_ros.digits.findings import Result, ambiguous_tables, tables, variants
from onestep_vla_ros.digits.scores import SAMPLED, ZERO
from onestep_vla_ros.digits.tradeoff import separations, tradeoffs
from onestep_vla_ros.study.study_report import pool_table

_GAP = """## The gap between a first look and a second

AUROC of the policy's gap for inputs with two right readings against one, and of the root mean
square of x₁ − x₂ (one step less two from the same noise):

{areas}

Right answers in per cent. K=1 is from zero noise, K=2 and K=10 from sampled noise. auto is the
policy's: one step, a second look, ten steps more where the gap is above a threshold. budget: the
policy's own, the 95 % quantile of the gap on held-out digits. accuracy: the largest that lost at
most a point against K=10 on held-out digits. The 5 % rows weigh the same inputs anew.

{costs}
"""
_TRADEOFF = (
    "one",
    "two",
    "ten",
    "budget",
    "budget_evaluations",
    "accurate",
    "accurate_evaluations",
)
_PICTURES = (
    "Variance within a class over that of real pictures (1 is as real, 0 is one picture a class) "
    "/ Fréchet distance in 32 principal components over their variance (0 is as real):"
)


def report(results: Sequence[Result]) -> str:
    """Return report.md."""
    parts = ["# One step against ten on a grid of digits", "", _note(results), ""]
    for name, experiment in EXPERIMENTS.items():
        if variants(results, name):
            parts += [f"## {name}", "", experiment.about, "", *_tables(results, name)]
    if separations(results):
        parts += [_GAP.format(areas=gap_table(results), costs=auto_table(results))]
    parts += ["## Velocity error by noise level", "", velocity_table(results), ""]
    parts += ["## Claims", "", *(v.line() for v in judge(results)), ""]
    return "\n".join(parts)


def _tables(results: Sequence[Result], name: str) -> list[str]:
    """Return the tables of an experiment."""
    if name == "image":
        return [_PICTURES, "", pictures_table(results), ""]
    parts = ["Exact match in per cent, mean ± standard deviation over seeds:", ""]
    parts += [schedule_table(results, name), ""]
    one_step = {v.name for v in variants(results, name) if v.is_one_step}
    found = ambiguous_tables(results, name) if name == "ambiguous" else tables(results, name)
    for words, pools in found.items():
        parts += [pool_table(pools, words, one_step), ""]
    return [
        *parts,
        "Token accuracy, squared error and noise leak:",
        "",
        detail_table(results, name),
        "",
    ]


def to_json(results: Sequence[Result]) -> dict[str, object]:
    """Return the study's figures; `table` has a row a training."""
    return {
        "table": [_row(r) for r in results],
        "gap": [
            {
                "schedule": s.variant.name,
                "auroc": s.area.to_json(),
                "interval": list(s.interval),
                "auroc_of_steps": s.step_area.to_json(),
            }
            for s in separations(results)
        ],
        "auto": [
            {
                "schedule": t.variant.name,
                "ambiguous_share": t.share,
                **{name: getattr(t, name).to_json() for name in _TRADEOFF},
            }
            for t in tradeoffs(results)
        ],
        "verdicts": [
            {
                "claim": v.claim,
                "task": v.task,
                "words": v.words,
                "verdict": v.verdict,
                "because": v.because,
            }
            for v in judge(results)
        ],
    }


def _row(result: Result) -> dict[str, object]:
    decoded = result.figures["decoded"]
    plain = {
        noise: {
            k: {key: v for key, v in found.items() if key not in ("exact", "pictures")}
            for k, found in by_k.items()
        }
        for noise, by_k in decoded.items()
    }
    exact = {
        noise: {k: rate(result, noise, int(k)) for k in by_k} for noise, by_k in decoded.items()
    }
    return {
        "experiment": result.run.experiment.name,
        "schedule": result.run.variant.name,
        "budget": result.run.steps,
        "seed": result.run.seed,
        "exact_match": exact.get(SAMPLED, exact.get(ZERO)),
        "exact_match_zero_noise": exact.get(ZERO),
        "figures": plain,
        "velocity_error": result.figures.get("velocity_error"),
        "noise_leak": result.figures.get("noise_leak"),
        "parameters": result.figures["parameters"],
        "training_cpu_s": result.figures["training_cpu_s"],
    }


def _note(results: Sequence[Result]) -> str:
    first, seeds = results[0].figures, len({r.run.seed for r in results})
    source, count = first["digits"]["source"], first["digits"]["count"]
    cpu = sorted({r.figures["machine"]["cpu"] for r in results})
    gpu = sorted({r.figures["machine"]["gpu"] for r in results} - {"none in use"})
    versions = first["machine"]["versions"]
    sizes = sorted({r.figures["parameters"] for r in results})
    hours = sum(r.figures["training_cpu_s"] for r in results) / 3600.0
    return (
        f"{len(results)} trainings (seeds 0 to {seeds - 1}), {sizes[0]:,} to {sizes[-1]:,} "
        f"weights, {hours:.1f} CPU-hours of training. Digits: {source}, {count:,}, of which a "
        "fifth (or their own test set) is never trained on; "
        f"{first['test_count']:,} test inputs, start noise drawn anew for each. Intervals are "
        "Wilson 95 % of all inputs and seeds pooled (they know nothing of the scatter of "
        "trainings); differences are paired by seed and input. Machine: "
        f"{', '.join(cpu + gpu)}; Python {versions['python']}, torch {versions['torch']}."
    )
