# SPDX-License-Identifier: Apache-2.0
"""The wire checker on streamed positions and single points: limits to the sixth digit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onestep_vla_ros.core.wire_check import WireCheck
from onestep_vla_ros.core.wire_motion import Knots, Reach

TC = 0.01
V, A, J = 2.0, 10.0, 500.0


@pytest.fixture(scope="module")
def config(bridge_config):
    both = ("forward_position", "forward_position")
    return replace(bridge_config, output_mode=both, start_check="off")


def judged(config, home, motion):
    """Stream a motion of the first joint, given as what it adds to `home`."""
    check = WireCheck(config)
    check.on_measured(home)
    check.on_mode("RUN", 0.0)
    for k, step in enumerate(motion):
        q = home + step * (np.arange(14) == 0)
        check.on_positions("left", q[:7], k * TC)
        check.on_positions("right", q[7:], k * TC)
    check.finish()
    return check


def motion(jerk):
    """Positions whose third differences are `jerk`, from rest."""
    a = np.cumsum(jerk) * TC
    v = np.cumsum(a) * TC
    return np.concatenate([[0.0], np.cumsum(v) * TC])


def at_jerk(j):
    return motion(np.array([j, -j, 0.0, -j, j, 0.0, 0.0, 0.0]))


def at_acceleration(a):
    up = [a / 4 / TC] * 4
    return motion(np.array([*up, 0.0, 0.0, *(-2 * np.array([*up, *up]) / 2), 0.0, 0.0, *up]))


def at_velocity(v):
    """Up to v in 60 periods and on at v."""
    rate = v / (30 * 30 * TC * TC)
    return motion(np.array([rate] * 30 + [-rate] * 30 + [0.0] * 10))


@pytest.mark.parametrize(
    ("invariant", "make", "limit"),
    [("I5", at_jerk, J), ("I4", at_acceleration, A), ("I3", at_velocity, V)],
)
def test_a_limit_is_judged_to_the_sixth_digit(config, home, invariant, make, limit):
    within = judged(config, home, make(limit * (1.0 + 0.9e-6)))
    assert not within.violations, within.examples
    beyond = judged(config, home, make(limit * (1.0 + 1.2e-6)))
    assert set(beyond.violations) == {invariant}


def test_the_position_limit_is_judged_with_its_margin(config, home):
    high = config.position_high[0] - config.position_margin[0]
    check = WireCheck(config)
    start = np.where(np.arange(14) == 0, high, home)
    check.on_mode("HOLD", 0.0)
    check.on_positions("left", start[:7])
    assert not check.violations
    check.on_positions("left", np.where(np.arange(7) == 0, high + 1e-9, start[:7]))
    assert set(check.violations) == {"I2", "I11"}


@pytest.mark.parametrize(
    ("invariant", "values"),
    [("I1", [0.0] * 6 + [np.nan]), ("I10", [0.0] * 6), ("I10", [[0.0] * 7])],
)
def test_a_wrong_array_is_named(config, invariant, values):
    check = WireCheck(config)
    check.on_positions("left", values)
    assert check.violations[invariant] == 1


def test_positions_while_idle_and_on_a_trajectory_topic_are_named(config, home):
    check = judged(config, home, [0.0, 0.0])
    check.on_mode("IDLE", 3.0)
    check.on_positions("left", home[:7], 3.0)
    assert check.violations == {"I12": 1}
    still = [[0.0] * 7]
    check.on_trajectory("left", 3.0, config.left_output_joints, [0.0], [home[:7]], still, still)
    assert check.violations["I10"] == 1


def test_single_points_are_a_stream_with_stamps(config, home):
    points = replace(config, output_mode=("joint_trajectory_point",) * 2)

    def sent(stamps, offset=0.0):
        check = WireCheck(points)
        check.on_mode("RUN", 0.0)
        still = np.zeros((1, 7))
        for k, stamp_s in enumerate(stamps):
            for i, arm in enumerate(("left", "right")):
                q = home[None, 7 * i : 7 * i + 7] + offset * (k == 2)
                names = points.joint_names[7 * i : 7 * i + 7]
                check.on_trajectory(arm, stamp_s, names, [0.0], q, still, still)
        return check.violations

    assert not sent([1.0, 1.01, 1.02, 1.05])
    assert sent([1.0, 1.01, 1.01])["I6"] == 2
    check = WireCheck(points)
    two = np.stack([home[:7], home[:7]])
    check.on_trajectory("left", 1.0, points.joint_names[:7], [0.0, 0.1], two, 0 * two, 0 * two)
    check.on_positions("left", home[:7])
    assert check.violations == {"I10": 2}
    assert {"I5", "I7"} <= set(sent([1.0, 1.01, 1.02], offset=1e-3))


def test_reach_is_exact_for_constant_and_switched_jerk():
    reach, rng = Reach(TC), np.random.default_rng(0)
    nothing = np.zeros((3, 1))
    for _ in range(200):
        state = rng.normal(size=(3, 1)) * np.array([[1.0], [1.0], [5.0]])
        j, switch = rng.choice([-J, J]), rng.uniform(0.0, TC)
        end = advanced(advanced(state, j, switch), -j, TC - switch)
        needed = float(reach.needed_jerk(state, end, nothing)[0])
        assert needed <= J * (1.0 + 1e-6)
        whole = advanced(state, 1.001 * j, TC)
        assert reach.needed_jerk(state, whole, nothing)[0] >= J * 1.0009


def advanced(state, j, t):
    q, v, a = state
    return np.array([q + t * (v + t * (a / 2 + t * j / 6)), v + t * (a + t * j / 2), a + t * j])


def test_knots_run_the_quintic_and_hold_its_end():
    c = np.random.default_rng(1).normal(size=6)
    polynomial = np.polynomial.Polynomial(c)
    times = np.array([0.0, 0.1, 0.15, 0.4])
    parts = [np.array([p(times)]).T for p in (polynomial, polynomial.deriv(), polynomial.deriv(2))]
    knots = Knots(times, *parts)
    for t in (0.0, 0.03, 0.1, 0.2, 0.399):
        state, _ = knots.state(t)
        wanted = [polynomial(t), polynomial.deriv()(t), polynomial.deriv(2)(t)]
        assert np.abs(state[:, 0] - wanted).max() < 1e-11
        assert np.abs(knots.positions(np.array([t]))[0, 0] - polynomial(t)) < 1e-14
    assert knots.positions(np.array([9.0]))[0, 0] == parts[0][-1, 0]
    assert not knots.state(9.0)[0][1:].any()
