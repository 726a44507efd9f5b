# SPDX-License-Identifier: Apache-2.0
"""Pools join the trainings of one place in the table; comparisons keep pairs together."""

import pytest
from study_episodes import make_episodes

from onestep_vla_ros.study.pool import Pool, compare
from onestep_vla_ros.trials import wilson


def test_the_rate_is_the_mean_of_trainings_and_the_interval_that_of_all_episodes():
    pool = Pool.of({0: make_episodes(0.9), 1: make_episodes(0.6, 50)})
    assert pool.by_seed == {0: pytest.approx(0.9), 1: pytest.approx(0.6)}
    assert pool.rate == pytest.approx(0.75)
    assert (pool.successes, pool.trials) == (120, 150)
    assert pool.interval == wilson(120, 150)


def test_pairs_are_of_the_same_training_and_the_same_episode():
    first = Pool.of({0: make_episodes(0.5), 1: make_episodes(0.5)})
    second = Pool.of({0: make_episodes(0.8), 1: make_episodes(0.4), 2: make_episodes(0.1)})
    found = compare(first, second)
    assert found.paired.trials == 200
    assert (found.paired.gained, found.paired.lost) == (30, 10)
    assert found.by_seed == {0: pytest.approx(0.3), 1: pytest.approx(-0.1)}
    assert not found.all_seeds(1)
    assert compare(first, Pool.of({5: make_episodes(1.0)})) is None


def test_tasks_joined_are_paired_task_by_task():
    places, lifts = ({0: make_episodes(rate, 40)} for rate in (1.0, 0.5))
    one = Pool.joined([Pool.of(places, "place"), Pool.of(lifts, "lift")])
    assert (one.successes, one.trials) == (60, 80)
    other = Pool.joined([Pool.of(places, "place"), Pool.of(places, "lift")])
    assert compare(one, other).paired.trials == 80
    assert (compare(one, other).paired.gained, compare(one, other).paired.lost) == (20, 0)
    assert compare(Pool.of(places, "place"), Pool.of(places, "lift")) is None
