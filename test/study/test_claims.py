# SPDX-License-Identifier: Apache-2.0
"""Verdicts on made-up data: only what the intervals and every training seed say."""

import pytest
from study_episodes import make_episodes

from onestep_vla_ros.study.claims import verdicts
from onestep_vla_ros.study.pool import Pool
from onestep_vla_ros.study.studies import ALPHA_4, ALPHA_8, REGRESSION, UNIFORM


def pool(*rates, count=200):
    return Pool.of({seed: make_episodes(rate, count) for seed, rate in enumerate(rates)})


def judged(study, table):
    return {v.claim: v.verdict for v in verdicts(study, {"place": table})}


AS_IN_THE_PAPER = {
    (UNIFORM.name, "K=1"): pool(0.85, 0.86, 0.84),
    (UNIFORM.name, "K=10"): pool(0.96, 0.96, 0.95),
    (ALPHA_4.name, "K=1"): pool(0.96, 0.97, 0.96),
    (ALPHA_4.name, "K=10"): pool(0.92, 0.91, 0.93),
    (ALPHA_8.name, "K=10"): pool(0.5, 0.6, 0.4),
    (REGRESSION.name, "K=1"): pool(0.96, 0.96, 0.96),
}


def test_the_papers_figures_confirm_the_papers_claims():
    assert judged("schedules", AS_IN_THE_PAPER) == dict.fromkeys(
        ("C1", "C2", "C3", "C7"), "confirmed"
    )


def test_the_opposite_refutes_them():
    turned = {
        (UNIFORM.name, "K=1"): pool(0.96, 0.96, 0.96),
        (UNIFORM.name, "K=10"): pool(0.85, 0.86, 0.84),
        (ALPHA_4.name, "K=1"): pool(0.7, 0.7, 0.7),
        (ALPHA_4.name, "K=10"): pool(0.9, 0.9, 0.9),
        (ALPHA_8.name, "K=10"): pool(0.9, 0.9, 0.9),
        (REGRESSION.name, "K=1"): pool(0.9, 0.9, 0.9),
    }
    assert judged("schedules", turned) == dict.fromkeys(("C1", "C2", "C3", "C7"), "refuted")


def test_a_difference_that_one_training_seed_denies_decides_nothing():
    table = AS_IN_THE_PAPER | {(ALPHA_4.name, "K=1"): pool(0.99, 0.99, 0.83)}
    found = judged("schedules", table)
    assert found["C1"] == "undecided"


def test_few_episodes_decide_nothing():
    few = {
        (UNIFORM.name, "K=1"): pool(0.8, count=10),
        (ALPHA_4.name, "K=1"): pool(0.9, count=10),
        (ALPHA_4.name, "K=10"): pool(0.9, count=10),
        (REGRESSION.name, "K=1"): pool(0.8, count=10),
    }
    assert judged("schedules", few) == {"C1": "undecided", "C2": "undecided", "C7": "undecided"}


def test_what_was_not_run_is_not_judged():
    assert judged("schedules", {}) == {}
    assert judged("delay", AS_IN_THE_PAPER) == {}


@pytest.mark.parametrize(("ten", "verdict"), [((0.9, 0.9), "confirmed"), ((0.6, 0.6), "refuted")])
def test_the_gap_of_the_horizons(ten, verdict):
    table = {
        ("H = 10", "K=1"): pool(0.9, 0.9),
        ("H = 10", "K=10"): pool(0.9, 0.9),
        ("H = 40", "K=1"): pool(0.6, 0.6),
        ("H = 40", "K=10"): pool(*ten),
    }
    assert judged("horizon", table) == {"C4": verdict}


@pytest.mark.parametrize(
    ("rate", "verdict"), [(0.1, "confirmed"), (0.8, "refuted"), (0.46, "undecided")]
)
def test_the_state(rate, verdict):
    table = {("whole", "place"): pool(0.96), ("without state", "place"): pool(rate)}
    assert judged("ablation", table) == {"C5": verdict}
    (line,) = [v.line() for v in verdicts("ablation", {"place": table})]
    assert f"**{verdict}**" in line
    assert "96.0 %" in line
