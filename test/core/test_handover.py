# SPDX-License-Identifier: Apache-2.0
"""Hand-over modes: each continues what is commanded, and each means what its name says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bridge_rig import Rig
from hypothesis import given, settings
from hypothesis import strategies as st

from onestep_vla_ros.core.blend import Blend
from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.ensemble import Ensemble
from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.core.plan import Plan
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.files import read_parameters

CONFIG = from_mapping(BridgeConfig, read_parameters("bridge.yaml"))
MODES = ("splice", "blend", "ensemble")
ONE = np.ones(14)
LIMITS = Limits(-3 * ONE, 3 * ONE, 2 * ONE, 10 * ONE, 500 * ONE)


def _plan(handover: str, **change) -> Plan:
    return Plan(LIMITS, replace(CONFIG, handover=handover, **change))


def _flat(value: float, stamp: float, points: int = 16) -> Chunk:
    return Chunk(np.full((points, 14), value), stamp, 0.04)


def _rest(q: float = 0.0) -> np.ndarray:
    return np.stack([q * ONE, 0 * ONE, 0 * ONE])


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=40, deadline=None)
@given(st.floats(0.0, 0.4), st.integers(0, 10**6))
def test_each_hand_over_continues_q_qd_qdd(mode, delay, seed):
    rng = np.random.default_rng(seed)
    plan = _plan(mode, jump_limit=(3.0,) * 14)
    walk = np.cumsum(rng.normal(0.0, 0.02, (2, 32, 14)), axis=1)
    assert plan.splice(Chunk(walk[0], 1.0, 0.04), 1.0, _rest()).is_accepted
    at = 1.0 + delay
    before = plan.sample(at)
    assert plan.splice(Chunk(walk[1], 1.0 + delay / 2, 0.04), at, before).is_accepted
    after = plan.sample(at)
    assert np.abs(after - before).max() < 1e-8
    for t in np.arange(at, plan.end_s, 0.05):  # its own derivatives, by central differences
        h = 1e-5
        low, mid, high = plan.sample(max(t - h, at)), plan.sample(t), plan.sample(t + h)
        if t - h > at:
            assert np.abs((high[0] - low[0]) / (2 * h) - mid[1]).max() < 1e-3
    assert not np.abs(plan.sample(plan.end_s)[1:]).max() > 1e-9


def test_blend_is_frozen_first_and_free_at_last():
    plan = _plan("blend", blend_s=0.2, jump_limit=(3.0,) * 14)
    plan.splice(_flat(0.0, 1.0), 1.0, _rest())
    plan.splice(_flat(0.2, 1.1), 1.1, _rest())
    assert np.abs(plan.sample(1.1)[0]).max() < 1e-12
    assert np.abs(plan.sample(1.12)[0]).max() < 0.01
    assert plan.sample(1.2)[0] == pytest.approx(0.1)  # half way, half each
    assert plan.sample(1.3)[0] == pytest.approx(0.2)


def test_blending_again_and_again_stays_shallow():
    plan, depths = _plan("blend", blend_s=2.0, jump_limit=(3.0,) * 14), []
    for k in range(30):
        at = 1.0 + 0.04 * k
        state = _rest() if k == 0 else plan.sample(at)
        assert plan.splice(_flat(0.01 * k, at, 64), at, state).is_accepted
        assert np.abs(plan.sample(at) - state).max() < 1e-9
        depths.append(plan._curve.depth if isinstance(plan._curve, Blend) else 0)
    assert max(depths) == 4
    assert depths.count(0) > 2


def test_blend_from_a_finished_plan_is_a_splice():
    plan = _plan("blend")
    plan.splice(_flat(0.1, 1.0, 4), 1.0, _rest(0.1))
    assert plan.end_s < 2.0
    plan.splice(_flat(0.2, 2.0), 2.0, _rest(0.1))
    assert not isinstance(plan._curve, Blend)


def test_ensemble_is_the_weighted_mean_of_what_covers_the_moment():
    ensemble = Ensemble(size=3, decay=0.5)
    for value, stamp in ((0.9, 0.0), (0.0, 0.4), (0.3, 0.8)):
        ensemble.add(_flat(value, stamp))  # the first is pushed out by the third
    mean = ensemble.mean(_flat(0.6, 1.0))
    weights = np.exp(-0.5 * np.arange(3))
    assert mean.q[0, 0] == pytest.approx(np.dot(weights, [0.0, 0.3, 0.6]) / weights.sum())
    assert mean.q[-1, 0] == pytest.approx(0.6)  # only the newest reaches so far
    assert (mean.stamp_s, mean.period_s) == (1.0, 0.04)
    ensemble.clear()
    assert np.array_equal(ensemble.mean(_flat(0.6, 1.0)).q, _flat(0.6, 1.0).q)


def test_ensemble_of_one_is_the_splice():
    plans = [_plan("splice"), _plan("ensemble", ensemble_size=1)]
    for plan in plans:
        plan.splice(_flat(0.1, 1.0), 1.0, _rest())
        plan.splice(_flat(0.2, 1.2), 1.2, plan.sample(1.2))
    assert np.array_equal(plans[0].sample(1.4), plans[1].sample(1.4))


def test_ensemble_forgets_with_the_plan():
    plan = _plan("ensemble", jump_limit=(3.0,) * 14)
    plan.splice(_flat(1.0, 1.0), 1.0, _rest(1.0))
    plan.clear()
    plan.splice(_flat(0.0, 1.1), 1.1, _rest())
    assert np.abs(plan.sample(1.4)[0]).max() < 1e-9


@pytest.mark.parametrize("mode", MODES)
def test_the_bridge_runs_in_every_mode(bridge_config, home, check_wire, mode):
    rig = Rig(replace(bridge_config, handover=mode), home)
    rig.enable()
    rig.run(200)
    check_wire(rig.commands, bridge_config)
    reached = rig.commands[-1].q - rig.wave(rig.now - 0.04 + 0.01, 1)[0]
    assert np.abs(reached).max() < 0.02
    assert rig.commands[-1].mode is Mode.RUN
