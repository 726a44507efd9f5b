# SPDX-License-Identifier: Apache-2.0
"""One step, ten, or as many as the gap asks for: what each costs and gets right, over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onestep_vla_ros.digits.findings import Mean, Result, budgets, variants
from onestep_vla_ros.digits.gap import auroc
from onestep_vla_ros.study.studies import Variant

SHARES = (0.5, 0.05)
"""Parts of the inputs that are ambiguous: as trained, and as in careful demonstrations."""
NAME = "ambiguous"


@dataclass(frozen=True, slots=True)
class Separation:
    """How well the gap tells ambiguous inputs from others.

    Attributes:
        area: AUROC of each seed of the policy's gap, `policy.ambiguity.gap`.
        interval: From the lowest to the highest end of the seeds' 95 % intervals.
        step_area: AUROC of each seed of ‖x₁ − x₂‖.
    """

    variant: Variant
    area: Mean
    interval: tuple[float, float]
    step_area: Mean


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """Success and cost where ambiguous inputs have a share.

    Attributes:
        share: Of ambiguous inputs.
        one: Success with one step from zero noise.
        two: Success with two steps from sampled noise; `ten` likewise.
        budget: Success of "auto" with the policy's threshold, a quantile of the gap on held-out
            digits.
        budget_evaluations: Mean evaluations of the head that it takes.
        accurate: Success of "auto" with the threshold that lost a point at most there.
        accurate_evaluations: Mean evaluations of the head that it takes.
    """

    variant: Variant
    share: float
    one: Mean
    two: Mean
    ten: Mean
    budget: Mean
    budget_evaluations: Mean
    accurate: Mean
    accurate_evaluations: Mean


def separations(results: Sequence[Result]) -> list[Separation]:
    """Return the AUROC of the gap by variant; nothing of heads without noise."""
    found = []
    for variant, members in _members(results):
        inputs = [i for r in members if (i := r.inputs("test"))]
        known = [a for i in inputs if (a := auroc(i.gap, i.is_ambiguous))]
        steps = [a for i in inputs if (a := auroc(i.step_gap, i.is_ambiguous))]
        if known:
            interval = min(a.interval[0] for a in known), max(a.interval[1] for a in known)
            means = [Mean(tuple(a.area for a in areas)) for areas in (known, steps)]
            found.append(Separation(variant, means[0], interval, means[1]))
    return found


def tradeoffs(results: Sequence[Result]) -> list[Tradeoff]:
    """Return success and cost by variant and share."""
    found = []
    for variant, members in _members(results):
        for share in SHARES:
            rows = []
            for result in members:
                test, held_out = result.inputs("test"), result.inputs("held_out")
                if test is None or held_out is None:
                    continue
                thresholds = held_out.budget_threshold(share), held_out.accuracy_threshold(share)
                fixed = (test.rate(right, share) for right in (test.one, test.two, test.ten))
                rows.append((*fixed, *(x for t in thresholds for x in test.auto(t, share))))
            if rows:
                means = (Mean(tuple(column)) for column in zip(*rows, strict=True))
                found.append(Tradeoff(variant, share, *means))
    return found


def _members(results: Sequence[Result]) -> list[tuple[Variant, list[Result]]]:
    """Return the runs of each variant at the smallest budget, which controls are trained at."""
    steps = budgets(results, NAME)
    chosen = [r for r in results if r.run.experiment.name == NAME and r.run.steps == steps[0]]
    return [
        (variant, [r for r in chosen if r.run.variant == variant])
        for variant in variants(results, NAME)
    ]
