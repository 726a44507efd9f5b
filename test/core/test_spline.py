# SPDX-License-Identifier: Apache-2.0
"""The natural cubic spline."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline

from onestep_vla_ros.core.spline import Spline


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(0, 2**31))
def test_spline_equals_scipys_natural_spline(points, seed):
    rng = np.random.default_rng(seed)
    q = rng.normal(size=(points, 3))
    spline = Spline(q, 5.0, 0.04)
    other = CubicSpline(5.0 + 0.04 * np.arange(points), q, bc_type="natural")
    for t in rng.uniform(5.0, spline.end_s, 20):
        for order, got in enumerate(spline.sample(t)):
            assert got == pytest.approx(other(t, order), abs=1e-9 * 25.0**order)


def test_spline_passes_through_its_waypoints():
    q = np.random.default_rng(0).normal(size=(16, 14))
    spline = Spline(q, 0.0, 0.04)
    for i in range(16):
        assert spline.sample(0.04 * i)[0] == pytest.approx(q[i], abs=1e-12)


def test_two_waypoints_are_a_straight_line():
    spline = Spline(np.array([[0.0], [1.0]]), 0.0, 0.5)
    assert spline.sample(0.25)[:, 0] == pytest.approx([0.5, 2.0, 0.0])
