# SPDX-License-Identifier: Apache-2.0
import itertools

import numpy as np
import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.kinematics import ArmKinematics, tool_rotation
from onestep_vla_ros.sim.tasks import (
    COLOURS,
    CUBE_EDGE_M,
    HOME_Q,
    MIDLINE_Y_M,
    PLATE_HEIGHT_M,
    PLATE_RADIUS_M,
    draw_scene,
    instructions,
)
from onestep_vla_ros.sim.yam_station import YamStation

pytestmark = pytest.mark.sim
SCENES = [draw_scene("place", seed) for seed in range(300)]
ON_PLATE_M = PLATE_HEIGHT_M + CUBE_EDGE_M / 2


@pytest.fixture(scope="module")
def world():
    station = YamStation("place")
    yield station
    station.close()


def _wait(world, seconds=0.5):
    world.step(np.array(HOME_Q), seconds)


def test_scene_is_a_function_of_the_seed():
    assert draw_scene("place", 5) == draw_scene("place", 5)
    assert draw_scene("place", 5) != draw_scene("place", 6)


def test_instruction_names_the_target_and_is_one_of_the_tasks_sentences():
    for scene in SCENES:
        assert scene.target in scene.instruction
        assert scene.instruction in instructions("place")
    assert {scene.target for scene in SCENES} == set(COLOURS)


def test_arm_is_the_one_on_the_targets_side_and_never_in_doubt():
    for scene in SCENES:
        y_m = scene.cubes[scene.target].y_m
        assert scene.arm == ("left" if y_m > MIDLINE_Y_M else "right")
        assert abs(y_m - MIDLINE_Y_M) > 0.1
    assert {scene.arm for scene in SCENES} == {"left", "right"}


def test_cubes_leave_room_for_an_open_gripper_and_for_the_plate():
    for scene in SCENES:
        at = [np.array([c.x_m, c.y_m]) for c in scene.cubes.values()]
        assert all(np.linalg.norm(a - b) > 0.1 for a, b in itertools.combinations(at, 2))
        assert all(np.linalg.norm(a - scene.plate) > PLATE_RADIUS_M + 0.02 for a in at)


def test_either_arm_reaches_the_plate(world):
    for arm in ("left", "right"):
        kinematics = ArmKinematics(world.model, arm)
        for scene in SCENES[:40]:
            point = np.array([*scene.plate, 0.14])
            bearing = np.arctan2(point[1] - (0.0 if arm == "left" else -0.61), point[0])
            rotation = tool_rotation(bearing, np.deg2rad(30.0))
            kinematics.inverse(point, rotation, np.array(HOME_Q[:6]))


def test_unknown_task_is_refused_with_the_list_of_tasks():
    with pytest.raises(ConfigError, match=r"unknown task.*allowed.*place"):
        draw_scene("fold", 0)


@pytest.mark.parametrize("seed", range(4))
def test_an_untouched_scene_is_no_success(world, seed):
    world.reset(seed)
    _wait(world, 1.0)
    assert not world.success()
    assert not world.wrong_object()


def test_named_cube_resting_on_the_plate_is_success_after_a_moment(world):
    world.reset(0)
    world.stage.place_cube(world.scene.target, (*world.scene.plate, ON_PLATE_M))
    _wait(world, 0.1)
    assert not world.success()
    _wait(world, 0.4)
    assert world.success()
    assert not world.wrong_object()


def test_another_cube_on_the_plate_is_the_wrong_object(world):
    world.reset(0)
    other = next(colour for colour in COLOURS if colour != world.scene.target)
    world.stage.place_cube(other, (*world.scene.plate, ON_PLATE_M))
    _wait(world)
    assert world.wrong_object()
    assert not world.success()


def test_cube_hanging_over_the_rim_is_no_success(world):
    world.reset(0)
    x_m, y_m = world.scene.plate
    world.stage.place_cube(world.scene.target, (x_m, y_m + PLATE_RADIUS_M + 0.005, ON_PLATE_M))
    _wait(world)
    assert not world.success()


def test_cube_floating_above_the_plate_is_no_success(world):
    world.reset(0)
    for _ in range(50):
        world.stage.place_cube(world.scene.target, (*world.scene.plate, ON_PLATE_M + 0.05))
        world.step(np.array(HOME_Q), 0.01)
        assert not world.success()


def test_cube_taken_off_the_plate_again_is_no_success(world):
    world.reset(0)
    world.stage.place_cube(world.scene.target, (*world.scene.plate, ON_PLATE_M))
    _wait(world)
    assert world.success()
    world.stage.place_cube(world.scene.target, (0.3, -0.1, CUBE_EDGE_M / 2))
    _wait(world, 0.02)
    assert not world.success()


def test_cube_on_the_plate_but_still_held_is_no_success(world):
    world.reset(0)
    scene = world.scene
    kinematics = ArmKinematics(world.model, scene.arm)
    begin = 0 if scene.arm == "left" else 7
    bearing = np.arctan2(scene.plate[1] - (0.0 if begin == 0 else -0.61), scene.plate[0])
    point = np.array([*scene.plate, ON_PLATE_M])
    arm = kinematics.inverse(point, tool_rotation(bearing, 0.52), np.array(HOME_Q[:6]))
    q = np.array(HOME_Q)
    q[begin : begin + 7] = [*arm, 0.6]
    world.stage.set_arms(q)
    world.stage.place_cube(scene.target, tuple(point), bearing)
    q[begin + 6] = 0.15
    world.step(q, 1.5)
    assert world.stage.is_grasped(scene.target, scene.arm)
    assert not world.success()
    q[begin + 6] = 0.85
    world.step(q, 1.5)
    assert not world.stage.is_grasped(scene.target, scene.arm)
    assert world.success()
