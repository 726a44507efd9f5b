# SPDX-License-Identifier: Apache-2.0
"""A LIBERO world is the package's own, bit for bit, with pictures only when asked for."""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from onestep_vla_ros.core.errors import ConfigError, JointError
from onestep_vla_ros.sim.libero_suites import PRO, open_task
from onestep_vla_ros.sim.libero_world import STILL, LiberoWorld, axis_angle

REASON = "needs the pip extra libero (make test-libero)"
MOVES = np.array([[0.4, -0.2, -0.5, 0.1, 0.0, 0.2, -1.0], [0.0, 0.9, 0.3, 0.0, -0.3, 0.0, 1.0]])
CAMERAS = {"agentview": "agentview_image", "eye_in_hand": "robot0_eye_in_hand_image"}


@pytest.fixture(scope="module")
def world():
    pytest.importorskip("libero", reason=REASON)
    world = LiberoWorld(open_task("libero_object", 0))
    yield world
    world.close()


@pytest.fixture(scope="module")
def package(world):
    """The package's own environment of the same task, which renders at every step."""
    from libero.libero.envs import OffScreenRenderEnv

    env = OffScreenRenderEnv(
        bddl_file_name=str(world.libero_task.bddl), camera_heights=128, camera_widths=128
    )
    yield env
    env.close()


def start_package(env, world, state):
    env.seed(state)
    env.reset()
    env.sim._render_context_offscreen.gl_ctx.make_current()  # another world's may be
    seen = env.set_init_state(world.libero_task.state(state))
    for _ in range(10):
        seen = env.step(STILL)[0]
    return seen


@pytest.mark.parametrize("angle", [0.0, 1e-12, 0.3, np.pi / 2, 3.1])
def test_axis_angle_is_the_rotation_vector(angle):
    vector = angle * np.array([2.0, -3.0, 6.0]) / 7.0
    quaternion = Rotation.from_rotvec(vector).as_quat()
    assert axis_angle(quaternion) == pytest.approx(vector, abs=1e-7)


def test_axis_angle_does_not_turn_a_negative_quaternion_over():
    quaternion = -Rotation.from_rotvec([0.0, 0.0, 0.5]).as_quat()
    assert axis_angle(quaternion) == pytest.approx([0.0, 0.0, -(2.0 * np.pi - 0.5)])


@pytest.mark.libero
@pytest.mark.slow
def test_states_and_late_pictures_are_the_packages_bit_for_bit(world, package):
    world.reset(3)
    seen = start_package(package, world, 3)
    for k in range(12):
        package.sim._render_context_offscreen.gl_ctx.make_current()
        seen = package.step(MOVES[k // 6])[0]
        world.step(MOVES[k // 6])
        q, _ = world.joint_state()
        assert np.array_equal(q[:3], seen["robot0_eef_pos"])
        assert np.array_equal(q[6:], seen["robot0_gripper_qpos"])
        assert np.array_equal(package.get_sim_state(), world._env.get_sim_state())
    for camera in world.cameras:
        picture = world.render(camera)
        assert np.array_equal(picture, seen[CAMERAS[camera.name]][::-1])
        assert picture.std() > 10.0


@pytest.mark.libero
@pytest.mark.slow
def test_an_episode_does_not_depend_on_those_before_it(world):
    def play(state):
        world.reset(state)
        for k in range(6):
            world.step(MOVES[k // 3])
        return world._env.get_sim_state(), world.render(world.cameras[0])

    first, _ = play(1), play(2)
    again = play(1)
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])


@pytest.mark.libero
@pytest.mark.slow
def test_two_worlds_in_one_process_do_not_mix_their_pictures(world):
    world.reset(0)
    before = world.render(world.cameras[0])
    other = LiberoWorld(open_task("libero_goal", 0))
    try:
        other.reset(0)
        elsewhere = other.render(other.cameras[0])
        after = world.render(world.cameras[0])
    finally:
        other.close()
    assert np.array_equal(before, after)
    assert np.abs(before.astype(int) - elsewhere).mean() > 5.0


@pytest.mark.libero
@pytest.mark.slow
def test_velocity_is_the_derivative_of_the_state(world):
    world.reset(0)
    for _ in range(10):
        world.step(MOVES[0])
    before, velocity = world.joint_state()
    world.step(MOVES[0])
    after, _ = world.joint_state()
    assert (after[:3] - before[:3]) / 0.05 == pytest.approx(velocity[:3], abs=0.05)
    assert np.linalg.norm(velocity[:3]) > 0.1


@pytest.mark.libero
@pytest.mark.slow
def test_an_observation_holds_what_the_policy_sees_and_no_more_than_asked(world):
    world.reset(0)
    seen = world.observe()
    assert set(seen.images) == {"agentview", "eye_in_hand"}
    assert seen.q.shape == seen.qd.shape == (8,)
    assert seen.instruction == world.instruction
    assert seen.stamp_s == pytest.approx(world.time_s - 0.05)
    assert not world.observe(()).images


@pytest.mark.libero
@pytest.mark.slow
@pytest.mark.parametrize(
    ("action", "words"),
    [(np.zeros(6), r"shape \(6,\)"), (np.full(7, np.nan), "finite False")],
)
def test_an_action_of_another_form_is_refused_and_nothing_moves(world, action, words):
    world.reset(0)
    before = world._env.get_sim_state()
    with pytest.raises(JointError, match=words):
        world.step(action)
    assert np.array_equal(before, world._env.get_sim_state())


@pytest.mark.libero
@pytest.mark.slow
def test_only_whole_control_steps_and_known_things(world):
    world.reset(0)
    with pytest.raises(ConfigError, match="duration of an action"):
        world.step(STILL, 0.01)
    with pytest.raises(ConfigError, match=r"sensor of LIBERO; got: 'tea_pos'"):
        world.sensed("tea_pos")
    with pytest.raises(ConfigError, match=r"object of LIBERO; got: 'tea'"):
        world.extent("tea")
    with pytest.raises(ConfigError, match=r"rendering; got: 'sketch'"):
        LiberoWorld(world.libero_task, rendering="sketch")


@pytest.mark.libero
@pytest.mark.slow
def test_fast_rendering_shows_the_same_scene(world):
    world.reset(0)
    fast = LiberoWorld(world.libero_task, rendering="fast")
    try:
        fast.reset(0)
        one, other = (w.render(w.cameras[0]).astype(int) for w in (world, fast))
    finally:
        fast.close()
    assert 0.0 < np.abs(one - other).mean() < 12.0


@pytest.mark.libero
@pytest.mark.slow
def test_a_backend_that_cannot_render_here_is_named():
    pytest.importorskip("libero", reason=REASON)
    code = (
        "from onestep_vla_ros.sim.libero_world import LiberoWorld\n"
        "from onestep_vla_ros.sim.libero_suites import open_task\n"
        "LiberoWorld(open_task('libero_object', 0))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MUJOCO_GL": "glfw"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "MUJOCO_GL; got: 'glfw'; allowed: ['egl', 'osmesa']" in done.stderr


@pytest.mark.libero
@pytest.mark.slow
@pytest.mark.parametrize("suite", ["libero_goal", "libero_10", "libero_90", *PRO])
def test_a_task_of_every_suite_starts_moves_renders_and_is_judged(suite):
    pytest.importorskip("libero", reason=REASON)
    world = LiberoWorld(open_task(suite, 0), size=64)
    try:
        world.reset(0)
        before, _ = world.joint_state()
        for _ in range(5):
            world.step(MOVES[0])
        after, _ = world.joint_state()
        assert np.linalg.norm(after[:3] - before[:3]) > 0.01
        assert all(world.render(camera).std() > 5.0 for camera in world.cameras)
        assert world.success() is False
        assert world.time_s == pytest.approx(0.25)
    finally:
        world.close()
