# SPDX-License-Identifier: Apache-2.0
"""The offset's time, the slowing clock and the end of a curve, against independent arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import BPoly

from onestep_vla_ros.core.curve import Curve
from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.spline import Spline

SHARE, SHORTEST, LONGEST = 0.5, 0.04, 0.5
START = 0.125


def _limits(velocity=2.0, acceleration=10.0, jerk=500.0, joints=1) -> Limits:
    one = np.ones(joints)
    return Limits(-9 * one, 9 * one, velocity * one, acceleration * one, jerk * one)


def _flat_curve(gap, limits: Limits) -> Curve:
    """A curve whose spline rests at zero for ten seconds: only the offset moves."""
    state = np.array(gap, dtype=np.float64)[:, None] * np.ones(len(limits.low))
    return Curve(Spline(np.zeros((101, len(limits.low))), 0.0, 0.1), START, state, limits)


def _duration(curve: Curve) -> float:
    """Return when the offset has gone, to a microsecond, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        if np.abs(curve.sample(START + middle)).any():
            low = middle
        else:
            high = middle
    return high


@pytest.mark.parametrize(
    ("gap", "rates", "binding"),
    [
        ((0.1, 0.0, 0.0), (10.0, 1e5), "acceleration"),
        ((-0.1, 0.0, 0.0), (1e3, 300.0), "jerk"),
        ((0.0, 0.2, 0.0), (10.0, 1e5), "acceleration"),
        ((0.0, -0.2, 0.0), (1e3, 300.0), "jerk"),
        ((0.0, 0.0, 3.0), (1e4, 300.0), "jerk"),
    ],
)
def test_offset_takes_as_long_as_half_of_the_binding_limit_allows(gap, rates, binding):
    acceleration, jerk = rates
    curve = _flat_curve(gap, _limits(9.0, acceleration, jerk))
    duration = _duration(curve)
    assert SHORTEST < duration < LONGEST
    t = START + np.linspace(0.0, duration, 20001)[:-1]
    qdd = np.array([curve.sample(x)[2, 0] for x in t])
    most = {"acceleration": np.abs(qdd).max(), "jerk": np.abs(np.diff(qdd) / (t[1] - t[0])).max()}
    allowed = {"acceleration": SHARE * acceleration, "jerk": SHARE * jerk}
    least = {"acceleration": 0.98, "jerk": 0.999}[binding]
    assert least * allowed[binding] < most[binding] <= 1.001 * allowed[binding]
    other = "jerk" if binding == "acceleration" else "acceleration"
    assert most[other] < allowed[other]


@pytest.mark.parametrize(("size", "duration"), [(1e-9, SHORTEST), (5.0, LONGEST)])
def test_offset_is_neither_too_short_nor_too_long(size, duration):
    assert _duration(_flat_curve((size, 0.0, 0.0), _limits())) == pytest.approx(duration, abs=1e-6)


def test_slowest_joint_decides_and_all_go_together():
    limits = _limits(9.0, 10.0, 1e5, joints=2)
    state = np.array([[0.1, 0.001], [0.0, 0.0], [0.0, 0.0]])
    both = Curve(Spline(np.zeros((101, 2)), 0.0, 0.1), START, state, limits)
    alone = _flat_curve((0.1, 0.0, 0.0), _limits(9.0, 10.0, 1e5))
    assert _duration(both) == pytest.approx(_duration(alone), abs=1e-6)
    assert both.sample(START + 0.05)[0, 1] != 0.0


@pytest.mark.parametrize(
    "gap", [(0.1, 0.0, 0.0), (0.0, 0.3, 0.0), (0.0, 0.0, 4.0), (0.1, -0.2, 3)]
)
def test_offset_is_the_quintic_from_the_gap_to_rest(gap):
    curve = _flat_curve(gap, _limits())
    end = START + _duration(curve)
    quintic = BPoly.from_derivatives([START, end], [gap, (0.0, 0.0, 0.0)])
    for t in np.linspace(START, end - 1e-4, 17):
        wanted = [float(quintic(t, nu=k)) for k in range(3)]
        assert curve.sample(t)[:, 0] == pytest.approx(wanted, abs=1e-5)


def _slope_curve(points: int, start_s: float, rate: float = 1.0, **limits) -> Curve:
    """A curve that follows a straight line of `rate`, already on it."""
    q = rate * 0.1 * np.arange(points)[:, None]
    state = np.array([[rate * start_s], [rate], [0.0]])
    return Curve(Spline(q, 0.0, 0.1), start_s, state, _limits(**limits))


def test_clock_slows_over_the_stop_time_around_the_last_waypoint():
    curve = _slope_curve(11, 0.0)  # the last waypoint is due at 1.0
    stop = 2.0 / 10.0 + 2.0 * 10.0 / 500.0
    assert curve.end_s == pytest.approx(1.0 + 0.5 * stop, abs=1e-12)
    begin = 1.0 - 0.5 * stop
    assert curve.sample(begin)[:, 0] == pytest.approx([begin, 1.0, 0.0], abs=1e-9)
    for u in np.linspace(0.0, 1.0, 21):
        q, v, a = curve.sample(begin + u * stop)[:, 0]
        assert q == pytest.approx(begin + stop * (u - u**3 + 0.5 * u**4), abs=1e-9)
        assert v == pytest.approx(1.0 - 3.0 * u**2 + 2.0 * u**3, abs=1e-9)
        assert a == pytest.approx(-6.0 * u * (1.0 - u) / stop, abs=1e-9)
    assert curve.sample(9.0)[:, 0] == pytest.approx([1.0, 0.0, 0.0], abs=1e-9)


def test_short_rest_of_a_chunk_slows_from_where_it_is_joined():
    curve = _slope_curve(11, 0.97)
    assert curve.end_s == pytest.approx(1.03, abs=1e-12)
    assert curve.sample(0.97)[:, 0] == pytest.approx([0.97, 1.0, 0.0], abs=1e-9)
    assert curve.sample(1.0)[1, 0] == pytest.approx(0.5, abs=1e-9)
    assert curve.sample(1.03)[:, 0] == pytest.approx([1.0, 0.0, 0.0], abs=1e-9)


def test_joined_at_or_after_the_last_waypoint_it_only_decays():
    for start_s in (1.0, 1.3):
        q = 0.1 * np.arange(11)[:, None]
        state = np.array([[1.0], [0.2], [0.0]])
        curve = Curve(Spline(q, 0.0, 0.1), start_s, state, _limits())
        assert curve.end_s > start_s
        assert curve.sample(start_s)[:, 0] == pytest.approx(state[:, 0], abs=1e-9)
        assert curve.sample(curve.end_s)[:, 0] == pytest.approx([1.0, 0.0, 0.0], abs=1e-9)


def test_end_waits_for_the_offset():
    q = np.zeros((3, 1))
    state = np.array([[0.5], [0.0], [0.0]])
    curve = Curve(Spline(q, 0.0, 0.1), 0.19, state, _limits())
    assert curve.end_s == pytest.approx(0.19 + LONGEST, abs=1e-6)
    assert np.abs(curve.sample(curve.end_s - 0.1)).max() > 1e-3
    assert curve.sample(curve.end_s) == pytest.approx(np.zeros((3, 1)), abs=1e-12)
