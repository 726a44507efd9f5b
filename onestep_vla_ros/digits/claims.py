# SPDX-License-Identifier: Apache-2.0
"""The paper's claims on the controlled task: what digits can say, and what they cannot.

C1, C2, C3 and C7 are judged as in closed loop (`study.claims`), on the same test grids.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from onestep_vla_ros.digits.conditions import SIZES
from onestep_vla_ros.digits.digits_tables import rate
from onestep_vla_ros.digits.findings import (
    Mean,
    Result,
    ambiguous_tables,
    budgets,
    compared_budget,
    over_seeds,
    tables,
)
from onestep_vla_ros.digits.scores import SAMPLED
from onestep_vla_ros.digits.tasks import GRID
from onestep_vla_ros.study.claims import (
    CONFIRMED,
    K1,
    K10,
    MARGIN,
    REFUTED,
    UNDECIDED,
    Verdict,
    verdicts,
)
from onestep_vla_ros.study.markdown import p_text, percent, signed_span
from onestep_vla_ros.study.pool import compare
from onestep_vla_ros.study.studies import ALPHA_4, UNIFORM

FLOOR = 0.1
"""Where the best training reads fewer grids than this, differences between them say nothing."""
SEEDS = 3
"""With fewer trainings of each variant nothing is decided: intervals do not know their scatter."""
OPEN = "open"
"""Nothing here speaks to it."""
_LOW, _HIGH = "0.5", "1"
"""The noise levels between which the velocity's error falls or rises."""


def judge(results: Sequence[Result]) -> list[Verdict]:
    """Return a verdict on each claim, by budget where there are several."""
    learned = {}
    for title, table in tables(results, "grid").items():
        if max(pool.rate for pool in table.values()) >= FLOOR:
            learned[title] = table
    found = verdicts("schedules", learned)
    found += [
        _gap_returns_with_size(results),
        Verdict("C5", "digits", "robot state is needed", OPEN, "digits have no state"),
    ]
    found += [v for v in (_velocity_falls(results), *_averages_two_answers(results)) if v]
    seeds = len({r.run.seed for r in results})
    return sorted((_modest(v, seeds) for v in found), key=lambda v: v.claim)


def _modest(verdict: Verdict, seeds: int) -> Verdict:
    """Return the verdict; undecided where too few trainings stand behind its interval."""
    if seeds >= SEEDS or verdict.verdict == OPEN:
        return verdict
    because = f"{verdict.because}; {seeds} of the {SEEDS} training seeds it takes"
    return replace(verdict, verdict=UNDECIDED, because=because)


def _gap(result: Result) -> float | None:
    """Return what ten steps are ahead of one, of 1."""
    one, ten = (rate(result, SAMPLED, k) for k in (1, 10))
    return None if one is None or ten is None else ten - one


def _gap_returns_with_size(results: Sequence[Result]) -> Verdict:
    """Judge C4: does what ten steps are ahead grow from the shortest chunk to the longest?"""
    words = f"what {K10} is ahead of {K1} grows with the chunk (α = 4)"
    steps = max((s for name in SIZES if name != GRID for s in budgets(results, name)), default=0)
    found = {h: over_seeds(results, name, ALPHA_4, steps, _gap) for name, h in SIZES.items()}
    known = {h: mean for h, mean in found.items() if mean is not None}
    if len(known) < len(SIZES) or len({len(mean.values) for mean in known.values()}) > 1:
        because = "not all sizes of the grid were trained from all seeds"
        return Verdict("C4", "digits", words, OPEN, because)
    one_step: Callable[[Result], float | None] = lambda r: rate(r, SAMPLED, 1)  # noqa: E731
    read = [over_seeds(results, name, ALPHA_4, steps, one_step) for name in SIZES]
    if (least := min(mean.mean for mean in read if mean is not None)) < FLOOR:
        because = f"of one size only {percent(least)} are read: too few steps"
        return Verdict("C4", "digits", words, OPEN, because)
    shortest, longest = known[min(known)].values, known[max(known)].values
    grown = Mean(tuple(b - a for a, b in zip(shortest, longest, strict=True)))
    verdict = UNDECIDED
    if grown.interval is not None:
        low, high = grown.interval
        verdict = CONFIRMED if low > 0.0 else REFUTED if high < MARGIN else UNDECIDED
    shown = ", ".join(f"H = {h}: {mean.text(100.0)}" for h, mean in known.items())
    change = f"{grown.text(100.0)} points" + (
        f" ({signed_span(grown.interval)})" if grown.interval else ""
    )
    because = f"{K10} less {K1} by H: {shown}; from the shortest to the longest {change}"
    return Verdict("C4", f"digits, {steps:,} steps", words, verdict, because)


def fall(result: Result) -> float | None:
    """Return the logarithm of the velocity's error at τ = 1 over that at τ = 0.5."""
    error = result.figures.get("velocity_error")
    return math.log(error[_HIGH] / error[_LOW]) if error else None


def _velocity_falls(results: Sequence[Result]) -> Verdict | None:
    found = {}
    for name in ("grid", "image"):
        if not budgets(results, name):
            return None
        mean = over_seeds(results, name, UNIFORM, compared_budget(results, name), fall)
        if mean is None:
            return None
        found[name] = mean
    actions, pictures = (found[name].interval for name in ("grid", "image"))
    verdict = UNDECIDED
    if actions is not None and pictures is not None:
        if actions[1] < 0.0 < pictures[0]:
            verdict = CONFIRMED
        elif actions[0] > 0.0 or pictures[1] < 0.0:
            verdict = REFUTED
    words = (
        f"the velocity's error is smaller at τ = {_HIGH} than at τ = {_LOW} for actions, not for "
        "pictures"
    )
    shown = [f"{name} {_ratio(mean)}" for name, mean in found.items()]
    because = f"their ratio, uniform schedule: {', '.join(shown)}"
    return Verdict("C6", "digits", words, verdict, because)


def _ratio(mean: Mean) -> str:
    middle, interval = f"{math.exp(mean.mean):.2f}", mean.interval
    if interval is None:
        return f"{middle} (one seed)"
    return f"{middle} ({math.exp(interval[0]):.2f} to {math.exp(interval[1]):.2f})"


def _averages_two_answers(results: Sequence[Result]) -> list[Verdict]:
    """Judge C8 where two readings are right: what one step does there and what ten do."""
    found = []
    every = ambiguous_tables(results, "ambiguous")
    for title, table in every.items():
        for row in (UNIFORM.name, ALPHA_4.name):
            places = (row, K1), (row, K10)
            if "two readings" not in title or any(place not in table for place in places):
                continue
            words = f"{row}: {K1} fails where two readings are right and {K10} takes one"
            plain = every.get(title.replace("two readings", "one reading"), table)
            learned = max(t[place].rate for t in (plain, table) for place in places)
            if learned < FLOOR:
                because = f"it reads at most {percent(learned)} of any grids: too few steps"
                found.append(Verdict("C8", title, words, OPEN, because))
                continue
            one, ten = (table[place] for place in places)
            difference = compare(one, ten)
            if difference is None:
                continue
            low, high = difference.paired.interval
            verdict = UNDECIDED
            if low > MARGIN and difference.all_seeds(1):
                verdict = CONFIRMED
            elif high < MARGIN:
                verdict = REFUTED
            because = (
                f"{percent(one.rate)} against {percent(ten.rate)}, difference "
                f"{signed_span((low, high))} points, p {p_text(difference.paired.p)}"
            )
            found.append(Verdict("C8", title, words, verdict, because))
    return found
