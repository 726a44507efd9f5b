# SPDX-License-Identifier: Apache-2.0
"""Intervals and paired comparisons, against scipy and against plain enumeration."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from onestep_vla_ros.trials import Paired, mcnemar, wilson

SMALL = st.integers(0, 60)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_equals_scipys(counts):
    successes, trials = counts
    low, high = wilson(successes, trials)
    theirs = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert math.isclose(low, theirs.low, abs_tol=1e-6)
    assert math.isclose(high, theirs.high, abs_tol=1e-6)
    assert low <= successes / trials <= high


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(successes, trials):
    with pytest.raises(ValueError, match="successes"):
        wilson(successes, trials)


@given(SMALL, SMALL)
def test_mcnemar_is_the_exact_binomial_test_of_the_pairs_that_differ(gained, lost):
    if gained + lost:
        wanted = stats.binomtest(gained, gained + lost).pvalue
        assert mcnemar(gained, lost) == pytest.approx(wanted, abs=1e-12)
    assert mcnemar(gained, lost) == mcnemar(lost, gained)


@pytest.mark.parametrize(
    ("gained", "lost", "p"), [(0, 0, 1.0), (1, 1, 1.0), (0, 5, 0.0625), (2, 8, 0.109375)]
)
def test_mcnemar_by_hand(gained, lost, p):
    assert mcnemar(gained, lost) == p


def test_mcnemar_refuses_negative_counts():
    with pytest.raises(ValueError, match="-1"):
        mcnemar(-1, 2)


def test_pairs_are_counted_by_who_succeeded():
    reference = [True, True, True, False, False, True]
    other = [True, True, False, True, False, False]
    assert Paired.count(reference, other) == Paired(both=2, gained=1, lost=2, neither=1)
    assert Paired.count(reference, other).difference == pytest.approx(-1 / 6)
    with pytest.raises(ValueError, match="zip"):
        Paired.count([True], [])
    with pytest.raises(ValueError, match="pair"):
        Paired.count([], [])


@given(st.tuples(SMALL, SMALL, SMALL, SMALL).filter(any))
def test_the_difference_lies_in_its_interval_and_the_mirror_image_in_the_mirrored(counts):
    both, gained, lost, neither = counts
    pair, mirrored = Paired(*counts), Paired(both, lost, gained, neither)
    low, high = pair.interval
    assert -1.0 <= low <= pair.difference <= high <= 1.0
    assert (low, high) == pytest.approx((-mirrored.interval[1], -mirrored.interval[0]))


def test_the_paired_interval_is_narrower_than_the_unpaired_one_when_outcomes_go_together():
    together, apart = Paired(60, 5, 5, 30), Paired(42, 23, 23, 12)
    width = [pair.interval[1] - pair.interval[0] for pair in (together, apart)]
    assert width[0] < 0.6 * width[1]


def test_pairs_that_all_agree_do_not_make_the_difference_certain():
    low, high = Paired(59, 0, 0, 41).interval
    assert low == pytest.approx(-high)
    assert 0.01 < high < 0.04


@pytest.mark.parametrize("shares", [(0.85, 0.07, 0.03, 0.05), (0.5, 0.1, 0.3, 0.1)])
def test_the_paired_interval_covers_the_true_difference_95_times_of_100(shares):
    rng = np.random.default_rng(0)
    truth = shares[1] - shares[2]
    drawn = rng.multinomial(100, shares, size=2000)
    covered = [low <= truth <= high for low, high in (Paired(*n).interval for n in drawn.tolist())]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)
