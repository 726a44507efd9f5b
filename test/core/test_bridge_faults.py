# SPDX-License-Identifier: Apache-2.0
"""What the bridge does when joint states, the clock or the ticks go wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bridge_rig import TC, Rig, is_braking

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Reason, Rejected


def test_braking_starts_in_the_first_tick_after_the_joint_state_deadline(rig, check_wire):
    rig.enable()
    rig.run()
    rig.has_states = False
    lost_at = rig.now
    while rig.commands[-1].mode is Mode.RUN:
        rig.tick()
    assert rig.commands[-1].mode is Mode.STOP
    assert 0.05 < rig.now - lost_at <= 0.05 + TC + 1e-9
    assert is_braking(rig.commands[-2], rig.commands[-1])
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
    assert is_braking(rig.commands[-2], rig.commands[-1])
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
    assert is_braking(rig.commands[-2], command)
    rig.tick(60)
    assert rig.commands[-1].mode is Mode.FAULT
    assert not [c for c in rig.commands if c.q is not None][-1].qd.any()
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
    rig = Rig(replace(bridge_config, output_mode=(mode, mode)), home)
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


def test_enable_waits_until_joint_states_no_longer_jump(bridge_config, home):
    """Three states elsewhere were believed, then the true ones were refused as jumps."""
    bridge, now = Bridge(bridge_config), 1.0
    bridge.on_joint_state(home, None, now, now)
    for k in (1, 2, 3):
        now = 1.0 + 1e-4 * k
        bridge.on_joint_state(home + 0.3, None, now, now)
    for k in (1, 2):
        now = 1.01 + 0.01 * k
        bridge.on_joint_state(home, None, now, now)
    verdict = bridge.enable(now)
    assert verdict.reason is Reason.NO_STATE
    assert "measured position jumps" in verdict.detail
    for k in (3, 4):
        now = 1.01 + 0.01 * k
        bridge.on_joint_state(home, None, now, now)
    assert bridge.enable(now).is_accepted
    assert np.array_equal(bridge.tick(now).q, home)
