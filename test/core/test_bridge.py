# SPDX-License-Identifier: Apache-2.0
"""The bridge as the operator and the policy meet it, on a fake clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Reason, Rejected

TC = 0.01


class Rig:
    """A bridge, its clock, and arms that are wherever the last command sent them."""

    def __init__(self, config, home) -> None:
        self.bridge, self.config, self.home = Bridge(config), config, home
        self.tick_count, self.commands = 0, []
        self.has_states = True
        self.q = home.copy()

    @property
    def now(self) -> float:
        return self.tick_count * TC

    def tick(self, count=1):
        for _ in range(count):
            self.tick_count += 1
            if self.has_states:
                self.bridge.on_joint_state(self.q, np.zeros(14), self.now, self.now)
            command = self.bridge.tick(self.now)
            self.commands.append(command)
            if command.q is not None:
                self.q = command.q
        return self.commands[-1]

    def enable(self):
        self.tick()
        verdict = self.bridge.enable(self.now)
        assert verdict.is_accepted, verdict
        return self.tick()

    def wave(self, stamp, points=16):
        t = stamp + 0.04 * np.arange(1, points + 1)
        return self.home + 0.2 * np.sin(2.0 * t)[:, None]

    def send(self, age=0.05, **change):
        stamp = self.now - age
        q = change.pop("q", None)
        chunk = Chunk(self.wave(stamp) if q is None else q, stamp, change.pop("period", 0.04))
        return self.bridge.on_chunk(chunk, self.now)

    def run(self, ticks=60):
        """Get going: a chunk every 16 ticks for `ticks`."""
        for k in range(ticks):
            if k % 16 == 0:
                verdict = self.send(age=0.0)
                assert verdict.is_accepted, verdict
            self.tick()
        assert self.commands[-1].mode is Mode.RUN
        assert np.abs(self.commands[-1].qd).max() > 0.05
        return self


@pytest.fixture
def rig(bridge_config, home):
    return Rig(bridge_config, home)


def _is_braking(before, after) -> bool:
    """Is `after` one period along the stop that `before` announced?"""
    return np.allclose(before.stop.sample(TC)[0], after.q, atol=1e-12, rtol=0)


def test_nothing_is_commanded_before_enable(rig):
    command = rig.tick()
    assert command.mode is Mode.IDLE
    assert command.q is None
    assert rig.send().reason is Reason.NOT_ENABLED
    assert rig.tick(50).q is None


def test_enable_needs_a_fresh_joint_state(rig):
    assert rig.bridge.enable(0.0).reason is Reason.NO_STATE
    rig.tick()
    rig.has_states = False
    rig.tick(10)
    verdict = rig.bridge.enable(rig.now)
    assert verdict.reason is Reason.NO_STATE
    assert "0.10 s old" in verdict.detail


def test_enable_says_which_joint_keeps_the_state_from_being_fresh(rig):
    rig.q = rig.home.copy()
    rig.q[8] = -0.2
    rig.tick()
    assert "right_joint2 measured at -0.200" in rig.bridge.enable(rig.now).detail


def test_first_command_is_the_measured_state_at_rest(rig):
    command = rig.enable()
    assert (command.q == rig.home).all()
    assert not command.qd.any()
    assert not command.qdd.any()
    assert command.mode is Mode.HOLD
    assert command.reason == "no chunk yet"
    assert (rig.tick(20).q == rig.home).all()


def test_first_command_lies_inside_the_limits(rig):
    rig.q[[6, 13]] = (1.04, -0.04)
    command = rig.enable()
    assert command.q[[6, 13]].tolist() == [1.0, 0.0]


def test_command_follows_the_chunk_on_its_own_clock(rig, check_wire):
    rig.enable()
    rig.run(200)
    for command in rig.commands[-100:]:
        wanted = rig.home + 0.2 * np.sin(2.0 * command.stamp_s)
        assert np.abs(command.q - wanted).max() < 2e-3
    check_wire(rig.commands, rig.config)
    summary = rig.bridge.ledger.summary()
    assert summary.governed_ticks == 0
    assert summary.spliced == 13
    assert summary.capture_to_command.p99_ms == pytest.approx(10.0)


def test_chunk_may_come_between_enable_and_the_first_tick(rig):
    rig.tick()
    rig.bridge.enable(rig.now)
    assert rig.send(age=0.0).is_accepted
    assert (rig.tick().q == rig.home).all()
    assert rig.tick().mode is Mode.RUN


def test_commanded_time_steps_by_exactly_one_period(rig):
    rig.enable()
    rig.run(100)
    stamps = [command.stamp_s for command in rig.commands[2:]]
    assert np.diff(stamps) == pytest.approx(np.full(len(stamps) - 1, TC), abs=1e-12)
    assert rig.commands[-1].stamp_s == pytest.approx(rig.now + TC)


def test_chunk_observed_before_enable_is_refused(rig):
    rig.tick(10)
    rig.enable()
    assert rig.send(age=0.05).reason is Reason.BEFORE_ENABLE


def test_plan_ends_at_rest_and_holds_when_the_policy_dies(rig, check_wire):
    rig.enable()
    rig.run(60)
    rig.tick(100)
    last = rig.commands[-1]
    assert last.mode is Mode.HOLD
    assert "waiting for a good chunk" in last.reason
    assert not last.qd.any()
    assert (rig.tick(50).q == last.q).all()
    check_wire(rig.commands, rig.config)


def test_short_chunk_runs_out_at_rest_on_its_last_waypoint(rig):
    rig.enable()
    chunk = Chunk(rig.wave(rig.now, points=5), rig.now, 0.04)
    assert rig.bridge.on_chunk(chunk, rig.now).is_accepted
    rig.tick(45)
    assert rig.commands[-1].mode is Mode.HOLD
    assert "has run out" in rig.commands[-1].reason
    assert rig.q == pytest.approx(chunk.q[-1], abs=1e-3)


def test_plan_on_an_old_observation_is_let_go(bridge_config, home):
    rig = Rig(replace(bridge_config, max_plan_age_s=0.3), home)
    rig.enable()
    rig.run(49)  # the newest observation is from the tick before the last
    stamp = rig.now - TC
    while rig.commands[-1].mode is Mode.RUN:
        rig.tick()
    assert 0.3 < rig.now - stamp <= 0.3 + TC + 1e-9
    assert _is_braking(rig.commands[-2], rig.commands[-1])


def test_braking_starts_in_the_first_tick_after_the_joint_state_deadline(rig, check_wire):
    rig.enable()
    rig.run()
    rig.has_states = False
    lost_at = rig.now
    while rig.commands[-1].mode is Mode.RUN:
        rig.tick()
    assert rig.commands[-1].mode is Mode.STOP
    assert 0.05 < rig.now - lost_at <= 0.05 + TC + 1e-9
    assert _is_braking(rig.commands[-2], rig.commands[-1])
    assert "joint_states are 0.0" in rig.commands[-1].reason
    ticks_to_rest = 0
    while rig.commands[-1].qd.any():
        rig.tick()
        ticks_to_rest += 1
    assert ticks_to_rest * TC <= 0.24 + TC
    check_wire(rig.commands, rig.config)


def test_joint_states_that_return_within_a_second_let_it_go_on(rig, check_wire):
    rig.enable()
    rig.run()
    rig.has_states = False
    rig.tick(40)
    rig.has_states = True
    assert rig.tick().mode is Mode.HOLD
    rig.home = rig.q - 0.2 * np.sin(2.0 * rig.now)
    rig.run()
    check_wire(rig.commands, rig.config)


def test_joint_states_lost_for_a_second_are_a_latched_fault(rig):
    rig.enable()
    rig.run()
    rig.has_states = False
    lost_at = rig.now
    while rig.commands[-1].mode is not Mode.FAULT:
        rig.tick()
    assert 1.0 < rig.now - lost_at <= 1.0 + TC + 1e-9
    rig.has_states = True
    assert rig.tick(10).mode is Mode.FAULT
    assert rig.send().reason is Reason.STOPPED
    assert not rig.bridge.enable(rig.now).is_accepted
    assert rig.bridge.reset(rig.now).is_accepted
    assert rig.tick().mode is Mode.IDLE
    assert (rig.enable().q == rig.q).all()
    assert rig.commands[-1].mode is Mode.HOLD


def test_stop_brakes_at_once_latches_and_says_when_it_is_done(rig):
    rig.enable()
    rig.run()
    assert rig.bridge.stop(rig.now).detail == "stopping"
    assert rig.tick().mode is Mode.STOP
    assert _is_braking(rig.commands[-2], rig.commands[-1])
    assert rig.bridge.reset(rig.now).reason is Reason.NOT_AT_REST
    rig.tick(40)
    assert rig.bridge.is_at_rest
    assert rig.bridge.stop(rig.now).detail == "stopped"
    assert rig.send().reason is Reason.STOPPED
    assert rig.tick().mode is Mode.STOP
    assert rig.bridge.reset(rig.now).is_accepted
    assert rig.tick().mode is Mode.IDLE


def test_disable_brakes_then_falls_silent(rig, check_wire):
    rig.enable()
    rig.run()
    rig.bridge.disable(rig.now)
    assert rig.tick().mode is Mode.STOP
    rig.tick(40)
    assert rig.commands[-1].q is None
    assert rig.commands[-1].mode is Mode.IDLE
    sent = [command for command in rig.commands if command.q is not None]
    assert not sent[-1].qd.any()
    check_wire(rig.commands, rig.config)
    assert (rig.enable().q == rig.q).all()


def test_bad_chunk_leaves_the_plan_bit_identical(bridge_config, home):
    rigs = Rig(bridge_config, home), Rig(bridge_config, home)
    for rig in rigs:
        rig.enable()
        rig.run()
    assert not rigs[0].send(q=np.full((16, 14), np.nan)).is_accepted
    assert not rigs[0].send(q=np.zeros((1, 14))).is_accepted
    assert not rigs[0].send(age=-0.1).is_accepted
    for _ in range(30):
        a, b = (rig.tick() for rig in rigs)
        assert (a.q == b.q).all()


def test_bad_chunks_in_a_row_are_a_fault(rig):
    rig.enable()
    rig.run()
    for _ in range(2):
        rig.send(q=np.full((16, 14), np.nan))
        assert rig.tick().mode is Mode.RUN
    assert rig.send(age=0.0).is_accepted
    for _ in range(3):
        assert rig.tick().mode is Mode.RUN
        rig.send(q=np.full((16, 14), np.inf))
    assert rig.tick().mode is Mode.FAULT
    assert "left_joint1 is inf" in rig.commands[-1].reason
    assert rig.bridge.counts["action_chunk: not finite"] == 5


def test_duplicate_and_older_chunks_are_counted_and_ignored(rig):
    rig.enable()
    rig.run(64)
    chunk = Chunk(rig.wave(rig.now), rig.now, 0.04)
    assert rig.bridge.on_chunk(chunk, rig.now).is_accepted
    assert rig.bridge.on_chunk(chunk, rig.now).reason is Reason.DUPLICATE
    assert rig.send(age=0.1).reason is Reason.OLDER
    assert rig.bridge.ledger.summary().rejected == 2
    assert rig.bridge.ledger.summary().late == 0


def test_late_chunk_is_dropped_and_counted_never_run_late(rig):
    rig.enable()
    rig.run()
    stamp = rig.now
    rig.tick(10)
    short = Chunk(rig.wave(stamp, points=3), stamp, 0.04)
    assert rig.bridge.on_chunk(short, rig.now).reason is Reason.LATE
    rig.tick(21)
    verdict = rig.bridge.on_chunk(Chunk(rig.wave(stamp), stamp, 0.04), rig.now)
    assert verdict.reason is Reason.TOO_OLD
    assert rig.bridge.ledger.summary().late == 2


def test_hold_is_left_after_as_many_good_chunks_as_asked(bridge_config, home):
    rig = Rig(replace(bridge_config, resume_chunks=3), home)
    rig.enable()
    for k in (1, 2):
        rig.home = home - 0.2 * np.sin(2.0 * rig.now)
        assert f"{k} of 3 good chunks" in rig.send(age=0.0).detail
        assert rig.tick().mode is Mode.HOLD
    assert rig.commands[-1].reason.startswith("2 of 3 good chunks")
    rig.send(age=-0.5)  # a bad one starts the count anew
    for _ in range(3):
        assert rig.tick().mode is Mode.HOLD
        rig.home = home - 0.2 * np.sin(2.0 * rig.now)
        assert rig.send(age=0.0).is_accepted
    assert rig.tick().mode is Mode.RUN


def test_chunks_during_braking_wait_for_rest(bridge_config, home):
    rig = Rig(replace(bridge_config, max_plan_age_s=0.3), home)
    rig.enable()
    rig.run(49)
    while rig.commands[-1].mode is Mode.RUN:
        rig.tick()
    assert not rig.bridge.is_at_rest
    assert "at rest first" in rig.send(age=0.0).detail
    assert rig.tick().mode is Mode.HOLD
    while not rig.bridge.is_at_rest:
        assert rig.tick().mode is Mode.HOLD
    rig.home = rig.q - 0.2 * np.sin(2.0 * rig.now)
    rig.run(10)


def test_blocked_arm_is_a_fault_after_its_timeout(rig):
    rig.enable()
    blocked = rig.home.copy()
    k = 0
    while rig.commands[-1].mode is not Mode.FAULT:
        if k % 16 == 0:
            rig.send(age=0.0)
        rig.q = blocked.copy()
        rig.q[0] = rig.home[0]
        rig.tick()
        k += 1
        assert k < 200
    gap = [abs(c.q[0] - rig.home[0]) > 0.1 for c in rig.commands if c.q is not None]
    assert (len(gap) - gap.index(True)) * TC == pytest.approx(0.1 + 2 * TC, abs=TC)
    assert "off its command" in rig.commands[-1].reason


@pytest.mark.parametrize(
    "bad", [np.full(14, np.nan), np.zeros(13), np.full(14, 8.0)], ids=["nan", "short", "outside"]
)
def test_bad_joint_state_is_a_fault_while_enabled_only(rig, bad):
    rig.tick()
    rig.bridge.on_joint_state(bad, None, rig.now + 1e-3, rig.now + 1e-3)
    assert rig.tick().mode is Mode.IDLE
    rig.enable()
    rig.run()
    rig.bridge.on_joint_state(bad, None, rig.now + 1e-3, rig.now + 1e-3)
    assert rig.tick().mode is Mode.FAULT
    assert _is_braking(rig.commands[-2], rig.commands[-1])
    assert "joint_states" in rig.commands[-1].reason


def test_joint_state_the_node_could_not_read_is_a_fault_too(rig):
    rig.enable()
    missing = Rejected(Reason.WRONG_JOINTS, "no left_joint3")
    rig.bridge.refuse("joint_states", missing, rig.now)
    assert "no left_joint3" in rig.tick().reason
    assert rig.commands[-1].mode is Mode.FAULT


def test_chunk_the_node_could_not_read_is_counted(rig):
    rig.enable()
    rig.run()
    rig.bridge.refuse("action_chunk", Rejected(Reason.WRONG_JOINTS, "13 names"), rig.now)
    assert rig.tick().mode is Mode.RUN
    assert rig.bridge.counts["action_chunk: wrong joints"] == 1


def test_single_encoder_jump_is_ignored_and_a_lasting_one_is_a_fault(rig):
    rig.enable()
    rig.run()
    jumped = rig.q.copy()
    jumped[0] += 0.5
    rig.bridge.on_joint_state(jumped, None, rig.now + 0.001, rig.now + 0.001)
    assert rig.tick().mode is Mode.RUN
    for k in range(1, 4):
        rig.bridge.on_joint_state(jumped, None, rig.now + 0.001 * k, rig.now + 0.001 * k)
    assert rig.tick().mode is Mode.FAULT


def test_clock_that_goes_back_stops_and_faults_and_never_disarms(rig, check_wire):
    rig.enable()
    rig.run()
    rig.tick_count -= 30
    command = rig.tick()
    assert command.mode is Mode.FAULT
    assert "clock went back by 0.290 s" in command.reason
    assert _is_braking(rig.commands[-2], command)
    rig.tick(60)
    assert rig.commands[-1].mode is Mode.FAULT
    assert rig.commands[-1].q is not None
    assert not rig.commands[-1].qd.any()
    check_wire(rig.commands, rig.config)
    assert rig.bridge.reset(rig.now).is_accepted
    rig.enable()
    rig.home = rig.q - 0.2 * np.sin(2.0 * rig.now)
    rig.run()


def test_clock_that_goes_back_while_idle_is_no_fault(rig):
    rig.enable()
    rig.run()
    rig.bridge.disable(rig.now)
    assert rig.tick(100).mode is Mode.IDLE
    rig.tick_count = 0
    assert rig.tick().mode is Mode.IDLE
    assert rig.enable().mode is Mode.HOLD
    rig.home = rig.q - 0.2 * np.sin(2.0 * rig.now)
    rig.run()  # stamps of the old clock are forgotten


def test_tick_that_comes_too_early_repeats_the_command(rig):
    rig.enable()
    rig.run()
    last = rig.commands[-1]
    assert rig.bridge.tick(rig.now) is last
    assert rig.bridge.tick(rig.now + 0.0005) is last


def test_late_ticks_within_a_period_are_no_overrun(rig, check_wire):
    rig.enable()
    rig.run()
    for k in range(60):
        rig.tick_count += 1
        late = rig.now + (0.0, 0.004, 0.009)[k % 3]
        if k % 16 == 0:
            rig.bridge.on_chunk(Chunk(rig.wave(late), late, 0.04), late)
        rig.bridge.on_joint_state(rig.q, None, late, late)
        command = rig.bridge.tick(late)
        rig.commands.append(command)
        rig.q = command.q
    assert rig.bridge.ledger.summary().overruns == 0
    check_wire(rig.commands, rig.config)


@pytest.mark.parametrize("mode", ["forward_position", "joint_trajectory"])
def test_missed_periods_are_counted_and_never_caught_up_in_a_burst(bridge_config, home, mode):
    rig = Rig(replace(bridge_config, output_mode=mode), home)
    rig.enable()
    rig.run()
    before = rig.commands[-1]
    rig.tick_count += 10
    after = rig.tick()
    assert rig.bridge.ledger.summary().overruns == 10
    assert after.stamp_s == pytest.approx(before.stamp_s + 11 * TC)
    if mode == "joint_trajectory":  # the controller has run along the announced stop
        along = before.stop.sample(10 * TC)[0]
        assert np.abs(after.q - along).max() <= TC * 4.0
    else:
        assert (np.abs(after.q - before.q) <= TC * np.array(rig.config.max_velocity)).all()


def test_output_is_anchored_to_the_command_never_to_feedback(bridge_config, home):
    rng = np.random.default_rng(0)
    exact, noisy = Rig(bridge_config, home), Rig(bridge_config, home)
    for rig in (exact, noisy):
        rig.enable()
    for k in range(150):
        for rig in (exact, noisy):
            if k % 16 == 0:
                assert rig.send(age=0.0).is_accepted
            if rig is noisy:
                rig.q = rig.q - 0.03 + rng.normal(0.0, 0.005, 14)
            rig.tick()
        assert (exact.commands[-1].q == noisy.commands[-1].q).all()
