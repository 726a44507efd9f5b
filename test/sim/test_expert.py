# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from expert_run import run_expert

from onestep_vla_ros.core.joints import arm_slice
from onestep_vla_ros.sim.demonstration import demonstrate
from onestep_vla_ros.sim.expert_policy import HORIZON, ExpertPolicy
from onestep_vla_ros.sim.motion import (
    MAX_ACCELERATION,
    MAX_JERK,
    MAX_SPEED,
    PERIOD_S,
    follow,
)
from onestep_vla_ros.sim.place_expert import PlaceExpert
from onestep_vla_ros.sim.scene import Pose
from onestep_vla_ros.sim.table import HOME_Q
from onestep_vla_ros.sim.yam_station import YamStation

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module")
def world():
    station = YamStation("place")
    yield station
    station.close()


@pytest.mark.parametrize("seed", range(6))
def test_expert_solves_the_task_smoothly_and_goes_home(world, seed):
    world.reset(seed)
    plan = run_expert(world, world.expert())
    assert world.success()
    assert not world.wrong_object()
    assert world.time_s < 10.0
    assert np.abs(plan[-1] - HOME_Q).max() < 1e-9
    bounds = (MAX_SPEED, MAX_ACCELERATION, MAX_JERK)
    for order, bound in enumerate(bounds, start=1):
        assert np.abs(np.diff(plan, n=order, axis=0)).max() / PERIOD_S**order < 1.05 * bound


def test_the_other_arm_stays_at_home(world):
    world.reset(1)
    plan = run_expert(world, world.expert())
    idle = arm_slice("right" if world.scene.arm == "left" else "left")
    assert np.abs(plan[:, idle] - np.array(HOME_Q)[idle]).max() < 0.041  # the start's noise


def test_a_grasp_that_misses_is_noticed_and_tried_again(world):
    world.reset(2)
    expert = PlaceExpert(world.stage, world.scene, mistake_m=np.array([0.0, 0.0, 0.05]))
    plan = run_expert(world, expert)
    grip = plan[:, arm_slice(world.scene.arm)][:, 6]
    closings = np.sum((grip[1:] < 0.2) & (grip[:-1] >= 0.2))
    assert closings == 2
    assert world.success()


def test_a_cube_out_of_reach_ends_at_home_without_success(world):
    world.reset(0)
    world.stage.put(world.scene.target, Pose(0.75, -0.305, 0.02))
    plan = run_expert(world, world.expert())
    assert not world.success()
    assert np.abs(plan[-1] - HOME_Q).max() < 1e-9


def test_demonstration_is_the_same_for_the_same_seed(world):
    one, two = demonstrate(world, 100_003), demonstrate(world, 100_003)
    assert np.array_equal(one.plan, two.plan)
    assert np.array_equal(one.physics, two.physics)


def test_a_demonstrated_mistake_is_marked_and_ends_before_the_success(world):
    # The failure this pins: a policy that learns to close beside the cube.
    seen = 0
    for seed in range(100_000, 100_030):
        demo = demonstrate(world, seed)
        if not demo.is_mistake.any():
            continue
        seen += 1
        grip = demo.plan[:, arm_slice(world.scene.arm).start + 6]
        first_closed = int(np.argmax(grip < 0.2))
        assert demo.is_mistake[first_closed]
        assert demo.success
        assert not demo.is_mistake[-20:].any()
    assert seen >= 3


def test_executed_motion_differs_from_the_clean_plan(world):
    demo = demonstrate(world, 100_000)
    assert demo.success
    assert np.abs(demo.plan[:-8] - demo.q[4:-4]).max() > 0.02


def test_expert_policy_answers_in_chunks_on_the_observations_clock(world):
    world.reset(4)
    policy, held = ExpertPolicy(world), np.array(HOME_Q)
    while world.time_s < 12.0 and not world.success():
        chunk = policy.infer(world.observe([world.cameras[1]]))
        assert chunk.q.shape == (HORIZON, 14)
        assert chunk.stamp_s == pytest.approx(world.time_s)
        for waypoint in chunk.q[:6]:
            for k in range(1, 6):
                world.step(held + (waypoint - held) * k / 5, PERIOD_S / 5)
            held = waypoint
    assert world.success()


def test_motion_starts_and_ends_at_rest_on_its_waypoints():
    path = follow(np.array([[0.0, 0.5], [0.4, 0.6], [1.0, 0.5]]))
    assert np.allclose(path[-1], [1.0, 0.5])
    assert np.abs(path[0] - [0.0, 0.5]).max() < 0.01
    assert np.abs(path[-1] - path[-2]).max() < 0.01
