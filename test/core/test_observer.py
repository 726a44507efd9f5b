# SPDX-License-Identifier: Apache-2.0
"""Which pictures and joint states become one observation, and what is refused by name and age."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from onestep_vla_ros.core.config import PolicyNodeConfig
from onestep_vla_ros.core.errors import ObservationError
from onestep_vla_ros.core.joints import DOF
from onestep_vla_ros.core.observation import CameraSpec, Observation
from onestep_vla_ros.core.observer import Observer, Refusal
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.files import read_parameters

CAMERAS = (CameraSpec("top", 4, 4), CameraSpec("left_wrist", 4, 4))


def picture(value):
    return np.full((4, 4, 3), value, np.uint8)


@pytest.fixture
def config():
    return from_mapping(PolicyNodeConfig, read_parameters("policy.yaml"))


@pytest.fixture
def observer(config):
    made = Observer(CAMERAS, config)
    made.on_instruction("put the red cube on the plate")
    return made


def feed(observer, stamp_s, *, value=0, cameras=("top", "left_wrist"), joints=True):
    for camera in cameras:
        observer.on_image(camera, picture(value), stamp_s)
    if joints:
        observer.on_joint_state(np.full(DOF, stamp_s), np.zeros(DOF), stamp_s)


def test_parts_of_one_moment_become_an_observation_once(observer):
    feed(observer, 1.0, value=7)
    found = observer.observe(1.01)
    assert isinstance(found, Observation)
    assert found.stamp_s == 1.0
    assert (found.images["top"] == 7).all()
    assert observer.observe(1.02) is None


def test_next_observation_waits_for_the_replan_period(observer):
    feed(observer, 1.0)
    observer.observe(1.0)
    feed(observer, 1.2)
    assert observer.observe(1.2) is None
    feed(observer, 1.24)
    assert observer.observe(1.24).stamp_s == 1.24


def test_a_camera_that_lags_sets_the_moment_for_all(observer):
    feed(observer, 1.0, value=1)
    feed(observer, 1.04, value=2, cameras=("top",))
    found = observer.observe(1.05)
    assert found.stamp_s == 1.0
    assert (found.images["top"] == 1).all()
    assert found.q[0] == 1.0


def test_joint_state_of_the_moment_is_waited_for(observer):
    feed(observer, 1.0, joints=False)
    observer.on_joint_state(np.zeros(DOF), np.zeros(DOF), 0.99)
    assert observer.observe(1.0) is None
    observer.on_joint_state(np.ones(DOF), np.zeros(DOF), 1.0)
    assert observer.observe(1.0).q[0] == 1.0


def refused(observer, now_s):
    found = observer.observe(now_s)
    assert isinstance(found, Refusal), found
    return found.reason, found.detail


def test_nothing_is_made_up_for_what_has_not_come(config):
    observer = Observer(CAMERAS, config)
    assert refused(observer, 1.0)[0] == "no_instruction"
    observer.on_instruction("lift")
    assert refused(observer, 1.0)[0] == "image_missing"
    feed(observer, 1.0, cameras=("top",))
    reason, detail = refused(observer, 1.0)
    assert reason == "image_missing"
    assert "left_wrist" in detail
    observer = Observer(CAMERAS, dataclasses.replace(config, instruction="lift"))
    feed(observer, 1.0, joints=False)
    assert refused(observer, 1.0)[0] == "joint_states_missing"


def test_stale_camera_is_refused_by_name_and_age(observer):
    feed(observer, 1.0)
    feed(observer, 1.2, cameras=("left_wrist",))
    reason, detail = refused(observer, 1.2)
    assert reason == "image_stale"
    assert "'top'" in detail
    assert "0.200" in detail


def test_stuck_camera_that_repeats_its_stamp_becomes_stale(observer):
    feed(observer, 1.0)
    observer.observe(1.0)
    for i in range(10):
        feed(observer, 1.0 + 0.02 * i, cameras=("left_wrist",))
        observer.on_image("top", picture(0), 1.0)
    assert refused(observer, 1.19)[0] == "image_stale"


def test_stale_joint_states_are_refused_by_age(observer):
    feed(observer, 1.0)
    feed(observer, 1.1, joints=False)
    reason, detail = refused(observer, 1.1)
    assert reason == "joint_states_stale"
    assert "0.100" in detail


def test_skewed_cameras_are_refused(observer):
    feed(observer, 1.0, cameras=("top",))
    feed(observer, 1.09, cameras=("left_wrist",))
    reason, detail = refused(observer, 1.1)
    assert reason == "skewed"
    assert "0.090" in detail


def test_picture_from_the_future_is_not_used(observer):
    feed(observer, 5.0)
    assert refused(observer, 1.0)[0] == "image_in_future"


@pytest.mark.parametrize("text", ["", "   ", "x" * 2000])
def test_unusable_instruction_ends_the_old_one_and_nothing_is_observed(observer, text):
    with pytest.raises(ObservationError):
        observer.on_instruction(text)
    assert refused(observer, 1.0)[0] == "no_instruction"


def test_a_camera_that_sends_the_same_picture_under_new_stamps_is_frozen(config):
    observer = Observer(CAMERAS, dataclasses.replace(config, frozen_images=5))
    observer.on_instruction("put it there")
    for k in range(8):
        now = 1.0 + 0.04 * k
        observer.on_joint_state(np.zeros(DOF), np.zeros(DOF), now)
        observer.on_image("top", picture(k), now)
        observer.on_image("left_wrist", picture(7), now)
        found = observer.observe(now)
        is_frozen = isinstance(found, Refusal) and found.reason == "image_frozen"
        assert is_frozen == (k >= 4), k
    assert "'left_wrist': 8 equal pictures in a row, limit 5" in found.detail
    observer.on_joint_state(np.zeros(DOF), np.zeros(DOF), 2.0)
    observer.on_image("top", picture(1), 2.0)
    observer.on_image("left_wrist", picture(8), 2.0)
    assert isinstance(observer.observe(2.0), Observation)


def test_rendered_pictures_may_rest(config):
    assert config.frozen_images == 0
    observer = Observer(CAMERAS, config)
    observer.on_instruction("put it there")
    for k in range(30):
        now = 1.0 + 0.04 * k
        observer.on_joint_state(np.zeros(DOF), np.zeros(DOF), now)
        for camera in CAMERAS:
            observer.on_image(camera.name, picture(7), now)
        assert not isinstance(observer.observe(now), Refusal)


@pytest.mark.parametrize("ahead_s", [3600.0, 10.0, 0.6])
def test_one_stamp_in_the_future_blinds_nobody(config, ahead_s):
    observer = Observer(CAMERAS, dataclasses.replace(config, replan_period_s=0.04))
    observer.on_instruction("put it there")
    seen = 0
    for k in range(20):
        now = 100.0 + 0.04 * k
        stamp = now + ahead_s if k == 5 else now
        observer.on_joint_state(np.zeros(DOF), np.zeros(DOF), stamp)
        for camera in CAMERAS:
            observer.on_image(camera.name, picture(k), stamp)
        seen += isinstance(observer.observe(now), Observation)
    assert seen == 19


def test_after_the_clock_was_set_back_new_pictures_count(config):
    observer = Observer(CAMERAS, dataclasses.replace(config, replan_period_s=0.04))
    observer.on_instruction("put it there")
    seen = []
    for k in range(20):
        now = 100.0 + 0.04 * k - (10.0 if k >= 10 else 0.0)
        observer.on_joint_state(np.zeros(DOF), np.zeros(DOF), now)
        for camera in CAMERAS:
            observer.on_image(camera.name, picture(k), now)
        seen.append(isinstance(observer.observe(now), Observation))
    assert seen.count(False) <= 1
