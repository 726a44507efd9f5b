# SPDX-License-Identifier: Apache-2.0
"""The place task's scenes and judge; what every task has in common."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.kinematics import ArmKinematics, tool_rotation
from onestep_vla_ros.sim.objects import COLOURS, PLATE_HEIGHT_M, PLATE_RADIUS_M
from onestep_vla_ros.sim.perturbation import USUAL
from onestep_vla_ros.sim.place import PlaceTask
from onestep_vla_ros.sim.place_scene import CUBE_EDGE_M, cube_name
from onestep_vla_ros.sim.scene import Pose
from onestep_vla_ros.sim.table import HOME_Q, MIDLINE_Y_M, bearing
from onestep_vla_ros.sim.tasks import TASKS, instructions, rewrites, task_named
from onestep_vla_ros.sim.yam_station import YamStation

pytestmark = pytest.mark.sim
PLACE = PlaceTask()
SCENES = [PLACE.draw(seed, USUAL) for seed in range(300)]
ON_PLATE_M = PLATE_HEIGHT_M + CUBE_EDGE_M / 2


@pytest.fixture(scope="module")
def world():
    station = YamStation("place")
    yield station
    station.close()


def on_plate(world, *, up_m=0.0, left_m=0.0):
    plate = world.scene.fixtures["plate"]
    return Pose(plate.x_m, plate.y_m + left_m, ON_PLATE_M + up_m)


def _wait(world, seconds=0.5):
    world.step(np.array(HOME_Q), seconds)


def test_scene_is_a_function_of_the_seed():
    assert PLACE.draw(5, USUAL) == PLACE.draw(5, USUAL)
    assert PLACE.draw(5, USUAL) != PLACE.draw(6, USUAL)


def test_instruction_names_the_target_and_is_one_of_the_tasks_sentences():
    for scene in SCENES:
        assert scene.target.removeprefix("cube_") in scene.instruction
    assert {scene.target for scene in SCENES} == {cube_name(colour) for colour in COLOURS}
    assert {scene.instruction for scene in SCENES} == set(instructions("place"))


@pytest.mark.parametrize("task", TASKS)
def test_rewritten_sentences_are_none_of_the_demonstrations(task):
    scenes = [task_named(task).draw(s, replace(USUAL, is_rewritten=True)) for s in range(40)]
    assert {scene.instruction for scene in scenes} <= set(rewrites(task))
    assert not set(rewrites(task)) & set(instructions(task))
    assert all(len(sentence) <= 512 for sentence in rewrites(task))


def test_arm_is_the_one_on_the_targets_side_and_never_in_doubt():
    for scene in SCENES:
        y_m = scene.poses[scene.target].y_m
        assert scene.arm == ("left" if y_m > MIDLINE_Y_M else "right")
        assert abs(y_m - MIDLINE_Y_M) > 0.1
    assert {scene.arm for scene in SCENES} == {"left", "right"}


def test_cubes_leave_room_for_an_open_gripper_and_for_the_plate():
    for scene in SCENES:
        at = [np.array([c.x_m, c.y_m]) for c in scene.poses.values()]
        plate = scene.fixtures["plate"]
        assert all(np.linalg.norm(a - b) > 0.1 for a, b in itertools.combinations(at, 2))
        assert all(np.linalg.norm(a - (plate.x_m, plate.y_m)) > PLATE_RADIUS_M + 0.02 for a in at)


def test_either_arm_reaches_the_plate(world):
    for arm in ("left", "right"):
        kinematics = ArmKinematics(world.model, arm)
        for scene in SCENES[:40]:
            plate = scene.fixtures["plate"]
            point = np.array([plate.x_m, plate.y_m, 0.14])
            rotation = tool_rotation(bearing(arm, plate.x_m, plate.y_m), np.deg2rad(30.0))
            kinematics.inverse(point, rotation, np.array(HOME_Q[:6]))


def test_unknown_task_is_refused_with_the_list_of_tasks():
    with pytest.raises(ConfigError, match=r"unknown task.*allowed.*place"):
        task_named("fold")


@pytest.mark.parametrize("seed", range(4))
def test_an_untouched_scene_is_no_success(world, seed):
    world.reset(seed)
    _wait(world, 1.0)
    assert not world.success()
    assert not world.wrong_object()


def test_named_cube_resting_on_the_plate_is_success_after_a_moment(world):
    world.reset(0)
    world.stage.put(world.scene.target, on_plate(world))
    _wait(world, 0.1)
    assert not world.success()
    _wait(world, 0.4)
    assert world.success()
    assert not world.wrong_object()


def test_another_cube_on_the_plate_is_the_wrong_object(world):
    world.reset(0)
    other = next(c for c in map(cube_name, COLOURS) if c != world.scene.target)
    world.stage.put(other, on_plate(world))
    _wait(world)
    assert world.wrong_object()
    assert not world.success()


def test_cube_hanging_over_the_rim_is_no_success(world):
    world.reset(0)
    world.stage.put(world.scene.target, on_plate(world, left_m=PLATE_RADIUS_M + 0.005))
    _wait(world)
    assert not world.success()


def test_cube_floating_above_the_plate_is_no_success(world):
    world.reset(0)
    for _ in range(50):
        world.stage.put(world.scene.target, on_plate(world, up_m=0.05))
        world.step(np.array(HOME_Q), 0.01)
        assert not world.success()


def test_cube_taken_off_the_plate_again_is_no_success(world):
    world.reset(0)
    world.stage.put(world.scene.target, on_plate(world))
    _wait(world)
    assert world.success()
    world.stage.put(world.scene.target, Pose(0.3, -0.1, CUBE_EDGE_M / 2))
    _wait(world, 0.02)
    assert not world.success()


def test_cube_on_the_plate_but_still_held_is_no_success(world):
    world.reset(0)
    scene = world.scene
    at = on_plate(world)
    heading = bearing(scene.arm, at.x_m, at.y_m)
    point, begin = np.array([at.x_m, at.y_m, at.z_m]), 0 if scene.arm == "left" else 7
    kinematics = ArmKinematics(world.model, scene.arm)
    arm = kinematics.inverse(point, tool_rotation(heading, 0.52), np.array(HOME_Q[:6]))
    q = np.array(HOME_Q)
    q[begin : begin + 7] = [*arm, 0.6]
    world.stage.set_arms(q)
    world.stage.put(scene.target, replace(at, yaw_rad=heading))
    q[begin + 6] = 0.15
    world.step(q, 1.5)
    assert world.stage.is_grasped(scene.target, scene.arm)
    assert not world.success()
    q[begin + 6] = 0.85
    world.step(q, 1.5)
    assert not world.stage.is_grasped(scene.target, scene.arm)
    assert world.success()
