# SPDX-License-Identifier: Apache-2.0
"""The plan: splices on the chunk's clock, joins the commanded state, ends at rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.core.plan import Plan
from onestep_vla_ros.core.verdict import Reason
from onestep_vla_ros.files import read_parameters

CONFIG = from_mapping(BridgeConfig, read_parameters("bridge.yaml"))
ONE = np.ones(14)
LIMITS = Limits(-3 * ONE, 3 * ONE, 2 * ONE, 10 * ONE, 500 * ONE)


def _plan(jump_limit: float = 0.3) -> Plan:
    return Plan(LIMITS, replace(CONFIG, jump_limit=(jump_limit,) * 14))


def _wave(stamp: float, points: int = 16) -> Chunk:
    t = stamp + 0.04 * np.arange(1, points + 1)
    return Chunk(0.3 * np.sin(t)[:, None] * ONE, stamp, 0.04)


def _rest(q: float = 0.0) -> np.ndarray:
    return np.stack([q * ONE, 0 * ONE, 0 * ONE])


def test_without_a_chunk_there_is_no_plan():
    plan = _plan()
    assert plan.sample(1.0) is None
    assert not plan.is_active
    assert plan.end_s == -np.inf


@settings(max_examples=100, deadline=None)
@given(st.floats(0.0, 0.5), st.integers(0, 2**31))
def test_splice_keeps_position_velocity_and_acceleration(delay, seed):
    rng = np.random.default_rng(seed)
    state = rng.normal(size=(3, 14)) * np.array([[0.05], [0.5], [3.0]])
    plan = _plan(jump_limit=1.0)
    verdict = plan.splice(_wave(0.0), delay, state)
    assert verdict.is_accepted
    assert plan.sample(delay) == pytest.approx(state, abs=1e-9)
    end = plan.sample(plan.end_s)
    assert end[1:] == pytest.approx(np.zeros((2, 14)), abs=1e-9)


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.2, 0.3])
def test_waypoints_are_run_at_their_own_time_however_late_the_chunk(delay):
    plan = _plan()
    chunk = _wave(0.0)
    assert plan.splice(chunk, delay, _rest(0.3 * np.sin(delay))).is_accepted
    for i in range(9, 12):  # after joining, before slowing down for the end
        due = 0.04 * (i + 1)
        if delay + 0.25 < due:
            assert plan.sample(due)[0] == pytest.approx(chunk.q[i], abs=1e-6)


def test_late_chunk_is_refused_and_leaves_the_plan_alone():
    plan = _plan()
    assert plan.splice(_wave(0.0), 0.05, _rest()).is_accepted
    before = plan.sample(0.3)
    last_but_one = 0.04 * 15 - 0.02  # two waypoints are due no sooner than the lead
    verdict = plan.splice(_wave(0.0), last_but_one + 1e-3, _rest(0.17))
    assert verdict.reason is Reason.LATE
    assert (plan.sample(0.3) == before).all()
    assert plan.splice(_wave(0.0), last_but_one, _rest(0.17)).is_accepted


def test_jump_from_the_plan_is_refused():
    plan = _plan()
    assert plan.splice(_wave(0.0), 0.0, _rest()).is_accepted
    far = Chunk(_wave(0.1).q + 0.31, 0.1, 0.04)
    verdict = plan.splice(far, 0.1, plan.sample(0.1))
    assert verdict.reason is Reason.JUMP
    assert "0.3" in verdict.detail
    near = Chunk(_wave(0.1).q + 0.29, 0.1, 0.04)
    assert plan.splice(near, 0.1, plan.sample(0.1)).is_accepted


def test_jump_from_rest_is_refused():
    verdict = _plan().splice(_wave(1.0), 1.0, _rest(-0.1))
    assert verdict.reason is Reason.JUMP


def test_clear_forgets_the_curve():
    plan = _plan()
    plan.splice(_wave(0.0), 0.0, _rest())
    assert plan.stamp_s == 0.0
    plan.clear()
    assert plan.sample(0.1) is None
    assert np.isnan(plan.stamp_s)


def test_ahead_is_the_plan_at_given_times_as_long_as_it_lasts():
    plan = _plan()
    assert plan.ahead(np.array([0.1, 0.2])).shape == (0, 14)
    plan.splice(_wave(0.0), 0.0, _rest())
    times = np.array([0.05, 0.21, plan.end_s - 1e-3, plan.end_s, plan.end_s + 1.0])
    ahead = plan.ahead(times)
    assert len(ahead) == 3
    for t_s, q in zip(times, ahead, strict=False):
        assert np.array_equal(q, plan.sample(t_s)[0])


def test_the_seam_is_how_far_a_chunk_lies_from_the_plan_it_replaces():
    plan = _plan()
    plan.splice(_wave(0.0), 0.0, _rest())
    assert plan.seam is None
    wave = _wave(0.0)
    moved = Chunk(wave.q + 0.03, 0.0, wave.period_s)
    assert plan.splice(moved, 0.4, plan.sample(0.4)).is_accepted
    assert np.allclose(plan.seam, 0.03, atol=1e-3)
    plan.clear()
    assert plan.seam is None
