# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from onestep_vla_ros.core.joints import ARMS, arm_slice
from onestep_vla_ros.sim.contacts import TABLE, Touches
from onestep_vla_ros.sim.expert import goal
from onestep_vla_ros.sim.kinematics import ArmKinematics
from onestep_vla_ros.sim.objects import PLATE_HEIGHT_M
from onestep_vla_ros.sim.place_scene import CUBE_EDGE_M
from onestep_vla_ros.sim.scene import Pose
from onestep_vla_ros.sim.table import HOME_Q, bearing
from onestep_vla_ros.sim.yam_station import YamStation

pytestmark = pytest.mark.sim
RED, BLUE = "cube_red", "cube_blue"
HALF_M = CUBE_EDGE_M / 2
AT = {"left": (0.35, -0.15), "right": (0.35, -0.45)}


@pytest.fixture(scope="module")
def world():
    station = YamStation("place")
    yield station
    station.close()


def _around(world, arm, grip, ahead_m=0.0):
    """Put a gripper around the red cube on its side of the table; return the command."""
    world.reset(0)
    x_m, y_m = AT[arm]
    heading = bearing(arm, x_m, y_m)
    wanted = goal(x_m, y_m, HALF_M, heading, grip)
    q = np.array(HOME_Q)
    kinematics = ArmKinematics(world.model, arm)
    q[arm_slice(arm)] = [*kinematics.inverse(wanted.point, wanted.rotation, q[:6]), grip]
    world.stage.put(BLUE, Pose(0.5, -0.3, HALF_M))
    side = ahead_m * np.array([-np.sin(heading), np.cos(heading)])
    world.stage.put(RED, Pose(x_m + side[0], y_m + side[1], HALF_M, heading))
    world.stage.set_arms(q)
    return q


def test_touching_goes_both_ways():
    touches = Touches(frozenset({("a", "b"), ("b", "a")}), frozenset())
    assert touches.is_on("a", "b")
    assert touches.is_on("b", "a")
    assert not touches.is_on("a", "c")


@pytest.mark.parametrize(
    ("fingers", "is_grasped"),
    [
        ({("a", "left", 0), ("a", "left", 1)}, True),
        ({("a", "left", 0)}, False),
        ({("a", "left", 0), ("a", "left", 2)}, False),  # one finger and the palm
        ({("a", "left", 0), ("a", "right", 1)}, False),  # one finger of each arm
        ({("a", "left", 0), ("b", "left", 1)}, False),
    ],
)
def test_a_grasp_is_both_fingers_of_one_arm_on_one_body(fingers, is_grasped):
    touches = Touches(frozenset(), frozenset(fingers))
    assert touches.is_grasped("a", "left") == is_grasped
    assert not touches.is_grasped("a", "right")
    assert touches.is_touched("a")
    assert touches.is_touched("a", "left")


def test_cubes_on_the_table_touch_the_table_and_nothing_else(world):
    world.reset(0)
    world.step(np.array(HOME_Q), 0.3)
    touches = world.stage.touches()
    for cube in (RED, BLUE):
        assert touches.is_on(cube, TABLE)
        assert not touches.is_touched(cube)
    assert not touches.is_on(RED, BLUE)


def test_a_stack_touches_pair_by_pair(world):
    world.reset(0)
    plate = world.scene.fixtures["plate"]
    low_m = PLATE_HEIGHT_M + HALF_M
    world.stage.put(RED, Pose(plate.x_m, plate.y_m, low_m))
    world.stage.put(BLUE, Pose(plate.x_m, plate.y_m, low_m + CUBE_EDGE_M))
    world.step(np.array(HOME_Q), 0.2)
    touches = world.stage.touches()
    assert touches.is_on(RED, "plate")
    assert touches.is_on(BLUE, RED)
    assert not touches.is_on(BLUE, "plate")
    assert not touches.is_on(RED, TABLE)


@pytest.mark.parametrize("arm", ARMS)
def test_a_closed_gripper_grasps_what_is_between_its_fingers(world, arm):
    q = _around(world, arm, 0.8)
    assert not world.stage.touches().is_touched(RED)
    q[arm_slice(arm).stop - 1] = 0.15
    world.step(q, 0.6)
    other = ARMS[1 - ARMS.index(arm)]
    touches = world.stage.touches()
    assert touches.is_grasped(RED, arm)
    assert world.stage.is_grasped(RED, arm)
    assert not touches.is_touched(RED, other)
    assert not touches.is_touched(BLUE)


def test_one_finger_against_a_cube_is_a_touch_and_no_grasp(world):
    q = _around(world, "left", 0.8, ahead_m=0.016)
    world.step(q, 0.05)
    q[arm_slice("left").stop - 1] = 0.7
    world.step(q, 0.2)
    touches = world.stage.touches()
    assert touches.is_touched(RED, "left")
    assert not touches.is_grasped(RED, "left")
    assert not touches.is_touched(RED, "right")
