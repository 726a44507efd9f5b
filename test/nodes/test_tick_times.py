# SPDX-License-Identifier: Apache-2.0
"""The ticks' histogram tells percentiles within 2 % and the maximum exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest

from onestep_vla_ros.nodes.tick_times import TickTimes


def test_percentiles_are_at_most_two_percent_too_large():
    times = TickTimes()
    taken_ns = np.random.default_rng(0).lognormal(13.0, 0.5, 20_000).astype(int)
    for took_ns in taken_ns.tolist():
        times.note(took_ns)
    for percent in (50.0, 99.0, 99.9):
        true_ms = np.percentile(taken_ns, percent) * 1e-6
        assert 0.995 * true_ms <= times.percentile_ms(percent) <= 1.021 * true_ms
    assert times.max_ms == pytest.approx(taken_ns.max() * 1e-6)
    assert times.count == len(taken_ns)


def test_no_tick_has_no_percentile():
    times = TickTimes()
    assert math.isnan(times.percentile_ms(50.0))
    times.note(1)
    times.clear()
    assert times.figures("tick")["tick_max_ms"] == 0.0
    assert math.isnan(times.figures("tick")["tick_p50_ms"])


def test_durations_beyond_the_scale_are_kept_at_its_ends():
    times = TickTimes()
    times.note(0)
    assert times.percentile_ms(100.0) < 1e-3
    times.note(10**18)
    assert times.percentile_ms(100.0) > 1e6
