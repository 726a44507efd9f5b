# SPDX-License-Identifier: Apache-2.0
"""Control periods on a grid: early, late and missing ticks, and a clock that goes back."""

from __future__ import annotations

import pytest

from onestep_vla_ros.core.metronome import Metronome


@pytest.fixture
def metronome():
    metronome = Metronome(0.01)
    metronome.start(5.0)
    return metronome


@pytest.mark.parametrize(
    ("after_s", "missed", "stamp_s"),
    [
        (0.0009, None, 5.01),
        (0.0011, 0, 5.02),
        (0.01, 0, 5.02),
        (0.0199, 0, 5.02),
        (0.0201, 1, 5.03),
        (0.0299, 1, 5.03),
        (0.105, 9, 5.11),
    ],
)
def test_a_tick_belongs_to_a_period_of_the_grid(metronome, after_s, missed, stamp_s):
    assert metronome.stamp_s == pytest.approx(5.01)
    assert metronome.beat(5.0 + after_s) == missed
    assert metronome.stamp_s == pytest.approx(stamp_s)


def test_late_ticks_do_not_move_the_grid(metronome):
    for k in range(1, 100):
        assert metronome.beat(5.0 + 0.01 * k + 0.004) == 0
    assert metronome.stamp_s == pytest.approx(6.0)


def test_after_the_clock_went_back_the_next_tick_is_on_time(metronome):
    metronome.turn_back(3.0)
    assert metronome.stamp_s == pytest.approx(3.0)
    assert metronome.beat(3.0) == 0
    assert metronome.stamp_s == pytest.approx(3.01)
