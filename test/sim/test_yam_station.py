# SPDX-License-Identifier: Apache-2.0
import threading

import mujoco
import numpy as np
import pytest

from onestep_vla_ros.core.errors import ConfigError, JointError, OneStepError
from onestep_vla_ros.core.joints import ARM_JOINT_INDEX, ARMS, GRIPPER_INDEX
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.sim.station_model import PHYSICS_STEP_S, station_file
from onestep_vla_ros.sim.table import HOME_Q
from onestep_vla_ros.sim.yam_station import YamStation

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module")
def world():
    station = YamStation("place")
    yield station
    station.close()


def _trace(world, seed, steps=40):
    world.reset(seed)
    command = np.array(HOME_Q)
    for k in range(steps):
        command[0] = 0.3 * np.sin(0.1 * k)
        world.step(command, 0.01)
    return world.data.qpos.copy()


def test_the_same_seed_gives_the_same_episode_bit_for_bit(world):
    first = _trace(world, 7)
    other = _trace(world, 8)
    assert np.array_equal(first, _trace(world, 7))
    assert not np.array_equal(first, other)


def test_a_second_world_gives_the_same_pictures(world):
    world.reset(3)
    second = YamStation("place")
    second.reset(3)
    one, two = world.observe(), second.observe()
    second.close()
    for name, image in one.images.items():
        assert np.array_equal(image, two.images[name]), name


def test_cameras_have_the_sizes_they_announce_and_show_different_things(world):
    world.reset(0)
    images = world.observe().images
    assert {n: i.shape for n, i in images.items()} == {
        "top": (192, 192, 3),
        "left_wrist": (128, 128, 3),
        "right_wrist": (128, 128, 3),
    }
    assert all(image.std() > 5 for image in images.values())


@pytest.mark.parametrize("seed", range(8))
def test_every_cube_is_seen_by_the_top_camera_at_the_start(world, seed):
    world.reset(seed)
    image = world.observe([CameraSpec("top", 96, 96)]).images["top"].astype(int)
    for channel in range(3):
        others = np.delete(image, channel, axis=2).max(axis=2)
        assert (image[..., channel] > others + 40).sum() >= 12


def test_camera_image_can_be_asked_for_at_another_size(world):
    assert world.render(CameraSpec("top", 240, 320)).shape == (240, 320, 3)


@pytest.mark.parametrize("camera", [CameraSpec("side", 96, 96), CameraSpec("top", 4000, 96)])
def test_a_camera_that_cannot_be_rendered_is_refused_with_what_is_allowed(world, camera):
    with pytest.raises(ConfigError, match="allowed"):
        world.render(camera)


def test_rendering_from_a_second_thread_is_refused(world):
    world.render(world.cameras[0])
    caught = []

    def render():
        try:
            world.render(world.cameras[0])
        except ConfigError as error:
            caught.append(error)

    thread = threading.Thread(target=render)
    thread.start()
    thread.join()
    assert "second thread" in str(caught[0])


def test_joint_ranges_are_the_sdks(world):
    sdk = mujoco.MjModel.from_xml_path(str(station_file()))
    for arm in ARMS:
        for i in range(1, 7):
            expected = sdk.joint(f"{arm}_joint{i}").range
            assert world.model.joint(f"{arm}_joint{i}").range == pytest.approx(expected)
            assert world.model.actuator(f"{arm}_joint{i}").ctrlrange == pytest.approx(expected)


@pytest.mark.parametrize("opening", [0.0, 0.5, 1.0])
def test_gripper_command_is_a_normalised_opening(world, opening):
    world.reset(0)
    command = np.array(HOME_Q)
    command[list(GRIPPER_INDEX)] = opening
    world.step(command, 1.0)
    q, _ = world.joint_state()
    assert q[list(GRIPPER_INDEX)] == pytest.approx(opening, abs=0.01)


def test_arms_hold_a_command_within_the_sag_of_real_arms(world):
    world.reset(0)
    world.step(np.array(HOME_Q), 1.5)
    q, qd = world.joint_state()
    error = np.abs(q - HOME_Q)[list(ARM_JOINT_INDEX)]
    assert error.max() < 0.03
    assert error.max() > 0.001  # a simulator without sag would hide the anchor to the command
    assert np.abs(qd).max() < 0.02


def test_a_command_beyond_the_range_ends_at_the_range(world):
    world.reset(0)
    command = np.array(HOME_Q)
    command[4] = 9.0
    world.step(command, 1.5)
    assert world.joint_state()[0][4] < 1.5708 + 0.05


@pytest.mark.parametrize("bad", [np.full(14, np.nan), np.full(14, np.inf), np.zeros(13)])
def test_a_command_that_is_not_fourteen_finite_numbers_moves_nothing(world, bad):
    world.reset(0)
    before, time_s = world.data.qpos.copy(), world.time_s
    with pytest.raises(JointError, match="14"):
        world.step(bad, 0.01)
    assert np.array_equal(world.data.qpos, before)
    assert world.time_s == time_s


@pytest.mark.parametrize("duration_s", [0.0, -0.01, 0.0011])
def test_a_duration_that_is_no_multiple_of_the_physics_step_is_refused(world, duration_s):
    with pytest.raises(OneStepError, match="multiple"):
        world.step(np.array(HOME_Q), duration_s)


def test_time_is_simulated_and_starts_at_reset(world):
    world.reset(0)
    world.step(np.array(HOME_Q), 0.04)
    assert world.time_s == pytest.approx(24 * PHYSICS_STEP_S)
    assert world.observe().stamp_s == world.time_s
    world.reset(0)
    assert world.time_s == 0.0


def test_unknown_task_is_refused_with_the_list_of_tasks():
    with pytest.raises(ConfigError, match=r"unknown task.*juggle.*place"):
        YamStation("juggle")
