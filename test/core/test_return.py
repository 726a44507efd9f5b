# SPDX-License-Identifier: Apache-2.0
"""Arms that were gone and come back are not moved by what was commanded before."""

from __future__ import annotations

import numpy as np
import pytest
from bridge_rig import Rig

from onestep_vla_ros.core.supervisor import Mode


def _lose(rig: Rig, seconds: float) -> None:
    rig.has_states = False
    rig.tick(round(seconds / 0.01))
    rig.has_states = True


@pytest.fixture
def rig(bridge_config, home):
    rig = Rig(bridge_config, home)
    rig.enable()
    return rig.run()


def test_nothing_is_commanded_to_arms_that_cannot_be_seen_once_they_rest(rig, check_wire):
    _lose(rig, 0.6)
    lost = rig.commands[-60:]
    assert {c.mode for c in lost[10:]} == {Mode.STOP}
    assert lost[6].q is not None
    assert lost[-1].q is None
    last = [c for c in lost if c.q is not None][-1]
    assert not last.qd.any()
    check_wire(rig.commands, rig.config)


def test_arms_back_where_they_were_go_on(rig, check_wire):
    _lose(rig, 0.6)
    assert rig.tick().mode is Mode.HOLD
    assert np.array_equal(rig.commands[-1].q, rig.q)
    rig.home = rig.q - rig.wave(rig.now, 1)[0] + rig.home
    rig.run(40)
    check_wire(rig.commands, rig.config)
    stamps = np.array([c.stamp_s for c in rig.commands if c.q is not None])
    periods = np.diff(stamps) / 0.01
    assert periods == pytest.approx(np.round(periods), abs=1e-6)


@pytest.mark.parametrize("seconds", [0.6, 1.5])
def test_arms_back_elsewhere_are_a_fault_and_stay_where_they_are(rig, seconds):
    _lose(rig, seconds)
    rig.q = rig.q.copy()
    rig.q[2] += 0.3
    before = rig.q.copy()
    rig.tick(40)
    assert {c.mode for c in rig.commands[-37:]} == {Mode.FAULT}
    assert all(c.q is None for c in rig.commands[-37:])
    assert np.array_equal(rig.q, before)
    assert rig.bridge.reset(rig.now).is_accepted
    assert np.array_equal(rig.enable().q, before)


def test_a_fault_at_rest_commands_nothing_more(rig):
    rig.bridge.set_obstacle("action_chunk", "2 publishers", rig.now)
    rig.tick(60)
    assert rig.commands[-1].mode is Mode.FAULT
    assert rig.commands[-1].q is None
    assert not rig.bridge.has_output
    assert rig.bridge.is_at_rest


def test_an_operators_stop_goes_on_holding(rig):
    rig.bridge.stop(rig.now)
    rig.tick(60)
    assert rig.commands[-1].mode is Mode.STOP
    assert rig.commands[-1].q is not None
