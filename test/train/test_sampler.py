# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.train.sampler import Sampler


def _epoch(sampler, epoch=0):
    return np.concatenate([sampler.draw(1, epoch * sampler.length + i) for i in range(60)])


def test_one_epoch_visits_every_frame_once_over_all_ranks():
    pool = np.arange(0, 120, 2)
    sampler = Sampler([pool], [1.0], seed=3)
    seen = [sampler.draw(5, step, rank, 2) for step in range(6) for rank in (0, 1)]
    assert sorted(np.concatenate(seen)) == sorted(pool)
    again = sampler.draw(5, 6, 0, 2)
    assert not np.array_equal(again, seen[0])
    assert np.array_equal(Sampler([pool], [1.0], seed=3).draw(5, 0, 0, 2), seen[0])


def test_tasks_get_their_shares_whatever_the_sizes_of_their_pools():
    small, large = np.arange(10), np.arange(100, 150)
    epoch = _epoch(Sampler([small, large], [1.0, 1.0], seed=0))
    assert (epoch < 100).sum() == 30
    assert np.bincount(epoch[epoch < 100]).tolist() == [3] * 10
    of_large = epoch[epoch >= 100]
    assert len(np.unique(of_large)) == len(of_large) == 30
    epoch = _epoch(Sampler([small, large], [5.0, 1.0], seed=0))
    assert (epoch < 100).sum() == 50


def test_a_task_with_a_small_share_shows_other_frames_in_the_next_epoch():
    sampler = Sampler([np.arange(10), np.arange(100, 150)], [3.0, 1.0], seed=0)
    first, second = (set(_epoch(sampler, e)[_epoch(sampler, e) >= 100]) for e in (0, 1))
    assert len(first) == len(second) == 15
    assert first != second


def test_the_order_depends_on_the_seed_and_on_nothing_that_was_drawn_before():
    pools = [np.arange(10), np.arange(100, 150)]
    fresh = Sampler(pools, [1.0, 1.0], seed=1)
    used = Sampler(pools, [1.0, 1.0], seed=1)
    for step in (9, 0, 77):
        used.draw(8, step)
    assert np.array_equal(fresh.draw(8, 40), used.draw(8, 40))
    assert not np.array_equal(Sampler(pools, [1.0, 1.0], seed=2).draw(8, 40), used.draw(8, 40))


def test_a_task_without_a_frame_is_refused():
    with pytest.raises(ConfigError, match="no frame to train on"):
        Sampler([np.arange(3), np.arange(0)], [1.0, 1.0], seed=0)
