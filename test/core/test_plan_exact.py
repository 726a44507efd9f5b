# SPDX-License-Identifier: Apache-2.0
"""Which waypoints a splice uses, from when, and what it answers, against numbers by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onestep_vla_ros.core.blend import Blend
from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.curve import Curve
from onestep_vla_ros.core.ensemble import Ensemble
from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.core.plan import Plan
from onestep_vla_ros.core.spline import Spline
from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected
from onestep_vla_ros.files import read_parameters

ONE = np.ones(14)
LIMITS = Limits(-3 * ONE, 3 * ONE, 2 * ONE, 10 * ONE, 500 * ONE)
CONFIG = replace(
    from_mapping(BridgeConfig, read_parameters("bridge.yaml")),
    handover="splice",
    splice_lead_s=0.03125,
    min_waypoints=3,
    jump_limit=(0.5,) * 14,
    max_plan_age_s=0.5,
)
PERIOD = 0.0625
RNG = np.random.default_rng(0)
Q = 0.3 + np.cumsum(RNG.normal(0.0, 0.02, (8, 14)), axis=0)
STATE = np.stack([0.3 * ONE, 0.1 * ONE, 0.5 * ONE])


def _spliced(at_s: float, stamp_s: float = 0.0, **change) -> Plan:
    plan = Plan(LIMITS, replace(CONFIG, **change))
    assert plan.splice(Chunk(Q, stamp_s, PERIOD), at_s, STATE).is_accepted
    return plan


@pytest.mark.parametrize(
    ("at_s", "stamp_s", "start_s", "rows"),
    [
        (0.03125, 0.0, 0.0, "one before, continued backwards"),
        (0.09375, 0.0, 0.0625, Q[0:]),  # the first usable one is due at 0.125
        (0.1, 0.0, 0.0625, Q),  # 0.125 is too soon: used from 0.1875 on, two periods back
        (0.2, 0.0, 0.1875, Q[2:]),
        (0.25, 0.0, 0.25, Q[3:]),
        (0.0, 0.1875, 0.0, "three before, continued backwards"),
    ],
)
def test_curve_runs_through_the_usable_waypoints_and_the_one_before(at_s, stamp_s, start_s, rows):
    if isinstance(rows, str):
        count = 1 if rows.startswith("one") else 4
        back = np.arange(count, 0, -1)[:, None]
        rows = np.concatenate([Q[0] - back * (Q[1] - Q[0]), Q])
        start_s = stamp_s + PERIOD * (1 - count)
    plan = _spliced(at_s, stamp_s)
    wanted = Curve(Spline(rows, start_s, PERIOD), at_s, STATE, LIMITS)
    assert plan.end_s == wanted.end_s
    for t in at_s + np.linspace(0.0, 0.7, 15):
        assert plan.sample(t) == pytest.approx(wanted.sample(t), abs=1e-12)


def test_answer_counts_the_usable_waypoints():
    plan = Plan(LIMITS, CONFIG)
    chunk = Chunk(Q, 0.0, PERIOD)
    assert plan.splice(chunk, 0.36, STATE) == Rejected(
        Reason.LATE, "2 of 8 waypoints left, allowed 3"
    )
    assert plan.splice(chunk, 9.0, STATE) == Rejected(
        Reason.LATE, "0 of 8 waypoints left, allowed 3"
    )
    assert not plan.is_active
    assert plan.splice(chunk, 0.3, STATE) == Accepted("3 waypoints from 0.375 s")
    plan.clear()
    assert plan.splice(chunk, 0.0, STATE) == Accepted("8 waypoints from 0.062 s")
    assert plan.stamp_s == 0.0


def test_waypoint_due_exactly_the_lead_after_the_splice_is_used():
    plan = Plan(LIMITS, CONFIG)
    assert plan.splice(Chunk(Q, 0.0, PERIOD), 0.09375, STATE).detail.startswith("7 ")
    assert plan.splice(Chunk(Q, 0.0, PERIOD), 0.09375 + 1e-6, STATE).detail.startswith("6 ")


def test_jump_is_judged_at_the_first_usable_waypoint_joint_by_joint():
    limit = (0.5,) * 9 + (0.125,) + (0.5,) * 4
    plan = Plan(LIMITS, replace(CONFIG, jump_limit=limit))
    q = np.full((8, 14), 0.3)
    q[0, :] = 9.0  # dropped: due too soon
    q[1, 9] += 0.125
    q[1, 3] -= 0.5
    state = np.stack([0.3 * ONE, 0 * ONE, 0 * ONE])
    assert plan.splice(Chunk(q, 0.0, PERIOD), 0.05, state).is_accepted
    q[1, 9] += 0.01
    verdict = Plan(LIMITS, replace(CONFIG, jump_limit=limit)).splice(
        Chunk(q, 0.0, PERIOD), 0.05, state
    )
    assert verdict == Rejected(Reason.JUMP, "right_joint3 by 0.135, allowed 0.125")


def test_jump_is_judged_from_the_plan_where_there_is_one():
    plan = _spliced(0.0)
    there = plan.sample(0.25)[0]
    far = Chunk(np.tile(there + 0.45, (8, 1)), 0.1875, PERIOD)
    at_odds = np.stack([there - 0.2, 0 * ONE, 0 * ONE])
    assert plan.splice(far, 0.2, at_odds).is_accepted
    assert Plan(LIMITS, CONFIG).splice(far, 0.2, at_odds).reason is Reason.JUMP


def test_problem_says_age_and_end():
    plan = _spliced(0.0)
    assert plan.end_s == pytest.approx(0.5 + 0.5 * LIMITS.stop_time_s, abs=1e-12)
    assert plan.problem(0.5) == ""
    assert plan.problem(0.51) == "the plan's observation is 0.51 s old, allowed 0.5 s"
    patient = _spliced(0.0, max_plan_age_s=5.0)
    assert patient.problem(np.nextafter(patient.end_s, 0.0)) == ""
    assert patient.problem(patient.end_s) == "the plan of 0.62 s ago has run out"


def test_ensemble_plan_runs_through_the_mean_of_the_chunks():
    plan = Plan(LIMITS, replace(CONFIG, handover="ensemble", ensemble_size=3))
    chunks = [Chunk(Q + 0.05 * k, 0.0625 * k, PERIOD) for k in range(4)]
    ensemble = Ensemble(3, CONFIG.ensemble_decay)
    for chunk in chunks:
        assert plan.splice(chunk, chunk.stamp_s, STATE).is_accepted
        mean = ensemble.mean(chunk)
        ensemble.add(chunk)
    single = _spliced(chunks[-1].stamp_s, chunks[-1].stamp_s)
    wanted = Plan(LIMITS, CONFIG)
    assert wanted.splice(mean, chunks[-1].stamp_s, STATE).is_accepted
    for t in np.linspace(0.6, 0.9, 5):
        assert plan.sample(t) == pytest.approx(wanted.sample(t), abs=1e-12)
        assert np.abs(plan.sample(t)[0] - single.sample(t)[0]).max() > 1e-3
    plan.clear()
    assert plan.splice(chunks[0], 0.0, STATE).is_accepted
    assert plan.sample(0.3) == pytest.approx(_spliced(0.0).sample(0.3), abs=1e-12)


def test_blend_goes_from_the_old_curve_to_the_new_over_its_time():
    change = {"handover": "blend", "blend_s": 0.25}
    plan = _spliced(0.0, **change)
    old = _spliced(0.0)
    newer = Chunk(Q + 0.2, 0.125, PERIOD)
    at_s = 0.125
    assert plan.splice(newer, at_s, old.sample(at_s)).is_accepted
    rows = np.concatenate([[Q[0] + 0.2 - (Q[1] - Q[0])], Q + 0.2])
    new = Spline(rows, 0.125, PERIOD)
    new = Curve(new, at_s, new.sample(at_s), LIMITS)
    wanted = Blend(old, new, at_s, 0.25)
    assert plan.end_s == wanted.end_s
    for t in np.linspace(at_s, 0.9, 9):
        assert plan.sample(t) == pytest.approx(wanted.sample(t), abs=1e-12)


def test_blend_begins_anew_when_the_old_curve_has_ended():
    plan = _spliced(0.0, handover="blend", max_plan_age_s=9.0)
    at_s = plan.end_s
    newer = Chunk(Q + 0.1, at_s, PERIOD)
    assert plan.splice(newer, at_s, STATE).is_accepted
    wanted = Plan(LIMITS, CONFIG)
    assert wanted.splice(newer, at_s, STATE).is_accepted
    for t in at_s + np.linspace(0.0, 0.6, 9):
        assert plan.sample(t) == pytest.approx(wanted.sample(t), abs=1e-12)


def test_fifth_blend_in_a_row_is_a_splice_so_that_a_tick_stays_cheap():
    plan = Plan(LIMITS, replace(CONFIG, handover="blend", blend_s=5.0))
    state = STATE
    is_spliced = []
    for k in range(8):
        at_s = 0.01 * k
        assert plan.splice(Chunk(Q, at_s, PERIOD), at_s, state).is_accepted
        alone = Plan(LIMITS, CONFIG)
        alone.splice(Chunk(Q, at_s, PERIOD), at_s, state)
        is_spliced.append(bool((plan.sample(0.2) == alone.sample(0.2)).all()))
        state = plan.sample(at_s + 0.01)
    assert is_spliced == [True, False, False, False, False, True, False, False]


def test_finished_blend_counts_no_more():
    plan = Plan(LIMITS, replace(CONFIG, handover="blend", blend_s=0.05, max_plan_age_s=9.0))
    state = STATE
    for k in range(9):
        at_s = 0.0625 * k
        assert plan.splice(Chunk(Q, at_s, PERIOD), at_s, state).is_accepted
        alone = Plan(LIMITS, CONFIG)
        alone.splice(Chunk(Q, at_s, PERIOD), at_s, state)
        is_blended = (plan.sample(at_s + 0.03) != alone.sample(at_s + 0.03)).any()
        assert is_blended == (k > 0)
        state = plan.sample(at_s + 0.0625)
