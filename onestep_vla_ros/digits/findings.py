# SPDX-License-Identifier: Apache-2.0
"""What the trainings of the digits study say together, over seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from onestep_vla_ros.digits.conditions import Run
from onestep_vla_ros.digits.gap import Inputs
from onestep_vla_ros.digits.scores import SAMPLED, ZERO, Figures, unpack
from onestep_vla_ros.study.claims import Table
from onestep_vla_ros.study.pool import Key, Pool
from onestep_vla_ros.study.studies import Variant

T_95 = (math.inf, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Two-sided 95 % quantiles of Student's t by degrees of freedom (0 to 9); 1.96 beyond is close."""


@dataclass(frozen=True, slots=True)
class Result:
    """A finished run."""

    run: Run
    figures: Figures

    def outcomes(self, noise: str, steps: int) -> list[bool] | None:
        """Return which test inputs came out right; None where that was not measured."""
        found = self.figures["decoded"].get(noise, {}).get(str(steps))
        if found is None or "exact" not in found:
            return None
        return unpack(found["exact"], self.figures["test_count"])

    def is_ambiguous(self) -> list[bool]:
        """Return which test inputs have two right readings."""
        count = self.figures["test_count"]
        return (
            unpack(self.figures["is_ambiguous"], count) if "is_ambiguous" in self.figures else []
        )

    def inputs(self, part: str) -> Inputs | None:
        """Return the gaps on "test" or "held_out" inputs; None where there are none."""
        if "gap" not in self.figures:
            return None
        found, count = self.figures["gap"][part], self.figures["test_count"]
        return Inputs(
            np.array(found["gap"]),
            np.array(found["step_gap"]),
            np.array(unpack(found["is_ambiguous"], count)),
            *(np.array(unpack(found["exact"][k], count)) for k in ("1", "2", "10")),
        )


@dataclass(frozen=True, slots=True)
class Mean:
    """A figure over training seeds.

    Attributes:
        values: One of each seed, at least one.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Its mean."""
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float | None:
        """Its sample standard deviation; None of one seed."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its 95 % interval by Student's t; None of one seed."""
        if self.spread is None:
            return None
        freedom = len(self.values) - 1
        quantile = T_95[freedom] if freedom < len(T_95) else 2.262
        half = quantile * self.spread / math.sqrt(len(self.values))
        return self.mean - half, self.mean + half

    def text(self, scale: float = 1.0, digits: int = 1) -> str:
        """Return "mean ± spread", times `scale`."""
        shown = f"{scale * self.mean:.{digits}f}"
        return shown if self.spread is None else f"{shown} ± {scale * self.spread:.{digits}f}"

    def to_json(self) -> dict[str, object]:
        """Return it as JSON."""
        interval = self.interval
        return {
            "mean": self.mean,
            "spread": self.spread,
            "interval": None if interval is None else list(interval),
            "by_training_seed": list(self.values),
        }


def title(name: str, steps: int) -> str:
    """Return how a table is called."""
    return f"{name}, {steps:,} steps"


def tables(results: Sequence[Result], name: str, noise: str = SAMPLED) -> dict[str, Table]:
    """Return success by variant and K of an experiment, a table a budget."""
    found: dict[str, Table] = {}
    for steps in budgets(results, name):
        found[title(name, steps)] = _table(results, name, steps, noise)
    return {words: table for words, table in found.items() if table}


def ambiguous_tables(results: Sequence[Result], name: str) -> dict[str, Table]:
    """Return success on inputs with one right reading and on those with two, apart."""
    found: dict[str, Table] = {}
    for steps in budgets(results, name):
        for words, is_wanted in (("one reading", False), ("two readings", True)):
            keep: Callable[[Result], list[bool]] = lambda r, w=is_wanted: [  # noqa: E731
                a == w for a in r.is_ambiguous()
            ]
            found[f"{title(name, steps)}: {words}"] = _table(results, name, steps, SAMPLED, keep)
    return {words: table for words, table in found.items() if table}


def over_seeds(
    results: Sequence[Result],
    name: str,
    variant: Variant,
    steps: int,
    figure: Callable[[Result], float | None],
) -> Mean | None:
    """Return a figure of a variant over its seeds; None where it was not measured."""
    chosen = [r for r in _of(results, name, steps) if r.run.variant == variant]
    values = [value for r in chosen if (value := figure(r)) is not None]
    return Mean(tuple(values)) if values else None


def budgets(results: Sequence[Result], name: str) -> tuple[int, ...]:
    """Return the budgets of an experiment, smallest first."""
    return tuple(sorted({r.run.steps for r in results if r.run.experiment.name == name}))


def compared_budget(results: Sequence[Result], name: str) -> int:
    """Return the budget at which an experiment is set beside controls: theirs, or its largest."""
    own = budgets(results, name)
    theirs = {r.run.steps for r in results if r.run.experiment.is_control}
    shared = [steps for steps in own if steps in theirs]
    return shared[0] if shared else own[-1]


def variants(results: Sequence[Result], name: str) -> tuple[Variant, ...]:
    """Return the variants of an experiment that have results, in the order of the study."""
    found = {r.run.variant.name for r in results if r.run.experiment.name == name}
    chosen = [r.run.experiment for r in results if r.run.experiment.name == name]
    return tuple(v for v in chosen[0].variants if v.name in found) if chosen else ()


def _of(results: Sequence[Result], name: str, steps: int) -> list[Result]:
    return [r for r in results if r.run.experiment.name == name and r.run.steps == steps]


def _table(
    results: Sequence[Result],
    name: str,
    steps: int,
    noise: str,
    keep: Callable[[Result], list[bool]] | None = None,
) -> Table:
    places: dict[tuple[str, str], dict[Key, bool]] = {}
    for variant in variants(results, name):
        start = ZERO if variant.is_one_step else noise
        for result in _of(results, name, steps):
            if result.run.variant != variant:
                continue
            chosen = keep(result) if keep else None
            for k in result.figures["decoded"].get(start, {}):
                right = result.outcomes(start, int(k))
                if right is None:
                    continue
                place = places.setdefault((variant.name, f"K={k}"), {})
                for i, is_right in enumerate(right):
                    if chosen is None or chosen[i]:
                        place[result.run.seed, name, i] = is_right
    pools: Mapping[tuple[str, str], Pool] = {p: Pool(o, 0) for p, o in places.items() if o}
    return pools
