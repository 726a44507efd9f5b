# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onestep_vla_ros.digits.gap import Inputs, auroc
from onestep_vla_ros.policy.calibration import Calibration

PAIRS = st.lists(
    st.tuples(st.integers(0, 6), st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    min_size=2,
    max_size=40,
).filter(lambda rows: 0 < sum(row[1] for row in rows) < len(rows))


def inputs_of(rows):
    gap, *flags = (np.array(column) for column in zip(*rows, strict=True))
    return Inputs(gap.astype(float), gap.astype(float), *(f.astype(bool) for f in flags))


@settings(deadline=None)
@given(PAIRS)
def test_area_is_the_share_of_pairs_in_order_ties_half(rows):
    found = inputs_of(rows)
    area = auroc(found.gap, found.is_ambiguous)
    positive, negative = found.gap[found.is_ambiguous], found.gap[~found.is_ambiguous]
    ahead = np.sign(positive[:, None] - negative[None]).mean() / 2 + 0.5
    assert area.area == pytest.approx(ahead)
    assert 0.0 <= area.interval[0] <= area.area + 1e-12
    assert area.area - 1e-12 <= area.interval[1] <= 1.0


def test_interval_is_the_published_example():
    """Hanley and McNeil 1982, table II: 51 abnormal, 58 normal, area 0.893, error 0.032."""
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    score = np.repeat([0, 1, 2, 3, 4] * 2, normal + abnormal).astype(float)
    is_abnormal = np.repeat([False, True], [58, 51])
    found = auroc(score, is_abnormal)
    assert found.area == pytest.approx(0.893, abs=0.001)
    assert (found.interval[1] - found.area) / 1.96 == pytest.approx(0.032, abs=0.002)


def test_without_both_kinds_there_is_no_area():
    assert auroc(np.zeros(3), np.ones(3, dtype=bool)) is None


@settings(deadline=None)
@given(PAIRS, st.floats(0.01, 0.99))
def test_auto_lies_between_its_two_ends(rows, share):
    found = inputs_of(rows)
    assert found.weights(share).sum() == pytest.approx(1.0)
    assert found.weights(share)[found.is_ambiguous].sum() == pytest.approx(share)
    never, always = found.auto(99.0, share), found.auto(-1.0, share)
    assert never == pytest.approx((found.rate(found.one, share), 2.0))
    assert always == pytest.approx((found.rate(found.ten, share), 12.0))


@settings(deadline=None)
@given(PAIRS, st.floats(0.01, 0.99))
def test_calibrated_threshold_keeps_its_promise_where_it_was_set(rows, share):
    found = inputs_of(rows)
    rate, cost = found.auto(found.accuracy_threshold(share), share)
    assert rate >= found.rate(found.ten, share) - 0.01 - 1e-12
    assert 2.0 <= cost <= 12.0 + 1e-9


def test_a_gap_that_tells_costs_only_the_ambiguous_inputs():
    one, ten = [True] * 9 + [False], [True] * 10
    rows = [(g, g == 5, t, t, k) for g, t, k in zip([1] * 9 + [5], one, ten, strict=True)]
    found = inputs_of(rows)
    assert found.auto(found.accuracy_threshold(0.1), 0.1) == pytest.approx((1.0, 3.0))


@settings(deadline=None)
@given(PAIRS, st.floats(0.01, 0.99))
def test_budget_is_not_exceeded_where_it_was_set(rows, share):
    found = inputs_of(rows)
    assert found.auto(found.budget_threshold(share), share)[1] <= 2.0 + 0.05 * 10 + 1e-6


def test_budget_of_evenly_weighed_inputs_is_the_policys_quantile():
    gap = np.arange(100.0)
    flags = np.arange(100) % 2 == 0
    found = Inputs(gap, gap, flags, flags, flags, flags)
    assert found.budget_threshold(0.5) == pytest.approx(Calibration.fit(gap).threshold, abs=1.0)
