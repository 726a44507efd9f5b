# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from expert_run import run_expert

from onestep_vla_ros.core.joints import arm_slice
from onestep_vla_ros.sim.demonstration import demonstrate
from onestep_vla_ros.sim.handover import Phase
from onestep_vla_ros.sim.handover_expert import HandoverExpert, Mistake
from onestep_vla_ros.sim.handover_scene import BAR
from onestep_vla_ros.sim.motion import MAX_ACCELERATION, MAX_JERK, MAX_SPEED, PERIOD_S
from onestep_vla_ros.sim.scene import Pose
from onestep_vla_ros.sim.table import HOME_Q
from onestep_vla_ros.sim.yam_station import YamStation

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module")
def world():
    station = YamStation("handover")
    yield station
    station.close()


def _closings(plan, arm):
    grip = plan[:, arm_slice(arm)][:, 6]
    return int(np.sum((grip[1:] < 0.2) & (grip[:-1] >= 0.2)))


@pytest.mark.parametrize("seed", range(4))
def test_expert_hands_the_bar_over_within_thirteen_seconds(world, seed):
    world.reset(seed)
    plan = run_expert(world, world.expert())
    assert world.success()
    assert not world.wrong_object()
    assert world.time_s <= 13.0
    assert np.abs(plan[-1] - HOME_Q).max() < 1e-9
    for order, bound in enumerate((MAX_SPEED, MAX_ACCELERATION, MAX_JERK), start=1):
        assert np.abs(np.diff(plan, n=order, axis=0)).max() / PERIOD_S**order < 1.05 * bound


def test_seeds_of_the_test_above_have_both_directions(world):
    givers = set()
    for seed in range(4):
        world.reset(seed)
        givers.add(world.scene.giver)
    assert len(givers) == 2


@pytest.mark.parametrize("who", ["giver", "receiver"])
def test_a_grasp_that_misses_is_noticed_and_tried_again(world, who):
    world.reset(1)
    arm = getattr(world.scene, who)
    off_m = np.array([0.0, 0.0, 0.06])
    plan = run_expert(world, HandoverExpert(world.stage, world.scene, Mistake(arm, off_m)))
    assert _closings(plan, arm) == 2
    assert world.success()


def test_a_bar_lost_on_the_way_is_picked_up_again(world):
    world.reset(3)
    lost = []

    def drop():
        if not lost and world.stage.position(BAR)[2] > 0.08:
            at = world.scene.poses[BAR]
            world.stage.put(BAR, Pose(at.x_m, at.y_m, at.z_m, at.yaw_rad + 0.2))
            lost.append(world.time_s)

    plan = run_expert(world, world.expert(), drop)
    assert lost
    assert _closings(plan, world.scene.giver) == 2
    assert world.success()


def test_a_bar_out_of_reach_ends_at_home_without_success(world):
    world.reset(0)
    world.stage.put(BAR, Pose(0.75, -0.305, 0.02))
    plan = run_expert(world, world.expert())
    assert not world.success()
    assert np.abs(plan[-1] - HOME_Q).max() < 1e-9


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_demonstration_can_start_with_the_bar_in_the_air(world, is_shared):
    for seed in range(100_000, 100_100):
        world.reset(seed)
        expert = world.expert(np.random.default_rng([seed, 1]))
        scene, stage = world.scene, world.stage
        held = [stage.is_grasped(BAR, arm) for arm in (scene.giver, scene.receiver)]
        if held == [True, is_shared]:
            break
    else:
        pytest.fail("no demonstration starts like that")
    run_expert(world, expert)
    assert world.success()


@pytest.mark.parametrize("lift_rad", [-0.05, 0.05])
def test_the_receiver_goes_where_a_drifting_giver_brings_the_bar(world, lift_rad):
    heights, plans = [], []
    for drift_rad in (0.0, lift_rad):
        world.reset(1)
        giver, receiver = arm_slice(world.scene.giver), world.scene.receiver
        drift = np.zeros(14)
        drift[giver.start + 1] = drift_rad
        expert = HandoverExpert(world.stage, world.scene, drift=drift)
        taken = []

        def note(taken=taken, receiver=receiver):
            if not taken and world.stage.is_grasped(BAR, receiver):
                taken.append(world.stage.position(BAR)[2])

        plans.append(run_expert(world, expert, note)[:, giver])
        assert world.success()
        heights += taken
    assert abs(heights[1] - heights[0]) > 0.01
    offered = np.abs(plans[0][:, None] - plans[1][None]).max(axis=2).min(axis=1)
    assert np.median(offered) < 1e-9, "the giver's labels know nothing of its drift"


def test_a_demonstration_survives_noise_and_is_reproducible(world):
    one, two = demonstrate(world, 100_001), demonstrate(world, 100_001)
    assert one.success
    assert np.array_equal(one.physics, two.physics)


def test_phase_of_the_judge_agrees_with_what_the_expert_does(world):
    world.reset(2)
    seen = []

    def note():
        if not seen or seen[-1] is not world._judge.phase:
            seen.append(world._judge.phase)

    run_expert(world, world.expert(), note)
    assert seen[-4:] == [Phase.WAITING, Phase.GIVEN, Phase.SHARED, Phase.TAKEN]


def _run_until(world, expert, is_reached):
    """Execute the expert's plan up to the first moment at which `is_reached`."""
    before = world.joint_state()[0]
    while not is_reached():
        after = expert.next()
        for k in range(1, 6):
            world.step(before + (after - before) * k / 5, PERIOD_S / 5)
        before = after
        assert world.time_s < 20.0


@pytest.mark.parametrize("seed", range(2))
def test_another_expert_goes_on_where_the_receiver_has_the_bar(world, seed):
    """A giver that reached for it again would be no example for anybody."""
    world.reset(seed)
    first = world.expert()
    _run_until(world, first, lambda: world._judge.phase is Phase.TAKEN)
    second = world.expert()
    second.target = first.target
    plan = run_expert(world, second)
    assert world.success()
    assert not _closings(plan, world.scene.giver)


def test_another_expert_leaves_a_bar_alone_that_lies_on_the_plate(world):
    world.reset(0)
    _run_until(world, world.expert(), world.success)
    assert not list(world.expert().script())
