# SPDX-License-Identifier: Apache-2.0
"""Where the policy may start: refused by name, or approached slowly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bridge_rig import Rig

from onestep_vla_ros.core.start_pose import StartPose
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Reason


def _rig(config, home, check, away=0.0) -> Rig:
    rig = Rig(replace(config, start_check=check, resume_chunks=1), home)
    rig.q = home.copy()
    rig.q[3] += away
    assert rig.bridge.on_start_pose(home - 0.1, home + 0.1).is_accepted
    rig.tick()
    return rig


def test_without_a_known_start_the_arms_are_not_enabled(bridge_config, home):
    rig = Rig(replace(bridge_config, start_check="refuse"), home)
    rig.tick()
    verdict = rig.bridge.enable(rig.now)
    assert verdict.reason is Reason.START_POSE
    assert "policy/start_pose" in verdict.detail


def test_off_asks_nothing(bridge_config, home):
    assert _rig(bridge_config, home, "off", away=1.0).bridge.enable(0.01).is_accepted


@pytest.mark.parametrize(("away", "is_accepted"), [(0.0, True), (0.149, True), (0.151, False)])
def test_refuse_names_the_joint_and_the_range(bridge_config, home, away, is_accepted):
    rig = _rig(bridge_config, home, "refuse", away)
    verdict = rig.bridge.enable(rig.now)
    assert verdict.is_accepted is is_accepted
    if not is_accepted:
        assert verdict.reason is Reason.START_POSE
        assert "left_joint4 is at 0.151, the policy starts at -0.100 to 0.100" in verdict.detail
        assert rig.tick().mode is Mode.IDLE


def test_ramp_goes_there_slowly_then_holds_then_runs(bridge_config, home, check_wire):
    rig = _rig(bridge_config, home, "ramp", away=0.5)
    assert "left_joint4" in rig.bridge.enable(rig.now).detail
    assert rig.tick().q == pytest.approx(rig.q)
    modes = [rig.tick().mode for _ in range(30)]
    assert set(modes) == {Mode.START}
    verdict = rig.send(age=0.0)
    assert verdict.reason is Reason.START_POSE
    assert "going to the start pose, " in rig.commands[-1].reason
    while rig.tick().mode is Mode.START:
        assert rig.now < 5.0
    assert rig.now > 1.8  # 0.4 rad at a peak of 0.2 rad/s
    rig.tick(30)
    assert rig.commands[-1].mode is Mode.HOLD
    assert rig.q[3] == pytest.approx(0.1, abs=1e-3)
    speed = np.abs([c.qd for c in rig.commands if c.qd is not None]).max()
    assert 0.15 < speed < 0.21
    rig.home = rig.q - rig.wave(rig.now, 1)[0] + rig.home
    rig.run(40)
    check_wire(rig.commands, bridge_config)


def test_ramp_goes_on_after_an_interruption(bridge_config, home, check_wire):
    rig = _rig(bridge_config, home, "ramp", away=0.5)
    rig.bridge.enable(rig.now)
    rig.tick(50)
    rig.has_states = False
    rig.tick(20)
    assert rig.commands[-1].mode is Mode.STOP
    rig.has_states = True
    while rig.tick().mode is not Mode.HOLD:
        assert rig.now < 8.0
    assert rig.tick(20).q[3] == pytest.approx(0.1, abs=1e-3)
    check_wire(rig.commands, bridge_config)


def test_disabled_on_the_way_and_enabled_inside_needs_no_ramp(bridge_config, home):
    rig = _rig(bridge_config, home, "ramp", away=0.5)
    rig.bridge.enable(rig.now)
    rig.tick(50)
    rig.bridge.disable(rig.now)
    rig.tick(50)
    rig.q = home.copy()
    rig.tick(10)
    rig.bridge.reset(rig.now)
    assert rig.bridge.enable(rig.now).detail == "enabled"
    assert rig.tick().mode is Mode.HOLD


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (np.zeros(13), np.zeros(13)),
        (np.full(14, np.nan), np.ones(14)),
        (np.ones(14), np.zeros(14)),
    ],
)
def test_senseless_start_poses_are_refused(bridge_config, low, high):
    start = StartPose(bridge_config)
    assert start.take(low, high).reason is Reason.MALFORMED


def test_every_joint_keeps_its_share_of_the_velocity(bridge_config, home):
    start = StartPose(replace(bridge_config, start_check="ramp"))
    start.take(home - 0.01, home + 0.01)
    away = home + np.tile([0.5, 0.2, 0.1, 0.5, 0.5, 0.5, 0.25], 2)
    assert start.judge(away).is_accepted
    state = np.stack([away, 0 * away, 0 * away])
    samples = np.array([start.sample(t, state) for t in np.arange(0.0, 6.0, 0.01)])
    peak = np.abs(samples[:, 1]).max(axis=0)
    assert peak[0] == pytest.approx(0.2, rel=1e-3)
    assert (peak <= np.tile([0.2] * 6 + [0.4], 2) + 1e-12).all()
    assert not start.is_under_way
