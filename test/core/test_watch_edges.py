# SPDX-License-Identifier: Apache-2.0
"""The watch's and the metronome's last value that passes, and what they say of the first other."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from onestep_vla_ros.core.metronome import Metronome
from onestep_vla_ros.core.tally import Tally
from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected
from onestep_vla_ros.core.watch import JointStateWatch

TC = 0.0078125
HOME = np.full(14, 0.5)


@pytest.fixture
def watch(bridge_config):
    """Numbers that a double holds exactly, so that an edge is an edge."""
    limits = (0.125,) * 8 + (0.5,) + (0.125,) * 5
    return JointStateWatch(
        replace(
            bridge_config,
            control_period_s=TC,
            position_low=(-1.0,) * 14,
            position_high=(2.0,) * 14,
            measured_overshoot=0.0625,
            future_tolerance_s=0.0625,
            joint_state_timeout_s=0.0625,
            state_jump_factor=4.0,
            max_velocity=(2.0,) * 14,
            tracking_error_limit=limits,
            tracking_error_timeout_s=0.125,
        )
    )


def _at(j: int, value: float) -> np.ndarray:
    q = HOME.copy()
    q[j] = value
    return q


@pytest.mark.parametrize("value", [-1.0625, 2.0625])
def test_last_measured_position_that_passes(watch, value):
    assert watch.take(_at(8, value), None, 1.0, 1.0) == Accepted()
    assert watch.q[8] == value


@pytest.mark.parametrize(
    ("q", "qd", "stamp", "reason", "words"),
    [
        (
            _at(8, -1.07),
            None,
            1.0,
            Reason.OUT_OF_RANGE,
            "right_joint2 measured at -1.070, allowed -1.062 to 2.062",
        ),
        (
            _at(8, 2.07),
            None,
            1.0,
            Reason.OUT_OF_RANGE,
            "right_joint2 measured at 2.070, allowed -1.062 to 2.062",
        ),
        (HOME[:13], None, 1.0, Reason.MALFORMED, "joint state of shape [(13,)], allowed (14,)"),
        (
            HOME,
            np.zeros(3),
            1.0,
            Reason.MALFORMED,
            "joint state of shape [(14,), (3,)], allowed (14,)",
        ),
        (
            _at(0, math.nan),
            None,
            1.0,
            Reason.NOT_FINITE,
            "joint state holds a number that is not finite",
        ),
        (
            HOME,
            _at(0, math.inf),
            1.0,
            Reason.NOT_FINITE,
            "joint state holds a number that is not finite",
        ),
        (
            HOME,
            None,
            math.nan,
            Reason.NOT_FINITE,
            "joint state holds a number that is not finite",
        ),
        (HOME, None, 1.125, Reason.FUTURE, "joint state is 0.125 s ahead"),
    ],
)
def test_first_measured_state_that_does_not_pass(watch, q, qd, stamp, reason, words):
    assert watch.take(q, qd, stamp, 1.0) == Rejected(reason, words)
    assert watch.q is None
    assert watch.age_s(1.0) == math.inf


def test_duplicates_and_older_ones_are_not_new(watch):
    assert watch.take(HOME, HOME, 1.0625, 1.0) == Accepted()
    assert watch.age_s(1.125) == 0.0625
    assert watch.is_fresh(1.125)
    assert not watch.is_fresh(1.126)
    same = Rejected(Reason.DUPLICATE, "joint state of 1.062 s is not new")
    assert watch.take(HOME + 0.01, None, 1.0625, 1.0625) == same
    older = Rejected(Reason.OLDER, "joint state of 1.000 s is not new")
    assert watch.take(HOME + 0.01, None, 1.0, 1.0625) == older
    assert (watch.q == HOME).all()


def test_state_is_kept_as_a_copy(watch):
    q = HOME.copy()
    watch.take(q, None, 1.0, 1.0)
    q[:] = 0.0
    assert (watch.q == HOME).all()


def test_steps_up_to_the_jump_rate_pass_counted_over_at_least_a_period(watch):
    watch.take(HOME, None, 1.0, 1.0)
    assert watch.take(_at(8, 0.5 + 8.0 * 0.03125), None, 1.03125, 1.03125) == Accepted()
    one_period = 0.75 - 8.0 * TC
    assert watch.take(_at(8, one_period), None, 1.032, 1.032) == Accepted()
    too_far = watch.take(_at(8, one_period + 0.07), None, 1.032 + TC, 1.04)
    assert too_far == Rejected(Reason.STATE_JUMP, "right_joint2 by 0.070 in 0.008 s")
    assert watch.is_jumping
    assert not watch.has_jumped
    assert watch.take(_at(8, one_period), None, 1.04, 1.04) == Accepted()
    assert not watch.is_jumping


def test_three_jumps_in_a_row_are_believed_and_said(watch):
    watch.take(HOME, None, 1.0, 1.0)
    far = _at(0, 1.5)
    for k in (1, 2):
        assert watch.take(far, None, 1.0 + 0.001 * k, 1.01).reason is Reason.STATE_JUMP
        assert (watch.q == HOME).all()
    said = Rejected(Reason.STATE_JUMP, "3 joint states in a row jump")
    assert watch.take(far, None, 1.003, 1.01) == said
    assert watch.has_jumped
    assert (watch.q == far).all()
    assert watch.stamp_s == 1.003
    assert watch.take(far, None, 1.004, 1.01) == Accepted()
    assert not watch.has_jumped
    watch.forget()
    assert watch.q is None
    assert watch.take(HOME, None, 0.5, 0.5) == Accepted()


def _track(watch, now: float, *, off: float = 0.25, j: int = 3) -> str:
    """Command HOME and measure joint j off it, both for now."""
    watch.on_command(now, HOME)
    q = HOME.copy()
    q[j] += off
    assert watch.take(q, None, now, now).is_accepted
    return watch.tracking_fault(now)


def test_tracking_error_at_its_limit_is_none_and_beyond_it_has_to_last(watch):
    for k in range(40):
        assert _track(watch, 1.0 + TC * k, off=0.125) == ""
    assert watch.displacement() == ""
    found = [_track(watch, 2.0 + TC * k, off=0.1875) for k in range(18)]
    assert found[:16] == [""] * 16
    words = "left_joint4 is 0.188 off its command, allowed 0.125,"
    assert found[16] == f"{words} for 0.12 s, allowed for 0.125 s"
    assert watch.displacement() == words


@pytest.mark.parametrize("how", ["forgotten", "stale", "back"])
def test_time_of_a_tracking_error_starts_anew(watch, how):
    for k in range(12):
        _track(watch, 1.0 + TC * k)
    if how == "forgotten":
        watch.forget_commands()
        assert watch.gap().tolist() == [0.0] * 14
        assert watch.tracking_fault(1.1) == ""
    elif how == "stale":
        assert watch.tracking_fault(1.5) == ""
    else:
        _track(watch, 1.25, off=0.0)
    found = [_track(watch, 2.0 + TC * k) for k in range(17)]
    assert found[:16] == [""] * 16
    assert found[16] != ""


def test_joint_furthest_beyond_its_own_limit_is_named(watch):
    watch.on_command(1.0, HOME)
    q = HOME.copy()
    q[8] += 0.5625  # a little more than its limit of 0.5
    q[3] -= 0.25  # twice its limit of 0.125
    watch.take(q, None, 1.0, 1.0)
    assert watch.displacement() == "left_joint4 is 0.250 off its command, allowed 0.125,"


def test_gap_is_judged_against_the_command_for_the_states_own_time(watch):
    assert watch.gap().tolist() == [0.0] * 14
    watch.take(HOME, None, 1.03, 1.03)
    assert watch.gap().tolist() == [0.0] * 14
    for k in range(4):
        watch.on_command(1.0 + 0.02 * k, HOME + 0.25 * k)
    assert watch.gap() == pytest.approx(np.full(14, 0.25))
    watch.take(HOME, None, 1.04, 1.04)
    assert watch.gap() == pytest.approx(np.full(14, 0.5))
    watch.forget_commands()
    watch.on_command(9.0, HOME + 0.375)  # nothing was commanded for that early: the first is
    assert watch.gap() == pytest.approx(np.full(14, 0.375))


@pytest.mark.parametrize(
    ("after", "missed"),
    [(0.1, 0), (0.0999, None), (1.0, 0), (1.999, 0), (2.0, 1), (2.999, 1), (3.0, 2)],
)
def test_edges_of_a_period(after, missed):
    metronome = Metronome(1.0)
    metronome.start(0.0)
    assert metronome.beat(after) == missed


def test_refusal_is_the_reason_to_hold_only_without_a_plan():
    tally = Tally(resume_chunks=2, fault_chunks=2)
    late = Rejected(Reason.LATE, "too late")
    assert tally.hold_reason == "no chunk yet"
    assert tally.refuse(late, has_plan=True) == ""
    assert tally.hold_reason == "no chunk yet"
    assert tally.refuse(late, has_plan=False) == ""
    assert tally.hold_reason == "chunk refused, too few waypoints left: too late"


def test_only_as_many_commands_are_kept_as_a_fresh_state_can_need(watch):
    for k in range(1000):
        watch.on_command(TC * k, HOME)
    assert len(watch._commands) == 8 + 3  # the timeout is eight periods


def test_forget_ends_a_row_of_jumps(watch):
    assert (watch.is_jumping, watch.has_jumped) == (False, False)
    watch.take(HOME, None, 1.0, 1.0)
    watch.take(_at(0, 1.5), None, 1.001, 1.01)
    assert watch.is_jumping
    watch.forget()
    assert (watch.is_jumping, watch.has_jumped) == (False, False)
