# SPDX-License-Identifier: Apache-2.0
"""A policy that cannot see says so, and the arms hold: long before their plan is too old."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from bridge_rig import Rig, is_braking

from onestep_vla_ros.core.config import PolicyNodeConfig
from onestep_vla_ros.core.impediments import Impediments
from onestep_vla_ros.core.joints import DOF
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.core.observer import Observer
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Reason
from onestep_vla_ros.files import read_parameters

CAMERAS = (CameraSpec("top", 2, 2), CameraSpec("left_wrist", 2, 2))
TC = 0.01


def _observer(**change) -> Observer:
    config = from_mapping(PolicyNodeConfig, read_parameters("policy.yaml"))
    observer = Observer(CAMERAS, dataclasses.replace(config, **change))
    observer.on_instruction("put it there")
    return observer


def _troubled_from(observer, feed, start_s=1.0, ticks=60) -> float | None:
    """Feed 25 Hz pictures and 100 Hz joint states; return when trouble was first told."""
    for k in range(ticks):
        now = start_s + TC * k
        feed(observer, k, now)
        if observer.trouble(now):
            return now
    return None


def _feed(observer, k, now, cameras=CAMERAS, joints=True, image_lag=0.0, value=None):
    if joints:
        observer.on_joint_state(np.zeros(DOF), np.zeros(DOF), now)
    if k % 4 == 0:
        for camera in cameras:
            picture = np.full((2, 2, 3), k % 250 if value is None else value, np.uint8)
            lag = image_lag if camera.name == "left_wrist" else 0.0
            observer.on_image(camera.name, picture, now - lag)


def test_a_good_stream_is_no_trouble():
    assert _troubled_from(_observer(), _feed) is None


@pytest.mark.parametrize(
    ("change", "within_s"),
    [
        ({"cameras": CAMERAS[:1]}, 0.15 + TC),  # camera off
        ({"joints": False}, 0.15 + TC),
        ({"image_lag": 0.4}, 0.15 + TC),  # late
    ],
)
def test_trouble_is_told_one_image_timeout_after_the_last_good_moment(change, within_s):
    observer, last_good = _observer(), 1.2

    def feed(observer, k, now):
        _feed(observer, k, now, **(change if now > last_good + 1e-9 else {}))

    told = _troubled_from(observer, feed)
    assert last_good + 0.04 < told <= last_good + within_s + 1e-9


def test_frozen_pictures_and_a_lost_instruction_are_told_at_once():
    def frozen(observer, k, now):
        _feed(observer, k, now, value=7 if k >= 8 else None)

    told = _troubled_from(_observer(frozen_images=5), frozen, ticks=80)
    assert told == pytest.approx(1.0 + TC * (8 + 4 * 4))
    observer = _observer()
    assert _troubled_from(observer, _feed, ticks=20) is None
    observer.instruction = ""
    assert "instruction" in observer.trouble(1.2)


def test_trouble_ends_with_the_next_good_moment():
    observer = _observer()
    _troubled_from(observer, _feed, ticks=20)
    assert "newest image is" in observer.trouble(1.5)
    assert _troubled_from(observer, _feed, start_s=1.52, ticks=20) is None


def test_arms_hold_at_once_and_go_on_after_the_trouble(bridge_config, home, check_wire):
    rig = Rig(bridge_config, home)
    rig.enable()
    rig.run()
    rig.bridge.on_policy_trouble("camera 'top': newest image is 0.151 s old", rig.now)
    before, after = rig.commands[-1], rig.tick()
    assert after.mode is Mode.HOLD
    assert "camera 'top'" in after.reason
    assert is_braking(before, after)
    assert rig.send(age=0.0).reason is Reason.BLIND
    rig.tick(50)
    assert rig.commands[-1].mode is Mode.HOLD
    rig.bridge.on_policy_trouble("", rig.now)
    rig.home = rig.q - rig.wave(rig.now, 1)[0] + rig.home
    rig.run(30)
    check_wire(rig.commands, bridge_config)


def test_trouble_that_nobody_repeats_ends():
    impediments = Impediments()
    impediments.set_trouble("blind", 10.0)
    assert impediments.trouble(12.9) == "the policy cannot act: blind"
    assert impediments.trouble(13.1) == ""
    impediments.set_trouble("", 13.2)
    assert impediments.trouble(13.2) == ""


def test_obstacles_come_and_go_by_name():
    impediments = Impediments()
    impediments.set_obstacle("a", "")
    assert impediments.obstacles == ""
    impediments.set_obstacle("a", "x")
    impediments.set_obstacle("b", "y")
    impediments.set_obstacle("a", "z")
    assert impediments.obstacles == "a: z; b: y"
    impediments.set_obstacle("a", "")
    assert impediments.obstacles == "b: y"
