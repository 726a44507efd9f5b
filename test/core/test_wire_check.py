# SPDX-License-Identifier: Apache-2.0
"""A good stream passes the wire checker; spoil it in one way and that way is named."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from wire_rig import ARMS, TC, Message, record

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.wire_check import WireCheck
from onestep_vla_ros.core.wire_units import WireUnits


@pytest.fixture(scope="module")
def config(bridge_config):
    both = ("joint_trajectory", "joint_trajectory")
    return replace(bridge_config, output_mode=both, start_check="off")


@pytest.fixture(scope="module")
def recorded(config, home):
    """What a bridge sends of a movement of 1 s, a wild chunk each 0.2 s; left, right, left, …"""
    return record(config, home, 100)


def judged(config, messages, home=None) -> WireCheck:
    check = WireCheck(config)
    if home is not None:
        check.on_measured(home)
    check.on_mode("HOLD", 0.0)
    for one in messages:
        one.to(check)
    check.finish()
    return check


def spoilt(recorded, at, **changes):
    """The stream with one message changed by functions of the message."""
    found = list(recorded)
    one = found[at]
    found[at] = replace(one, **{name: change(one) for name, change in changes.items()})
    return found


def moving(recorded, least=0.5):
    """Index of a left message that moves."""
    return next(i for i, m in enumerate(recorded) if np.abs(m.qd[0]).max() > least and i % 2 == 0)


def test_a_good_stream_has_no_violation(config, recorded, home):
    check = judged(config, recorded, home)
    assert not check.violations, check.examples
    assert check.samples == 100 * 14
    assert check.messages == 200
    assert moving(recorded) > 0


def test_missed_ticks_are_no_violation_when_the_tail_is_followed(config, home):
    sent = record(config, home, 80, gaps=(30, 31, 55))
    check = judged(config, sent, home)
    assert not check.violations, check.examples
    periods = round((sent[-1].stamp_s - sent[0].stamp_s) / TC)
    assert check.samples == (periods + 1) * 14 > 80 * 14


def test_grippers_of_their_own_and_units_are_understood(config, home):
    own = replace(
        config,
        gripper_output="joint_trajectory",
        left_output_joints=config.joint_names[5::-1],
        right_output_joints=config.joint_names[7:13],
        wire_scale=tuple([1.0] * 5 + [-2.0, -0.0475] + [1.0] * 6 + [0.0475]),
        wire_offset=tuple([0.0] * 5 + [0.3, 0.0475] + [0.0] * 7),
    )
    units, check = WireUnits(own), WireCheck(own)
    assert check.channels == ("left", "right", "left_gripper", "right_gripper")
    check.on_measured(np.array(own.wire_scale) * home + np.array(own.wire_offset))
    still = np.zeros(14)
    for k in range(3):
        for name in check.channels:
            q, rate = units.to_wire(name, home), units.rates_to_wire(name, still)
            check.on_trajectory(name, 9.0 + k * TC, units.names[name], [0.0], [q], [rate], [rate])
    check.finish()
    assert not check.violations, check.examples


def nan_q(m):
    q = m.q.copy()
    q[1, 2] = np.nan
    return q


def plus(field, value, knot=0, joint=3):
    def change(m):
        array = getattr(m, field).copy()
        array[knot, joint] += value
        return array

    return change


def cut(field):
    return lambda m: getattr(m, field)[:2]


SPOILT = {
    "NaN position": ("I1", {"q": nan_q}),
    "infinite time": ("I1", {"times": lambda m: np.append(m.times[:-1], np.inf)}),
    "beyond the position limit": ("I2", {"q": plus("q", 3.0)}),
    "too fast": ("I3", {"q": plus("q", 0.021)}),
    "accelerates too much": ("I4", {"q": plus("q", 1.1e-3)}),
    "jerks too much": ("I5", {"q": plus("q", 6e-4)}),
    "half a period later": ("I6", {"stamp_s": lambda m: m.stamp_s + 0.5 * TC}),
    "a microsecond later": ("I6", {"stamp_s": lambda m: m.stamp_s + 1e-6}),
    "the stamp before": ("I6", {"stamp_s": lambda m: round(m.stamp_s - TC, 9)}),
    "an older stamp": ("I6", {"stamp_s": lambda m: round(m.stamp_s - 5 * TC, 9)}),
    "times that fall": ("I6", {"times": lambda m: m.times[::-1]}),
    "position apart": ("I7", {"q": plus("q", 3e-4)}),
    "velocity apart": ("I7", {"qd": plus("qd", 0.06)}),
    "acceleration apart": ("I7", {"qdd": plus("qdd", 11.0)}),
    "a knot off its way": ("I8", {"q": plus("q", 2e-4, knot=3)}),
    "a knot too fast": ("I8", {"qd": plus("qd", 0.02, knot=3)}),
    "a tail in half its time": ("I8", {"times": lambda m: 0.5 * m.times}),
    "a tail without end": ("I8", {"times": lambda m: np.append(m.times[:-1], 1e9)}),
    "a NaN far down the tail": ("I1", {"q": lambda m: np.where(m.q == m.q[-1], np.nan, m.q)}),
    "an end that moves": ("I9", {k: cut(k) for k in ("times", "q", "qd", "qdd")}),
    "an end that accelerates": ("I9", {"qdd": plus("qdd", 1e-9, knot=-1)}),
    "names in another order": ("I10", {"names": lambda m: m.names[::-1]}),
    "another name": ("I10", {"names": lambda m: ["elbow", *m.names[1:]]}),
    "a joint missing": ("I10", {k: lambda m, k=k: getattr(m, k)[..., :6] for k in ("q", "qd")}),
    "no point": (
        "I10",
        {k: lambda m, k=k: getattr(m, k)[:0] for k in ("times", "q", "qd", "qdd")},
    ),
    "a stamp unlike the other arm's": ("I11", {"stamp_s": lambda m: round(m.stamp_s + TC, 9)}),
    "an unknown topic": ("I10", {"channel": lambda m: "middle"}),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_message_is_named(config, recorded, home, what):
    invariant, changes = SPOILT[what]
    at = moving(recorded)
    check = judged(config, spoilt(recorded, at, **changes), home)
    assert check.violations[invariant] >= 1, dict(check.violations)
    assert check.examples[invariant]


def test_a_tail_beyond_the_position_limit_is_i8(config, recorded, home):
    at = moving(recorded)
    low = replace(config, position_high=tuple([recorded[at].q.max() - 1e-5 + 0.01] * 14))
    found = judged(low, [recorded[at]]).violations
    assert found["I8"] == 1
    assert found["I13"] == 1  # and it begins in motion


def test_knots_that_are_no_jerk_switches_are_i8(config, home):
    """Nine even knots between set point and rest, as this bridge once sent."""
    units, sent = WireUnits(config), []
    bridge, now, q = Bridge(config), 50.0, home
    bridge.on_joint_state(q, None, now, now)
    bridge.enable(now)
    for k in range(60):
        now += TC
        bridge.on_joint_state(q, None, now, now)
        if k == 2:
            target = np.linspace(home, np.clip(home - 0.4, 0.0, None), 8)
            bridge.on_chunk(Chunk(target, now, 0.04), now)
        command = bridge.tick(now)
        q = command.q
        times = np.linspace(0.0, max(command.stop.duration_s, TC), 9)
        states = command.stop.sample(times[:, None])
        states[1:, -1] = 0.0
        sent += [
            Message(arm, round(command.stamp_s, 9), units.names[arm], np.round(times, 9), *part)
            for i, arm in enumerate(ARMS)
            for part in [states[:, :, 7 * i : 7 * i + 7]]
        ]
    check = judged(config, sent)
    assert set(check.violations) == {"I8"}


def test_one_arm_left_behind_is_i11(config, recorded, home):
    without = [m for i, m in enumerate(recorded) if not (m.channel == "right" and i > 100)]
    check = judged(config, without, home)
    assert check.violations["I11"] >= 1


def test_output_while_idle_is_i12(config, recorded, home):
    check = judged(config, recorded[:20], home)
    check.on_mode("IDLE", recorded[20].stamp_s - TC)
    recorded[20].to(check)
    assert check.violations["I12"] == 1


def test_tails_may_be_followed_in_one_message_of_three(config, recorded, home):
    found = []
    for every in (1, 3):
        check = WireCheck(config, tail_every=every)
        for one in recorded:
            replace(one, q=one.q + 1e-3 * (np.arange(len(one.q)) == 2)[:, None]).to(check)
        found.append(check.violations["I8"])
    assert found[0] > 100
    assert found[1] == pytest.approx(found[0] / 3, abs=5)


def test_a_second_publisher_is_i12(config):
    check = WireCheck(config)
    check.on_publishers("left", 1)
    assert not check.violations
    check.on_publishers("left", 2)
    assert check.violations == {"I12": 1}


def test_a_run_that_does_not_start_at_the_measured_state_is_i13(config, recorded, home):
    assert judged(config, recorded, home + 1e-5).violations["I13"] == 2  # each arm
    assert judged(config, recorded[moving(recorded) :]).violations["I13"] == 2  # in motion


def test_a_new_run_after_idle_may_start_anywhere(config, recorded, home):
    check = judged(config, recorded[:40], home)
    check.on_mode("IDLE", recorded[40].stamp_s)
    check.on_measured(home + 0.2)
    check.on_mode("HOLD", recorded[40].stamp_s + 1.0)
    for m in recorded[:2]:
        replace(m, stamp_s=round(m.stamp_s + 9.0, 9), q=m.q + 0.2).to(check)
    assert not check.violations, check.examples


def test_an_announced_clock_jump_is_no_violation_of_i6(config, recorded, home):
    def jumped(is_told):
        check = judged(config, recorded[:60], home)
        if is_told:
            check.on_clock_jump()
        for m in recorded[60:]:
            replace(m, stamp_s=round(m.stamp_s - 0.305, 9)).to(check)
        return check.violations

    assert not jumped(True)
    assert jumped(False)["I6"] == 2


def test_one_bit_shows_in_the_digest(config, recorded, home):
    first, same = judged(config, recorded, home), judged(config, recorded, home)
    bit = spoilt(recorded, 90, q=lambda m: np.nextafter(m.q, np.inf))
    assert first.digest() == same.digest() != judged(config, bit, home).digest()


def test_a_tick_costs_well_below_a_millisecond(config, recorded, home):
    check = WireCheck(config)
    spent = []
    for one in recorded:
        begun = time.thread_time()
        one.to(check)
        spent.append(time.thread_time() - begun)
    assert 2.0 * np.median(spent) < 0.9e-3  # both arms; 0.4 ms seen
