# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from onestep_vla_ros.sim.objects import PLATE_HEIGHT_M
from onestep_vla_ros.sim.place_scene import CUBE_EDGE_M
from onestep_vla_ros.sim.rest import HOLD_S, RestClock
from onestep_vla_ros.sim.scene import Pose
from onestep_vla_ros.sim.table import HOME_Q
from onestep_vla_ros.sim.yam_station import YamStation

pytestmark = pytest.mark.sim
CUBE, RADIUS_M, TICK_S = "cube_red", 0.05, 0.01
ON_PLATE_M = PLATE_HEIGHT_M + CUBE_EDGE_M / 2


@pytest.fixture(scope="module")
def world():
    station = YamStation("place")
    yield station
    station.close()


@pytest.fixture
def rest(world):
    """Return a clock of a cube that lies on the plate, and a function that lets time pass."""
    world.reset(0)
    plate = world.scene.fixtures["plate"]
    world.stage.put(CUBE, Pose(plate.x_m, plate.y_m, ON_PLATE_M))
    world.step(np.array(HOME_Q), 0.1)
    clock, centre = RestClock(world.model, CUBE), world.model.body("plate").id

    def wait(duration_s, is_condition_met=True):
        for _ in range(round(duration_s / TICK_S)):
            world.step(np.array(HOME_Q), TICK_S)
            clock.update(world.data, is_condition_met, centre)

    return clock, wait


def test_a_body_at_rest_is_placed_after_the_hold_time_and_not_before(rest):
    clock, wait = rest
    assert not clock.is_placed(RADIUS_M)
    wait(HOLD_S - TICK_S)
    assert not clock.is_placed(RADIUS_M)
    wait(3 * TICK_S)
    assert clock.is_placed(RADIUS_M)


def test_a_moment_without_the_condition_starts_the_time_anew(rest):
    clock, wait = rest
    wait(2 * HOLD_S)
    wait(TICK_S, is_condition_met=False)
    assert not clock.is_placed(RADIUS_M)
    wait(HOLD_S - TICK_S)
    assert not clock.is_placed(RADIUS_M)
    wait(3 * TICK_S)
    assert clock.is_placed(RADIUS_M)


@pytest.mark.parametrize(("axis", "speed"), [(0, 0.3), (5, 4.0)])
def test_a_body_that_moves_or_turns_is_not_at_rest(world, rest, axis, speed):
    clock, wait = rest
    wait(2 * HOLD_S)
    world.data.joint(CUBE).qvel[axis] = speed
    clock.update(world.data, True, world.model.body("plate").id)
    assert not clock.is_placed(RADIUS_M)
    wait(0.2 + HOLD_S)
    assert clock.is_placed(2 * RADIUS_M)


def test_a_body_that_rests_beyond_the_radius_is_not_placed(world, rest):
    clock, wait = rest
    plate = world.scene.fixtures["plate"]
    world.stage.put(CUBE, Pose(plate.x_m + 1.1 * RADIUS_M, plate.y_m, ON_PLATE_M))
    wait(2 * HOLD_S)
    assert not clock.is_placed(RADIUS_M)
    assert clock.is_placed(1.2 * RADIUS_M)


def test_reset_forgets_the_last_episode(rest):
    clock, wait = rest
    wait(2 * HOLD_S)
    clock.reset()
    assert not clock.is_placed(RADIUS_M)
