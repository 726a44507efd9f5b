# SPDX-License-Identifier: Apache-2.0
"""The tail of a command: a quintic through its knots is the jerk-limited stop itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BPoly

from onestep_vla_ros.core.command import Command
from onestep_vla_ros.core.stop import Stop
from onestep_vla_ros.core.supervisor import Mode

A, J = np.full(14, 10.0), np.full(14, 500.0)


def _command(state) -> Command:
    return Command(Mode.STOP, "", 1.0, *state, stop=Stop(np.asarray(state), A, J))


def _random_state(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    state = rng.uniform(-1.0, 1.0, (3, 14)) * np.array([1.0, 2.0, 10.0])[:, None]
    return state * rng.choice([0.0, 1e-6, 1e-3, 1.0], 14)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**20))
def test_quintic_through_the_knots_is_the_stop(seed):
    command = _command(_random_state(seed))
    for part in (slice(0, 7), slice(7, 14)):
        tail = command.tail(part)
        if len(tail.times_s) == 1:
            assert not tail.qd.any()
            continue
        quintic = BPoly.from_derivatives(tail.times_s, np.stack([tail.q, tail.qd, tail.qdd], 1))
        t = np.linspace(0.0, tail.times_s[-1], 200)
        exact = command.stop.sample(t[:, None])[0][:, part]
        assert np.abs(quintic(t) - exact).max() < 1e-9
        # sampled at any rate a controller has, the jerk stays within what nanoseconds allow
        for period in (0.01, 0.004):
            q = quintic(np.arange(0.0, tail.times_s[-1], period))
            if len(q) > 3:
                assert np.abs(np.diff(q, 3, axis=0)).max() / period**3 < 500.0 * (1 + 1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_tail_begins_at_the_command_and_ends_at_rest(seed):
    command = _command(_random_state(seed))
    tail = command.tail(slice(0, 7))
    assert tail.times_s[0] == 0.0
    assert (np.diff(tail.times_s) >= 1e-9).all()
    assert len(tail.times_s) <= 3 * 7 + 1
    assert np.array_equal(tail.q[0], command.q[:7])
    if len(tail.times_s) > 1:
        assert np.array_equal(tail.qd[0], command.qd[:7])
    assert not tail.qd[-1].any()
    assert not tail.qdd[-1].any()
    assert np.array_equal(np.round(tail.times_s, 9), tail.times_s)


def test_part_of_a_tail_knows_only_its_own_joints():
    state = np.zeros((3, 14))
    state[1, 9] = 1.0
    command = _command(state)
    assert len(command.tail(slice(0, 7)).times_s) == 1
    assert command.tail(slice(7, 14)).qd.shape == (4, 7)  # jerk -J, 0, +J
    assert command.tail().q.shape == (4, 14)


def test_without_output_there_is_no_tail():
    assert Command(Mode.IDLE, "not enabled", 1.0).tail() is None
