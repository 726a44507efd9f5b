# SPDX-License-Identifier: Apache-2.0
"""An increment belongs to its control period: never delayed, mixed or carried out twice."""

import math

import numpy as np
import pytest

from onestep_vla_ros.core.action_plan import ActionPlan
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.delta_config import DeltaConfig
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.core.verdict import Reason
from onestep_vla_ros.files import read_parameters

CONFIG = from_mapping(DeltaConfig, read_parameters("bridge_libero.yaml"))
TC = CONFIG.control_period_s
STATE = np.zeros((3, 7))


def actions(first, count=16):
    """Actions that tell which they are: all parts of action i are first + i, in hundredths."""
    return (first + np.arange(count, dtype=float))[:, None] / 100.0 + np.zeros(7)


@pytest.fixture
def plan():
    return ActionPlan(CONFIG)


def begun(plan, tick_s):
    """The number of the action that begins at `tick_s`, None for none."""
    state = plan.sample(tick_s + TC)
    return None if state is None else round(float(state[0, 0]) * 100.0)


def test_no_plan_at_first(plan):
    assert not plan.is_active
    assert plan.sample(1.0) is None
    assert plan.seam is None
    assert math.isnan(plan.stamp_s)
    assert plan.end_s == -math.inf


def test_the_first_action_begins_a_period_after_what_was_seen(plan):
    plan.splice(Chunk(actions(0), 1.0, TC), 1.0 + TC, STATE)
    assert [begun(plan, 1.0 + k * TC) for k in range(4)] == [None, 0, 1, 2]


@pytest.mark.parametrize("share", [-0.49, -0.2, 0.0, 0.2, 0.49, 0.5])
def test_every_action_is_carried_out_once_wherever_ticks_fall(plan, share):
    plan.splice(Chunk(actions(0), 1.0, TC), 1.0 + TC, STATE)
    ticks = 1.0 + TC * (1.0 + share + np.arange(16))
    first = begun(plan, ticks[0])
    assert [begun(plan, t) for t in ticks[: 16 - first]] == list(range(first, 16))


def test_exact_values_pass(plan):
    q = np.random.default_rng(0).normal(size=(16, 7))
    plan.splice(Chunk(q, 3.7, TC), 3.75, STATE)
    got = np.array([plan.sample(3.7 + TC * (i + 2))[0] for i in range(16)])
    assert np.array_equal(got, q)


def test_a_late_chunk_begins_with_the_action_that_is_due(plan):
    plan.splice(Chunk(actions(0), 1.0, TC), 1.0 + 5 * TC, STATE)
    assert begun(plan, 1.0 + 5 * TC) == 4


def test_the_old_actions_go_on_until_the_new_ones_are_due(plan):
    plan.splice(Chunk(actions(0), 1.0, TC), 1.0 + TC, STATE)
    plan.splice(Chunk(actions(50), 1.0 + 4 * TC, TC), 1.0 + 3 * TC, STATE)
    assert [begun(plan, 1.0 + k * TC) for k in range(3, 8)] == [2, 3, 50, 51, 52]
    assert plan.stamp_s == 1.0 + 4 * TC


def test_a_chunk_with_nothing_left_is_late_and_the_old_one_stays(plan):
    plan.splice(Chunk(actions(0), 1.0, TC), 1.0 + TC, STATE)
    verdict = plan.splice(Chunk(actions(50, count=2), 0.8, TC), 1.0 + TC, STATE)
    assert verdict.reason is Reason.LATE
    assert "0 of 2 actions left" in verdict.detail
    assert begun(plan, 1.0 + TC) == 0


def test_actions_run_out_and_are_not_repeated(plan):
    plan.splice(Chunk(actions(0, count=3), 1.0, TC), 1.0 + TC, STATE)
    assert plan.end_s == pytest.approx(1.0 + 4 * TC)
    assert plan.problem(1.0 + 3 * TC) == ""
    assert "run out" in plan.problem(1.0 + 4 * TC)
    assert begun(plan, 1.0 + 4 * TC) is None


def test_old_actions_are_not_followed(plan):
    plan.splice(Chunk(actions(0, count=128), 1.0, TC), 1.0 + TC, STATE)
    assert plan.problem(1.0 + CONFIG.max_plan_age_s - 0.01) == ""
    assert "allowed 0.9 s" in plan.problem(1.0 + CONFIG.max_plan_age_s + 0.01)


def test_a_cleared_plan_has_none(plan):
    plan.splice(Chunk(actions(0), 1.0, TC), 1.0 + TC, STATE)
    plan.clear()
    assert not plan.is_active
    assert begun(plan, 1.0 + TC) is None
    assert plan.ahead(np.array([1.0, 2.0])).shape == (0, 7)
