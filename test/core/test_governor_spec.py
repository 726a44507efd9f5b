# SPDX-License-Identifier: Apache-2.0
"""The governor against its law written out for one joint."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from governor_spec import Joint, approach

from onestep_vla_ros.core.governor import Governor, _approach
from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.stop import Stop


def _draw(rng: np.random.Generator) -> SimpleNamespace:
    low = rng.uniform(-3.0, 0.0)
    return SimpleNamespace(
        low=low,
        high=low + rng.choice([0.05, 1.0, 5.0]),
        velocity=rng.uniform(0.5, 5.0),
        acceleration=rng.uniform(2.0, 50.0),
        jerk=rng.uniform(50.0, 2000.0),
        period_s=rng.choice([0.004, 0.01, 0.02]),
    )


def _pair(rng: np.random.Generator) -> tuple[Governor, Joint]:
    d = _draw(rng)
    rows = (d.low, d.high, d.velocity, d.acceleration, d.jerk)
    start = rng.choice([d.low, d.high, rng.uniform(d.low, d.high), d.low - 0.01])
    governor = Governor(Limits(*([x] for x in rows)), d.period_s)
    governor.reset(np.array([start]))
    return governor, Joint(*rows, d.period_s, (start, 0.0, 0.0))


@pytest.mark.parametrize("seed", range(40))
def test_one_period_is_what_the_law_says(seed):
    """From the same state each time: a rounding may tip a share, so nothing is accumulated."""
    rng = np.random.default_rng(seed)
    governor, joint = _pair(rng)
    width = joint.outer[1] - joint.outer[0]
    differing = flagged = 0
    for tick in range(120):
        if tick % int(rng.integers(1, 12)) == 0:
            q = rng.uniform(joint.outer[0] - 0.3 * width, joint.outer[1] + 0.3 * width)
            q = rng.choice([q, q, joint.outer[0], joint.outer[1] + 5e-4])
            scale = rng.choice([0.0, 0.1, 1.0, 3.0])
            v, a = scale * rng.normal(size=2) * (joint.velocity, joint.acceleration)
        joint.state = tuple(float(x) for x in governor.state[:, 0])
        is_limited = governor.step(np.array([[q], [v], [a]]))
        flagged += is_limited != joint.step((q, v, a))
        off = np.abs(governor.state[:, 0] - joint.state)
        differing += bool((off > (1e-10, 1e-8, 1e-6)).any())
    assert differing <= 2, "more than a rounding now and then"
    assert flagged <= 2


@pytest.mark.parametrize("seed", range(20))
def test_stop_is_what_the_law_says(seed):
    rng = np.random.default_rng(seed)
    governor, joint = _pair(rng)
    for _ in range(30):
        v = rng.uniform(-1.0, 1.0) * joint.velocity
        a = rng.uniform(-1.0, 1.0) * joint.acceleration
        state = (0.1, v, a)
        stop = Stop(
            np.array(state)[:, None], np.array([joint.acceleration]), np.array([joint.jerk])
        )
        duration = sum(t for _, t in joint.phases(state))
        assert stop.duration_s == pytest.approx(duration, abs=1e-9)
        for share in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0, 1.1):
            along = joint.along(state, share * duration)
            assert stop.sample(share * duration)[:, 0] == pytest.approx(along, abs=1e-7)


@pytest.mark.parametrize("rate", [0.5, 40.0])
@pytest.mark.parametrize("gain", [3.0, 40.0])
def test_approach_is_linear_then_a_braking_curve(gain, rate):
    edge = rate / gain**2
    errors = edge * np.array([0.0, 0.3, 0.999, 1.0, 1.001, 2.0, 50.0])
    for sign in (1.0, -1.0):
        speeds = _approach(sign * errors, gain, np.array(rate))
        assert speeds == pytest.approx([approach(sign * e, gain, rate) for e in errors])
    assert speeds[3] == pytest.approx(-gain * edge)
    far = _approach(np.array([7.0, 7.0 + 1e-6]), gain, np.array(rate))
    assert (far[1] ** 2 - far[0] ** 2) / 2e-6 == pytest.approx(rate, rel=1e-5)


def test_limits_are_used_up_but_for_what_a_period_can_add_between_its_ends():
    one = np.ones(1)
    governor = Governor(Limits(-9 * one, 9 * one, 2 * one, 10 * one, 500 * one), 0.01)
    governor.reset(-8.0 * one)
    fastest = most = jerkiest = 0.0
    before = governor.state[2, 0]
    for _ in range(2000):
        governor.step(np.stack([99 * one, 0 * one, 0 * one]))
        _, v, a = governor.state[:, 0]
        fastest, most = max(fastest, v), max(most, abs(a))
        jerkiest = max(jerkiest, abs(a - before) / 0.01)
        before = a
    tighter = 1.0 - 1e-7
    assert fastest == pytest.approx(2.0 - 500.0 * tighter * 1e-4 / 8.0, rel=1e-9)
    assert most == pytest.approx(10.0 * tighter, rel=1e-9)
    assert jerkiest == pytest.approx(500.0 * tighter, rel=1e-9)
    high = 9.0 - 10.0 * tighter * 1e-4 / 8.0
    assert governor.state[0, 0] == pytest.approx(high, abs=1e-6)
    assert governor.state[0, 0] <= high


def test_gain_is_capped_for_short_periods():
    one = np.ones(1)
    for period_s, gain in ((0.001, 40.0), (0.01, 40.0), (0.02, 20.0), (0.05, 8.0)):
        limits = Limits(-9 * one, 9 * one, 2 * one, 10 * one, 500 * one)
        governor = Governor(limits, period_s)
        governor.reset(0 * one)
        e = 1e-6
        governor.step(np.stack([e * one, 0 * one, 0 * one]))
        assert governor.state[2, 0] == pytest.approx(gain * gain / 3.0 * e, rel=1e-9)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_reference_a_little_outside_is_served_at_the_limit_without_notice(side):
    one = np.ones(1)
    low, high = (-2.0, 0.0) if side > 0.0 else (0.0, 2.0)
    governor = Governor(Limits(low * one, high * one, 2 * one, 10 * one, 500 * one), 0.01)
    governor.reset(0.0 * one)  # exactly on the limit, at rest
    for outside, is_noticed in ((0.0, False), (0.001, False), (0.0011, True)):
        reference = np.stack([side * outside * one, 0 * one, 0 * one])
        assert governor.step(reference) is is_noticed
        assert governor.is_at_rest
        assert governor.state[0, 0] == 0.0


def test_new_one_rests_in_the_middle():
    governor = Governor(Limits([1.0], [4.0], [2.0], [10.0], [500.0]), 0.01)
    assert governor.state.tolist() == [[2.5], [0.0], [0.0]]


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_start_outside_gives_no_room_outside(side):
    one = np.ones(1)
    governor = Governor(Limits(-one, one, 2 * one, 10 * one, 500 * one), 0.01)
    governor.reset(side * 1.05 * one)
    for _ in range(20):
        governor.step(np.stack([side * 5.0 * one, 0 * one, 0 * one]))
        assert governor.state[:, 0].tolist() == [side, 0.0, 0.0]
