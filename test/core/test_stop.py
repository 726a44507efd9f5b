# SPDX-License-Identifier: Apache-2.0
"""The jerk-limited stop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onestep_vla_ros.core.stop import Stop

A, J = np.array([10.0]), np.array([500.0])
STATES = st.tuples(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0), st.floats(-10.0, 10.0))


def _stop(state: tuple[float, float, float]) -> Stop:
    return Stop(np.array(state)[:, None], A, J)


@settings(max_examples=300, deadline=None)
@given(STATES)
def test_stop_keeps_acceleration_and_jerk_and_ends_at_rest(state):
    stop = _stop(state)
    times = np.linspace(0.0, stop.duration_s + 0.01, 400)
    q, v, a = stop.sample(times[:, None])
    assert np.array([q[0, 0], v[0, 0], a[0, 0]]) == pytest.approx(state, abs=1e-12)
    assert v[-1, 0] == 0.0
    assert a[-1, 0] == 0.0
    dt = times[1]
    assert np.abs(a).max() <= A[0] * (1 + 1e-9)
    assert np.abs(np.diff(a[:, 0])).max() <= J[0] * dt * (1 + 1e-6) + 1e-6
    assert np.diff(v[:, 0]) == pytest.approx(dt * (a[1:, 0] + a[:-1, 0]) / 2, abs=J[0] * dt**2)


@settings(max_examples=300, deadline=None)
@given(STATES)
def test_range_and_peak_bound_what_is_sampled(state):
    stop = _stop(state)
    q, v, _ = stop.sample(np.linspace(0.0, stop.duration_s, 400)[:, None])
    low, high = stop.range()
    assert low[0] - 1e-9 <= q.min() <= low[0] + 1e-3
    assert high[0] - 1e-3 <= q.max() <= high[0] + 1e-9
    assert stop.peak_velocity[0] - 1e-2 <= np.abs(v).max() <= stop.peak_velocity[0] + 1e-9


@settings(max_examples=200, deadline=None)
@given(STATES, st.floats(0.0, 1.0))
def test_stopping_from_a_point_on_the_stop_is_the_rest_of_it(state, share):
    """The governor recomputes the stop every period; it must not drift."""
    stop = _stop(state)
    t = share * stop.duration_s
    later = Stop(stop.sample(t), A, J)
    assert later.duration_s == pytest.approx(stop.duration_s - t, abs=1e-6)
    for ahead in (0.005, 0.02, 0.1, 1.0):
        assert later.sample(ahead) == pytest.approx(stop.sample(t + ahead), abs=1e-6)


def test_stop_of_a_resting_joint_takes_no_time():
    stop = _stop((1.0, 0.0, 0.0))
    assert stop.duration_s == 0.0
    assert stop.sample(0.01)[:, 0].tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize(("v", "a"), [(-0.02, 5.0), (-0.0009, 1.0), (-0.0999, 10.0), (-0.05, 9.0)])
def test_range_knows_the_turning_point_of_a_joint_that_first_moves_the_other_way(side, v, a):
    """Before it is braked it is still on its way back: v + a|a|/2J > 0 > v."""
    stop = _stop((side * 0.3, side * v, side * a))
    q = side * stop.sample(np.linspace(0.0, stop.duration_s, 40001)[:, None])[0]
    low, high = (side * x[0] for x in stop.range()[:: int(side)])
    assert low == pytest.approx(q.min(), abs=1e-9)
    assert high == pytest.approx(q.max(), abs=1e-9)
    assert low < 0.3
