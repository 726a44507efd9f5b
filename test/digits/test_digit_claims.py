# SPDX-License-Identifier: Apache-2.0
"""Claims C6 and C8 from made-up figures, where the right answer is known."""

import pytest
import torch

from onestep_vla_ros.digits.claims import judge
from onestep_vla_ros.digits.conditions import EXPERIMENTS, SIZES, Run
from onestep_vla_ros.digits.findings import Result
from onestep_vla_ros.digits.scores import pack
from onestep_vla_ros.study.studies import ALPHA_4, UNIFORM

COUNT = 400


def bits(rate):
    return pack(torch.arange(COUNT) % 100 < 100 * rate)


def result(name, variant, seed, exact, error=None):
    figures = {"test_count": COUNT, "decoded": {"sampled": {}, "zero": {}}}
    for k, rate in exact.items():
        figures["decoded"]["sampled"][k] = {"exact": bits(rate)}
    if error:
        figures["velocity_error"] = error
    if name == "ambiguous":
        figures["is_ambiguous"] = pack(torch.ones(COUNT) > 0)
    return Result(Run(EXPERIMENTS[name], variant, 100, seed, None), figures)


def verdict(results, claim):
    return [v.verdict for v in judge(results) if v.claim == claim]


@pytest.mark.parametrize(
    ("actions", "pictures", "expected"),
    [
        ((0.5, 0.6, 0.55), (1.5, 1.4, 1.6), "confirmed"),
        ((1.5, 1.6, 1.55), (1.5, 1.4, 1.6), "refuted"),
        ((0.5, 0.6, 0.55), (0.5, 0.45, 0.55), "refuted"),
        ((0.5, 1.9, 0.7), (1.5, 1.4, 1.6), "undecided"),
        ((0.5,), (1.5,), "undecided"),
    ],
)
def test_velocity_error_decides_when_the_scatter_of_seeds_does(actions, pictures, expected):
    results = [
        result(name, UNIFORM, seed, {}, {"0.5": 1.0, "1": ratio})
        for name, ratios in (("grid", actions), ("image", pictures))
        for seed, ratio in enumerate(ratios)
    ]
    assert verdict(results, "C6") == [expected]


@pytest.mark.parametrize(
    ("one", "ten", "expected"),
    [
        (0.1, 0.8, "confirmed"),
        (0.7, 0.7, "refuted"),
        (0.66, 0.7, "undecided"),
        (0.0, 0.02, "open"),  # a head that learned nothing decides nothing
    ],
)
def test_one_step_averages_two_answers_only_where_ten_steps_do_not(one, ten, expected):
    results = [result("ambiguous", ALPHA_4, s, {"1": one, "10": ten}) for s in range(3)]
    assert verdict(results, "C8") == [expected]


def test_schedules_are_judged_as_in_closed_loop_once_something_is_read():
    good = [result("grid", v, s, {"1": r, "10": 0.8}) for s in range(3) for v, r in RATES]
    assert verdict(good, "C1") == ["confirmed"]
    nothing = [result("grid", v, s, {"1": 0.0, "10": 0.0}) for s in range(3) for v, _ in RATES]
    assert verdict(nothing, "C1") == []


def test_one_training_decides_nothing():
    once = [result("grid", v, 0, {"1": r, "10": 0.8}) for v, r in RATES]
    assert verdict(once, "C1") == ["undecided"]
    assert "1 of the 3 training seeds" in next(v.because for v in judge(once) if v.claim == "C1")


@pytest.mark.parametrize(
    ("longest", "expected"),
    [
        ((0.60, 0.62, 0.61), "confirmed"),
        ((0.49, 0.50, 0.51), "refuted"),
        ((0.45, 0.70, 0.60), "undecided"),
        ((0.60,), "undecided"),
    ],
)
def test_longer_chunks_decide_when_the_scatter_of_seeds_does(longest, expected):
    results = [
        result(name, ALPHA_4, seed, {"1": 0.5, "10": ten})
        for name in SIZES
        for seed, ten in enumerate(longest if name == "grid6x6" else [0.5] * len(longest))
    ]
    assert verdict(results, "C4") == [expected]
    assert verdict([r for r in results if r.run.experiment.name != "grid5x5"], "C4") == ["open"]


def test_longer_chunks_that_nobody_has_learned_to_read_decide_nothing():
    rates = {name: 0.01 if name == "grid6x6" else 0.5 for name in SIZES}
    results = [
        result(name, ALPHA_4, s, {"1": r, "10": r}) for s in range(3) for name, r in rates.items()
    ]
    assert verdict(results, "C4") == ["open"]


RATES = ((UNIFORM, 0.5), (ALPHA_4, 0.8))
