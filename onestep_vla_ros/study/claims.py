# SPDX-License-Identifier: Apache-2.0
"""The paper's claims against a study's episodes: confirmed, refuted or undecided, and why.

Source of the claims: "Let It Be Simple: One-Step Action Generation for Vision-Language-Action
Models" (arXiv 2606.05737), as DESIGN numbers them. A difference decides only when its paired
95 % interval does and every training seed points the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from onestep_vla_ros.study.markdown import p_text
from onestep_vla_ros.study.pool import Comparison, Key, Pool, compare
from onestep_vla_ros.study.studies import ALPHA_4, ALPHA_8, HORIZONS, REGRESSION, UNIFORM
from onestep_vla_ros.trials import Z_95

Table = Mapping[tuple[str, str], Pool]
"""(Row, column) to its pool, of one task."""

MARGIN = 0.03
"""A difference of success rates that this project calls none."""
SAME = 0.05
"""Two success rates closer than this are the same for the null hypothesis."""
CONFIRMED, REFUTED, UNDECIDED = "confirmed", "refuted", "undecided"
K1, K10 = "K=1", "K=10"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a study says about one claim on one task.

    Attributes:
        claim: "C1" to "C8".
        words: The claim as it was tested.
        verdict: `CONFIRMED`, `REFUTED` or `UNDECIDED`.
        because: The figure that decided, or did not.
    """

    claim: str
    task: str
    words: str
    verdict: str
    because: str

    def line(self) -> str:
        """Return it as a line of Markdown."""
        return f"- **{self.claim}** ({self.task}) {self.words}: **{self.verdict}**, {self.because}"


def verdicts(study: str, tables: Mapping[str, Table]) -> list[Verdict]:
    """Return what a study decides, claim by claim; nothing where a pool is missing.

    Args:
        study: Its name.
        tables: Task to its table.
    """
    found = []
    for judge in _JUDGES.get(study, ()):
        for task, table in tables.items():
            result = judge(table)
            if result is not None:
                claim, words, verdict, because = result
                found.append(Verdict(claim, task, words, verdict, because))
    return found


_Result = tuple[str, str, str, str]


def _shift_lifts_one_step(table: Table) -> _Result | None:
    found = _between(table, (UNIFORM.name, K1), (ALPHA_4.name, K1))
    if found is None:
        return None
    low, high = found.paired.interval
    verdict = UNDECIDED
    if low > 0.0 and found.all_seeds(1):
        verdict = CONFIRMED
    elif high < MARGIN:
        verdict = REFUTED
    return "C1", f"α = 4 lifts {K1} over uniform", verdict, _figure(found)


def _one_step_is_enough(table: Table) -> _Result | None:
    found = _between(table, (ALPHA_4.name, K10), (ALPHA_4.name, K1))
    if found is None:
        return None
    low, high = found.paired.interval
    verdict = CONFIRMED if low > -MARGIN else REFUTED if high < -MARGIN else UNDECIDED
    words = f"with α = 4, {K1} does at least what {K10} does, to {100 * MARGIN:g} points"
    return "C2", words, verdict, _figure(found)


def _large_shift_breaks_many_steps(table: Table) -> _Result | None:
    found = _between(table, (UNIFORM.name, K10), (ALPHA_8.name, K10))
    if found is None:
        return None
    low, high = found.paired.interval
    verdict = UNDECIDED
    if high < 0.0 and found.all_seeds(-1):
        verdict = CONFIRMED
    elif low > -MARGIN:
        verdict = REFUTED
    return "C3", f"α = 8 breaks {K10} (against uniform)", verdict, _figure(found)


def _gap_returns_with_horizon(table: Table) -> _Result | None:
    short, long = HORIZONS[0].name, HORIZONS[-1].name
    gaps = [_gap(table, row) for row in (short, long)]
    if gaps[0] is None or gaps[1] is None:
        return None
    keys = gaps[0].keys() & gaps[1].keys()
    if len(keys) < 2:
        return None
    values = [gaps[1][key] - gaps[0][key] for key in keys]
    mean = sum(values) / len(values)
    variance = sum((v - mean) ** 2 for v in values) / (len(values) - 1)
    half = Z_95 * math.sqrt(variance / len(values))
    verdict = CONFIRMED if mean - half > 0.0 else REFUTED if mean + half < MARGIN else UNDECIDED
    words = f"what {K10} is ahead of {K1} grows from {short} to {long}"
    return (
        "C4",
        words,
        verdict,
        f"by {_points(mean)} points ({_points(mean - half)} to " + (f"{_points(mean + half)})"),
    )


def _state_is_needed(table: Table) -> _Result | None:
    column = next((c for row, c in table if row == "whole"), None)
    whole, without = table.get(("whole", str(column))), table.get(("without state", str(column)))
    if whole is None or without is None:
        return None
    low, high = without.interval
    half = whole.rate / 2
    verdict = CONFIRMED if high < half else REFUTED if low > half else UNDECIDED
    words = "without robot state, success falls to less than half"
    because = f"{100 * without.rate:.1f} % ({100 * low:.1f} to {100 * high:.1f}) of "
    return "C5", words, verdict, because + f"{100 * whole.rate:.1f} % with it"


def _regression_is_the_null(table: Table) -> _Result | None:
    found = _between(table, (ALPHA_4.name, K1), (REGRESSION.name, K1))
    if found is None:
        return None
    low, high = found.paired.interval
    verdict = UNDECIDED
    if -SAME < low <= 0.0 <= high < SAME:
        verdict = CONFIRMED
    elif (low > 0.0 and found.all_seeds(1)) or (high < 0.0 and found.all_seeds(-1)):
        verdict = REFUTED
    words = f"L2 regression does what α = 4 at {K1} does, to {100 * SAME:g} points"
    return "C7", words, verdict, _figure(found)


_JUDGES: Mapping[str, tuple[Callable[[Table], _Result | None], ...]] = {
    "schedules": (
        _shift_lifts_one_step,
        _one_step_is_enough,
        _large_shift_breaks_many_steps,
        _regression_is_the_null,
    ),
    "horizon": (_gap_returns_with_horizon,),
    "ablation": (_state_is_needed,),
}


def _between(table: Table, first: tuple[str, str], other: tuple[str, str]) -> Comparison | None:
    if first not in table or other not in table:
        return None
    return compare(table[first], table[other])


def _gap(table: Table, row: str) -> dict[Key, int] | None:
    """Return K=10 less K=1 of every episode of a row: -1, 0 or 1."""
    if (row, K1) not in table or (row, K10) not in table:
        return None
    one, ten = table[row, K1].outcomes, table[row, K10].outcomes
    return {key: int(ten[key]) - int(one[key]) for key in one.keys() & ten.keys()}


def _figure(found: Comparison) -> str:
    low, high = found.paired.interval
    seeds = ", ".join(_points(d) for d in found.by_seed.values())
    return (
        f"{_points(found.paired.difference)} points ({_points(low)} to {_points(high)}, "
        f"p {p_text(found.paired.p)}; by training seed {seeds})"
    )


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
