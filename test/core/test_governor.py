# SPDX-License-Identifier: Apache-2.0
"""The governor: limits whatever is asked, and exact tracking of what is possible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onestep_vla_ros.core.governor import Governor
from onestep_vla_ros.core.limits import Limits

TC = 0.01


def _limits(joints: int, rng: np.random.Generator) -> Limits:
    return Limits(
        low=rng.uniform(-3.0, -0.2, joints),
        high=rng.uniform(0.2, 3.0, joints),
        velocity=rng.uniform(0.5, 5.0, joints),
        acceleration=rng.uniform(2.0, 50.0, joints),
        jerk=rng.uniform(100.0, 2000.0, joints),
    )


def _assert_kept(q: np.ndarray, limits: Limits) -> None:
    assert np.isfinite(q).all()
    assert (q >= limits.low).all()
    assert (q <= limits.high).all()
    for order, limit in enumerate((limits.velocity, limits.acceleration, limits.jerk), start=1):
        rate = np.abs(np.diff(q, order, axis=0)) / TC**order
        assert (rate <= limit * (1 + 1e-6)).all()


def _drive(limits: Limits, rng: np.random.Generator, ticks: int, hold: int) -> np.ndarray:
    """Return positions (ticks, J) under random references held for `hold` ticks each."""
    joints = len(limits.low)
    governor = Governor(limits, TC)
    governor.reset(rng.uniform(limits.low, limits.high))
    q = [governor.state[0]] * 3
    for tick in range(ticks):
        if tick % hold == 0:
            scale = 10.0 ** rng.uniform(-3, 1)
            reference = rng.normal(size=(3, joints)) * scale * np.array([[1.0], [2.0], [20.0]])
        if rng.random() < 0.02:
            governor.brake()
        else:
            governor.step(reference)
        q.append(governor.state[0])
    return np.array(q)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([1, 3, 10, 50]))
def test_limits_hold_for_any_reference(seed, hold):
    rng = np.random.default_rng(seed)
    limits = _limits(20, rng)
    _assert_kept(_drive(limits, rng, 150, hold), limits)


@pytest.mark.parametrize("hold", [1, 4, 20, 100])
def test_soak_of_a_quarter_million_joint_samples(hold):
    """Four of these: more than 10^6 joint-samples, no violation of q, qd, qdd or qddd."""
    rng = np.random.default_rng(hold)
    limits = _limits(1000, rng)
    _assert_kept(_drive(limits, rng, 260, hold), limits)


def test_possible_reference_is_tracked_exactly_and_without_notice():
    limits = Limits(
        -2 * np.ones(14), 2 * np.ones(14), *(x * np.ones(14) for x in (2.0, 10.0, 500.0))
    )
    governor = Governor(limits, TC)
    governor.reset(np.zeros(14))
    one = np.ones(14)
    errors, is_limited = [], False
    for tick in range(1, 800):
        t = tick * TC
        grown = min(t, 1.0)
        size = 0.5 * grown**3 * (10 - 15 * grown + 6 * grown**2)  # grows smoothly from rest
        size_d = 15.0 * grown**2 * (1 - grown) ** 2
        size_dd = 30.0 * grown * (1 - grown) * (1 - 2 * grown)
        w = 2.0
        reference = np.stack(
            [
                one * size * np.sin(w * t),
                one * (size_d * np.sin(w * t) + size * w * np.cos(w * t)),
                one
                * (
                    size_dd * np.sin(w * t)
                    + 2 * size_d * w * np.cos(w * t)
                    - size * w * w * np.sin(w * t)
                ),
            ]
        )
        is_limited |= governor.step(reference)
        errors.append(np.abs(governor.state[0] - reference[0]).max())
    assert max(errors) < 1e-4
    assert not is_limited


def test_step_is_reached_without_overshoot():
    one = np.ones(2)
    governor = Governor(Limits(-2 * one, 2 * one, 2 * one, 10 * one, 500 * one), TC)
    governor.reset(0 * one)
    q = []
    for _ in range(200):
        governor.step(np.stack([0.5 * one, 0 * one, 0 * one]))
        q.append(governor.state[0, 0])
    assert max(q) <= 0.5 + 1e-6
    assert q[-1] == pytest.approx(0.5, abs=1e-6)
    assert q[60] > 0.45


def test_position_limit_is_approached_and_not_crossed():
    one = np.ones(2)
    limits = Limits(-one, one, 2 * one, 10 * one, 500 * one)
    governor = Governor(limits, TC)
    governor.reset(0 * one)
    is_limited = False
    for _ in range(300):
        is_limited |= governor.step(np.stack([3 * one, 2 * one, 0 * one]))
    assert is_limited
    assert governor.state[0] == pytest.approx(one, abs=1e-3)
    assert (governor.state[0] <= one).all()


def test_velocity_limit_is_held_without_chatter():
    one = np.ones(2)
    governor = Governor(Limits(-99 * one, 99 * one, 2 * one, 10 * one, 500 * one), TC)
    governor.reset(0 * one)
    v = []
    for tick in range(200):
        governor.step(np.stack([5 * tick * TC * one, 5 * one, 30 * one]))
        v.append(governor.state[1, 0])
    assert 1.97 < min(v[60:]) <= max(v) <= 2.0
    assert np.ptp(v[100:]) < 5e-3


def test_braking_ends_exactly_at_rest_within_the_stop_time():
    one = np.ones(3)
    limits = Limits(-9 * one, 9 * one, 2 * one, 10 * one, 500 * one)
    governor = Governor(limits, TC)
    governor.reset(0 * one)
    for _ in range(100):
        governor.step(np.stack([8 * one, 0 * one, 0 * one]))
    assert governor.state[1, 0] > 1.9
    ticks = 0
    while not governor.is_at_rest:
        governor.brake()
        ticks += 1
    assert ticks <= np.ceil(limits.stop_time_s / TC) + 1
    assert not governor.state[1:].any()


def test_reset_outside_the_limits_starts_on_them():
    one = np.ones(2)
    governor = Governor(Limits(-one, one, one, 10 * one, 500 * one), TC)
    governor.reset(np.array([1.02, -1.02]))
    assert governor.state[0].tolist() == [1.0, -1.0]
    assert governor.is_at_rest


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300, 1e9, -1e9])
@pytest.mark.parametrize("row", [0, 1, 2])
def test_joint_whose_reference_is_no_number_follows_its_stop(bad, row):
    one = np.ones(3)
    limits = Limits(-2 * one, 2 * one, 2 * one, 10 * one, 500 * one)
    governor, other = Governor(limits, TC), Governor(limits, TC)
    for g in (governor, other):
        g.reset(0 * one)
        for _ in range(30):
            g.step(np.stack([one, 0 * one, 0 * one]))
    reference = np.stack([one, 0 * one, 0 * one])
    other.step(reference)
    announced = governor.stop.sample(TC)
    reference[row, 1] = bad
    with np.errstate(all="raise"):
        assert governor.step(reference)
    assert (governor.state[:, 1] == announced[:, 1]).all()
    assert (governor.state[:, [0, 2]] == other.state[:, [0, 2]]).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_joints_do_not_know_of_each_other(seed):
    """Whether one joint's step is cut must not move another by even a rounding."""
    rng = np.random.default_rng(seed)
    limits = _limits(4, rng)
    rows = (limits.low, limits.high, limits.velocity, limits.acceleration, limits.jerk)
    together = Governor(limits, TC)
    alone = [Governor(Limits(*(row[[j]] for row in rows)), TC) for j in range(4)]
    start = rng.uniform(limits.low, limits.high)
    for governor, part in zip([together, *alone], [start, *start[:, None]], strict=True):
        governor.reset(part)
    for _ in range(60):
        reference = rng.normal(size=(3, 4)) * np.array([[2.0], [4.0], [40.0]])
        is_limited = [alone[j].step(reference[:, [j]]) for j in range(4)]
        assert together.step(reference) == any(is_limited)
        apart = np.concatenate([governor.state for governor in alone], axis=1)
        assert (together.state == apart).all()


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_start_exactly_on_a_limit_never_leaves_it_by_a_rounding(side):
    """It did by 1.8e-15 rad: the stop that ends on the limit is worked out anew each period."""
    rng = np.random.default_rng(1)
    joints, period_s = 300, 0.02
    near, far = rng.uniform(-9.0, 8.0, joints), np.full(joints, 9.0)
    limits = Limits(
        low=near if side > 0.0 else -far,
        high=far if side > 0.0 else -near,
        velocity=rng.uniform(1.0, 10.0, joints),
        acceleration=rng.uniform(10.0, 60.0, joints),
        jerk=rng.uniform(1.0, 20.0, joints),
    )
    governor = Governor(limits, period_s)
    governor.reset(side * near)
    for tick in range(600):
        if tick % 40 == 0:
            limit = np.where(rng.random(joints) < 0.5, near, far)
            past = np.where(rng.random(joints) < 0.5, 0.0, rng.choice([-1e-9, 1e-9, 1e-3], joints))
        governor.step(np.stack([side * (limit + past), 0 * limit, 0 * limit]))
        assert (governor.state[0] >= limits.low).all()
        assert (governor.state[0] <= limits.high).all()


def test_state_is_not_for_others_to_change():
    one = np.ones(2)
    governor = Governor(Limits(-one, one, one, 10 * one, 500 * one), TC)
    for advance in (governor.brake, lambda: governor.step(np.zeros((3, 2)))):
        advance()
        with pytest.raises(ValueError, match="read-only"):
            governor.state[0, 0] = 1.0


def test_braking_for_longer_goes_as_far_along_the_stop_each_joint_for_its_own_time():
    one = np.ones(2)
    governor = Governor(Limits(-9 * one, 9 * one, 2 * one, 10 * one, 500 * one), TC)
    governor.reset(0 * one)
    for _ in range(50):
        governor.step(np.stack([8 * one, 0 * one, 0 * one]))
    stop = governor.stop
    governor.brake(np.array([0.03, 0.0]))
    assert governor.state[:, 0] == pytest.approx(stop.sample(0.03)[:, 0], abs=1e-12)
    assert governor.state[:, 1] == pytest.approx(stop.sample(0.0)[:, 1], abs=1e-12)
    stop = governor.stop
    governor.brake(0.07)
    assert governor.state == pytest.approx(stop.sample(0.07), abs=1e-12)
    stop = governor.stop
    governor.brake()
    assert governor.state == pytest.approx(stop.sample(TC), abs=1e-12)
