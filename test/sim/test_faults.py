# SPDX-License-Identifier: Apache-2.0
"""What each fault makes of a stream of ten items, one every 0.1 s."""

from __future__ import annotations

import numpy as np
import pytest

from onestep_vla_ros.sim.faults import (
    Clean,
    Delayed,
    Duplicated,
    Extra,
    Garbage,
    Lossy,
    Misstamped,
    Off,
    Reordered,
    Slow,
    Stamped,
    Stream,
    Stuck,
)

ITEMS = [Stamped(i, 0.1 * i) for i in range(10)]


def arriving(fault):
    """(value, stamp, time of arrival) of all that comes of the ten."""
    found = [d for item in ITEMS for d in fault.pass_on(item, item.stamp_s)]
    return [(d.item.value, round(d.item.stamp_s, 9), round(d.at_s, 9)) for d in found]


def clean():
    return [(i, round(0.1 * i, 9), round(0.1 * i, 9)) for i in range(10)]


def test_clean_and_off():
    assert arriving(Clean()) == clean()
    assert arriving(Off()) == []


def test_stuck_repeats_the_first_with_old_or_fresh_stamps():
    assert arriving(Stuck()) == [(0, 0.0, t) for _, _, t in clean()]
    assert arriving(Stuck(has_fresh_stamps=True)) == [(0, s, t) for _, s, t in clean()]


def test_garbage_changes_the_value_only():
    assert arriving(Garbage(lambda value: -value)) == [(-v, s, t) for v, s, t in clean()]


def test_slow_lets_every_third_through():
    assert [v for v, _, _ in arriving(Slow(3))] == [0, 3, 6, 9]


def test_delayed_and_misstamped_move_one_time_each():
    assert arriving(Delayed(0.25)) == [(v, s, round(t + 0.25, 9)) for v, s, t in clean()]
    assert arriving(Misstamped(1.0)) == [(v, round(s + 1.0, 9), t) for v, s, t in clean()]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_lossy_never_loses_more_in_a_row_than_allowed(share):
    lossy = Lossy(share, 3, np.random.default_rng(0))
    came = [bool(lossy.pass_on(ITEMS[0], 0.0)) for _ in range(4000)]
    runs = "".join("x" if c else "." for c in came).split("x")
    assert max(map(len, runs)) == (0 if share == 0.0 else 3)
    assert {0.0: 1.0, 0.3: 0.7, 1.0: 0.25}[share] == pytest.approx(np.mean(came), abs=0.03)


def test_duplicated_comes_at_a_gap():
    assert arriving(Duplicated(2, 0.01))[:2] == [(0, 0.0, 0.0), (0, 0.0, 0.01)]


def test_reordered_loses_none_and_keeps_the_batches():
    values = [v for v, _, _ in arriving(Reordered(5, 0.0, np.random.default_rng(0)))]
    assert sorted(values[:5]) == list(range(5))
    assert sorted(values[5:]) == list(range(5, 10))
    assert values != sorted(values)


def test_extra_comes_after_its_item():
    fault = Extra(lambda item: [Stamped(-item.value, item.stamp_s - 1.0)], 0.02)
    assert arriving(fault)[2:4] == [(1, 0.1, 0.1), (-1, -0.9, 0.12)]


def test_a_stream_is_clean_outside_its_fault():
    stream = Stream()
    stream.inject(Off(), 0.3, 0.6)
    assert [v for v, _, _ in arriving(stream)] == [0, 1, 2, 6, 7, 8, 9]
