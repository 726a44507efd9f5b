# SPDX-License-Identifier: Apache-2.0
"""The plan's curve: joins the given state, follows the waypoints, ends at rest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onestep_vla_ros.core.curve import Curve
from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.spline import Spline

ONE = np.ones(3)
LIMITS = Limits(-2 * ONE, 2 * ONE, 2 * ONE, 10 * ONE, 500 * ONE)


def _curve(seed: int, points: int = 16) -> tuple[Curve, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    q = np.cumsum(rng.normal(0.0, 0.03, (points, 3)), axis=0)
    scale = np.array([[0.1], [0.5], [3.0]])
    state = rng.normal(size=(3, 3)) * scale
    return Curve(Spline(q, 0.0, 0.04), 0.013, state, LIMITS), state, q


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 20))
def test_curve_starts_at_the_given_state(seed, points):
    curve, state, _ = _curve(seed, points)
    assert curve.sample(0.013) == pytest.approx(state, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 20))
def test_curve_ends_at_rest_at_the_last_waypoint(seed, points):
    curve, _, q = _curve(seed, points)
    for t in (curve.end_s, curve.end_s + 5.0):
        end = curve.sample(t)
        assert end[0] == pytest.approx(q[-1], abs=1e-9)
        assert end[1:] == pytest.approx(np.zeros((2, 3)), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 20))
def test_derivatives_belong_to_the_positions(seed, points):
    curve, _, _ = _curve(seed, points)
    h = 1e-5
    for t in np.linspace(0.02, curve.end_s + 0.1, 40):
        before, here, after = curve.sample(t - h), curve.sample(t), curve.sample(t + h)
        assert (after[0] - before[0]) / (2 * h) == pytest.approx(here[1], abs=1e-4)
        assert (after[1] - before[1]) / (2 * h) == pytest.approx(here[2], abs=2e-1)


def test_curve_follows_the_waypoints_once_joined():
    q = 0.2 * np.sin(np.arange(16)[:, None] * 0.1 * ONE)
    curve = Curve(Spline(q, 0.0, 0.04), 0.0, np.zeros((3, 3)), LIMITS)
    for i in range(10, 12):
        assert curve.sample(0.04 * i)[0] == pytest.approx(q[i], abs=1e-6)


def test_curve_never_goes_beyond_a_last_waypoint_it_approaches_straight():
    q = np.arange(16)[:, None] * 0.04 * ONE  # 1 rad/s up to the very end
    curve = Curve(Spline(q, 0.0, 0.04), 0.0, np.stack([q[0], ONE, 0 * ONE]), LIMITS)
    samples = np.array([curve.sample(t) for t in np.linspace(0.0, 1.0, 400)])
    assert samples[:, 0].max() <= q[-1, 0] + 1e-9
    assert np.abs(samples[:, 2]).max() <= 10.0
