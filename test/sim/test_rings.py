# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from expert_run import run_expert

from onestep_vla_ros.core.joints import ARMS, arm_slice
from onestep_vla_ros.sim.demonstration import demonstrate
from onestep_vla_ros.sim.kinematics import ArmKinematics
from onestep_vla_ros.sim.motion import MAX_ACCELERATION, MAX_JERK, MAX_SPEED, PERIOD_S
from onestep_vla_ros.sim.perturbation import USUAL, variation_on
from onestep_vla_ros.sim.rings import RingsTask
from onestep_vla_ros.sim.rings_expert import (
    CARRY_M,
    GRASP_M,
    HOVER_M,
    RELEASE,
    RingsExpert,
    goal_at,
)
from onestep_vla_ros.sim.rings_scene import (
    BASE_HEIGHT_M,
    LARGE,
    OUTER_M,
    PEG,
    PEG_HEIGHT_M,
    RINGS,
    SMALL,
    THICKNESS_M,
)
from onestep_vla_ros.sim.scene import Pose
from onestep_vla_ros.sim.table import HOME_Q, MIDLINE_Y_M, arm_for, other_arm
from onestep_vla_ros.sim.yam_station import YamStation

pytestmark = pytest.mark.sim
TASK = RingsTask()
SCENES = [TASK.draw(seed, USUAL) for seed in range(200)]
BOTTOM_M = BASE_HEIGHT_M + THICKNESS_M / 2
ABOVE_M = BOTTOM_M + THICKNESS_M


@pytest.fixture(scope="module")
def world():
    station = YamStation("rings")
    yield station
    station.close()


def _lay(world, ring, z_m, off_m=(0.0, 0.0)):
    """Put a ring at a height on the peg's axis or `off_m` beside it."""
    peg = world.scene.fixtures[PEG]
    world.stage.put(ring, Pose(peg.x_m + off_m[0], peg.y_m + off_m[1], z_m))


def _wait(world, seconds=0.6):
    world.step(np.array(HOME_Q), seconds)


def _do_arms_touch(world):
    names = [world.model.geom(i).name for i in world.data.contact.geom.reshape(-1)]
    sides = [next((a for a in ARMS if name.startswith(f"{a}_")), None) for name in names]
    pairs = zip(sides[::2], sides[1::2], strict=True)
    return any(one and other and one != other for one, other in pairs)


def test_scene_is_a_function_of_the_seed():
    assert TASK.draw(5, USUAL) == TASK.draw(5, USUAL)
    assert TASK.draw(5, USUAL) != TASK.draw(6, USUAL)
    assert {scene.large_arm for scene in SCENES} == set(ARMS)


def test_each_ring_lies_on_its_arms_side_clear_of_the_peg():
    for scene in SCENES + [TASK.draw(seed, variation_on("layout")) for seed in range(200)]:
        arms = {LARGE: scene.large_arm, SMALL: other_arm(scene.large_arm)}
        peg = scene.fixtures[PEG]
        for ring, pose in scene.poses.items():
            assert arm_for(pose.y_m) == arms[ring]
            assert abs(pose.y_m - MIDLINE_Y_M) > 0.15
            assert np.hypot(pose.x_m - peg.x_m, pose.y_m - peg.y_m) > OUTER_M[ring] + 0.09


def test_size_and_not_colour_tells_the_rings_apart():
    assert len({scene.paint[LARGE] for scene in SCENES}) >= 3
    for scene in SCENES:
        assert scene.paint[LARGE] != scene.paint[SMALL]


def test_sentences_are_the_tasks_and_rewrites_are_new():
    assert {scene.instruction for scene in SCENES} == set(TASK.sentences())
    held_out = {TASK.draw(seed, variation_on("language")).instruction for seed in range(40)}
    assert held_out == set(TASK.rewrites())
    assert not held_out & set(TASK.sentences())


def test_arms_reach_their_rings_and_the_peg(world):
    for scene in SCENES[:30]:
        peg = scene.fixtures[PEG]
        for arm in ARMS:
            ring = next(p for p in scene.poses.values() if arm_for(p.y_m) == arm)
            points = ((ring, GRASP_M), (ring, HOVER_M), (peg, 0.02), (peg, CARRY_M))
            for at, z_m in points:
                wanted = goal_at(arm, (at.x_m, at.y_m), z_m, 1.0)
                kinematics = ArmKinematics(world.model, arm)
                kinematics.inverse(wanted.point, wanted.rotation, np.array(HOME_Q[:6]))


def test_an_untouched_scene_is_no_success_and_its_rings_lie_still(world):
    world.reset(3)
    before = [world.stage.position(ring) for ring in RINGS]
    _wait(world, 1.0)
    assert not world.success()
    assert not world.wrong_object()
    for ring, at in zip(RINGS, before, strict=True):
        assert np.linalg.norm(world.stage.position(ring) - at) < 1e-3


def test_small_ring_resting_on_the_large_one_is_success_after_a_moment(world):
    world.reset(0)
    _lay(world, LARGE, BOTTOM_M, (0.004, 0.0))
    _lay(world, SMALL, ABOVE_M + 0.004, (0.0, 0.005))
    _wait(world, 0.1)
    assert not world.success()
    _wait(world)
    assert world.success()
    assert not world.wrong_object()


@pytest.mark.parametrize("has_large", [True, False])
def test_small_ring_on_the_peg_without_the_large_one_below_is_wrong(world, has_large):
    world.reset(0)
    _lay(world, SMALL, BOTTOM_M)
    if has_large:
        _lay(world, LARGE, ABOVE_M)
    _wait(world)
    assert world.wrong_object()
    assert not world.success()


def test_large_ring_alone_on_the_peg_is_neither_success_nor_wrong(world):
    world.reset(0)
    _lay(world, LARGE, BOTTOM_M)
    _wait(world)
    assert not world.success()
    assert not world.wrong_object()


@pytest.mark.parametrize("off_m", [0.02, 0.03])
def test_a_ring_that_lies_against_the_peg_is_not_threaded(world, off_m):
    world.reset(0)
    _lay(world, LARGE, BOTTOM_M)
    _lay(world, SMALL, PEG_HEIGHT_M + THICKNESS_M / 2, (off_m, 0.0))
    _wait(world, 1.0)
    assert not world.success()


def test_a_ring_floating_around_the_peg_is_not_at_rest(world):
    world.reset(0)
    _lay(world, LARGE, BOTTOM_M)
    for _ in range(50):
        _lay(world, SMALL, PEG_HEIGHT_M)
        world.step(np.array(HOME_Q), 0.01)
        assert not world.success()


def test_a_ring_that_is_still_held_is_no_success(world):
    world.reset(0)
    peg = world.scene.fixtures[PEG]
    arm = other_arm(world.scene.large_arm)
    wanted = goal_at(arm, (peg.x_m, peg.y_m), ABOVE_M + 0.001, 0.7)
    joints = ArmKinematics(world.model, arm).inverse(
        wanted.point, wanted.rotation, np.array(HOME_Q[:6])
    )
    q = np.array(HOME_Q)
    q[arm_slice(arm)] = [*joints, 0.7]
    world.stage.set_arms(q)
    _lay(world, LARGE, BOTTOM_M)
    _lay(world, SMALL, ABOVE_M)
    q[arm_slice(arm).stop - 1] = 0.42
    world.step(q, 1.2)
    assert world.stage.is_grasped(SMALL, arm)
    assert not world.success()
    q[arm_slice(arm).stop - 1] = RELEASE[SMALL]
    world.step(q, 1.2)
    assert world.success()


def test_a_ring_taken_off_again_is_no_success(world):
    world.reset(0)
    _lay(world, LARGE, BOTTOM_M)
    _lay(world, SMALL, ABOVE_M)
    _wait(world)
    assert world.success()
    world.stage.put(SMALL, Pose(0.3, -0.1, THICKNESS_M / 2))
    _wait(world, 0.02)
    assert not world.success()


@pytest.mark.parametrize("seed", range(4))
def test_expert_solves_the_task_smoothly_without_the_arms_meeting(world, seed):
    assert {SCENES[seed].large_arm for seed in range(4)} == set(ARMS)
    world.reset(seed)
    met = []
    plan = run_expert(world, world.expert(), watch=lambda: met.append(_do_arms_touch(world)))
    assert world.success()
    assert not world.wrong_object()
    assert not any(met)
    assert world.time_s < 12.0
    assert np.abs(plan[-1] - HOME_Q).max() < 1e-9
    bounds = (MAX_SPEED, MAX_ACCELERATION, MAX_JERK)
    for order, bound in enumerate(bounds, start=1):
        assert np.abs(np.diff(plan, n=order, axis=0)).max() / PERIOD_S**order < 1.05 * bound


def test_small_ring_waits_aside_until_the_large_one_is_on_the_peg(world):
    world.reset(1)
    peg, distances = world.stage.position(PEG), []

    def watch():
        large, small = (world.stage.position(ring) - peg for ring in RINGS)
        if np.hypot(*large[:2]) > 0.015 or large[2] > BOTTOM_M + 0.005:
            distances.append(np.hypot(*small[:2]))

    run_expert(world, world.expert(), watch=watch)
    assert world.success()
    assert min(distances) > 0.13


@pytest.mark.parametrize("ring", RINGS)
def test_a_grasp_that_misses_is_noticed_and_tried_again(world, ring):
    world.reset(2)
    arm = world.scene.large_arm if ring == LARGE else other_arm(world.scene.large_arm)
    plan = run_expert(
        world, RingsExpert(world.stage, world.scene, {ring: np.array([0.0, 0.0, 0.05])})
    )
    grip = plan[:, arm_slice(arm).stop - 1]
    assert np.sum((grip[1:] < 0.5) & (grip[:-1] >= 0.5)) == 2
    assert world.success()


def test_a_ring_lost_on_the_way_is_fetched_again(world):
    world.reset(3)
    lost = []

    def watch():
        if not lost and world.stage.position(LARGE)[2] > 0.08:
            world.stage.put(LARGE, world.scene.poses[LARGE])
            lost.append(world.time_s)

    run_expert(world, world.expert(), watch=watch)
    assert lost
    assert world.success()
    assert not world.wrong_object()


def test_a_ring_out_of_reach_ends_at_home_without_success(world):
    world.reset(0)
    world.stage.put(LARGE, Pose(0.75, MIDLINE_Y_M, THICKNESS_M / 2))
    plan = run_expert(world, world.expert())
    assert not world.success()
    assert np.abs(plan[-1] - HOME_Q).max() < 1e-9


def test_demonstrations_succeed_from_every_start_and_flag_their_mistakes(world):
    demos = [demonstrate(world, seed) for seed in range(100_000, 100_006)]
    assert sum(demo.success for demo in demos) >= 5
    assert any(demo.is_mistake.any() for demo in demos)
    assert any(np.abs(demo.q[0] - HOME_Q).max() > 0.2 for demo in demos)
