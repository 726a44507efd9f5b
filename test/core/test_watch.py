# SPDX-License-Identifier: Apache-2.0
"""The watch over joint states."""

from __future__ import annotations

import numpy as np
import pytest

from onestep_vla_ros.core.verdict import Reason
from onestep_vla_ros.core.watch import JointStateWatch


@pytest.fixture
def watch(bridge_config, home):
    watch = JointStateWatch(bridge_config)
    assert watch.take(home, np.zeros(14), 1.0, 1.0).is_accepted
    return watch


@pytest.mark.parametrize(
    ("q", "qd", "stamp", "reason"),
    [
        (np.zeros(13), None, 1.01, Reason.MALFORMED),
        (None, np.zeros(3), 1.01, Reason.MALFORMED),
        (np.full(14, np.nan), None, 1.01, Reason.NOT_FINITE),
        (None, np.full(14, np.inf), 1.01, Reason.NOT_FINITE),
        (None, None, np.nan, Reason.NOT_FINITE),
        (None, None, 1.04, Reason.FUTURE),
        (None, None, 1.0, Reason.DUPLICATE),
        (None, None, 0.99, Reason.OLDER),
        (np.full(14, 9.0), None, 1.01, Reason.OUT_OF_RANGE),
    ],
)
def test_bad_state_is_refused_and_the_old_one_stays(watch, home, q, qd, stamp, reason):
    verdict = watch.take(home if q is None else q, qd, stamp, 1.01)
    assert verdict.reason is reason
    assert watch.stamp_s == 1.0
    assert (watch.q == home).all()


def test_state_a_little_outside_the_limits_is_kept(watch, home):
    q = home.copy()
    q[6] = 0.75
    assert watch.take(q, None, 1.01, 1.01).is_accepted
    q[1] = 1.0
    q[6] = 0.8
    assert watch.take(q, None, 1.02, 1.02).is_accepted


def test_freshness_ends_exactly_at_the_timeout(watch):
    assert watch.is_fresh(1.0499999)
    assert not watch.is_fresh(1.0500001)
    assert watch.age_s(1.2) == pytest.approx(0.2)


def test_one_or_two_jumps_are_ignored_and_three_are_believed(watch, home):
    jumped = home.copy()
    jumped[0] += 0.5
    for k in (1, 2):
        verdict = watch.take(jumped, None, 1.0 + 0.01 * k, 1.1)
        assert verdict.reason is Reason.STATE_JUMP
        assert not watch.has_jumped
        assert (watch.q == home).all()
    assert watch.take(home, None, 1.03, 1.1).is_accepted
    for k in (4, 5, 6):
        assert not watch.take(jumped, None, 1.0 + 0.01 * k, 1.1).is_accepted
    assert watch.has_jumped
    assert (watch.q == jumped).all()
    assert watch.take(jumped, None, 1.07, 1.1).is_accepted


def test_longer_gaps_allow_larger_steps(watch, home):
    moved = home.copy()
    moved[0] += 0.5  # 5 x 2 rad/s x 0.05 s
    assert watch.take(moved, None, 1.0501, 1.06).is_accepted


def test_tracking_error_has_to_last(watch, home):
    off = home.copy()
    off[2] += 0.11
    faults = []
    for k in range(40):
        now = 1.01 + 0.01 * k
        watch.on_command(now, home if k == 9 else off)
        watch.take(home, None, now, now)
        faults.append(watch.tracking_fault(now))
    assert not any(faults[:20])  # nine periods, one at the command, ten more
    assert all(faults[21:])
    assert "left_joint3 is 0.110 off its command, allowed 0.100, for 0.11 s" in faults[21]


def test_stale_states_say_nothing_of_the_tracking(watch, home):
    off = home.copy()
    off[2] += 0.11
    watch.on_command(0.9, off)
    watch.take(home, None, 1.01, 1.01)
    assert not any(watch.tracking_fault(1.01 + 0.01 * k) for k in range(40))


def test_a_state_is_compared_with_what_was_commanded_for_its_time(watch, home):
    for k in range(10):
        watch.on_command(1.0 + 0.01 * k, home + 0.02 * k)
    watch.take(home + 0.08, None, 1.041, 1.09)
    assert watch.gap() == pytest.approx(np.zeros(14), abs=1e-12)
    watch.forget_commands()
    watch.on_command(1.2, home)
    assert watch.gap() == pytest.approx(np.full(14, 0.08))  # the first command, due later


def test_displacement_names_the_joint_at_once(watch, home):
    watch.on_command(0.9, home)
    assert watch.displacement() == ""
    moved = home.copy()
    moved[8] += 0.2
    watch.take(moved, None, 1.5, 1.5)
    assert "right_joint2 is 0.200 off its command, allowed 0.100" in watch.displacement()


def test_gripper_that_holds_something_is_no_tracking_error(watch, home):
    closed = home.copy()
    closed[[6, 13]] = 0.0
    watch.on_command(0.9, closed)
    for now in (1.01, 1.02, 9.0):
        watch.take(home, None, now, now)
        assert watch.tracking_fault(now) == ""
