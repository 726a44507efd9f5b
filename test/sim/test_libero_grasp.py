# SPDX-License-Identifier: Apache-2.0
"""A grasp is one that the hand can get to, whatever stands or leans around the object.

Failures pinned: the fingers landed on the wall of the drawer that the bowl is in, and on the
bowl's own floor where the bowl leaned.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest

from onestep_vla_ros.sim.boxes import Boxes
from onestep_vla_ros.sim.libero_grasp import RIM_ROOM_M, find_grasp

RADIUS_M, HEIGHT_M = 0.053, 0.05


def boxes(*parts):
    """(middle, half, turn) ..."""
    return Boxes(*(np.array(values, dtype=float) for values in zip(*parts, strict=True)))


def about(axis, angle):
    turn, (i, j) = np.eye(3), [(1, 2), (2, 0), (0, 1)][axis]
    turn[[i, j], [i, j]] = np.cos(angle)
    turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
    return turn


def bowl(lean=0.0):
    """Sixteen walls and a floor, leaning about x [rad]."""
    tilt, parts = about(0, lean), []
    for angle in np.arange(16) * np.pi / 8:
        turn = about(2, angle)
        middle = turn @ [RADIUS_M, 0.0, 0.5 * HEIGHT_M]
        parts.append((tilt @ middle, [0.001, 0.011, 0.5 * HEIGHT_M], tilt @ turn))
    parts.append((np.zeros(3), [0.03, 0.03, 0.001], tilt))
    return boxes(*parts)


def wall(x, y, half_x, half_y):
    return [x, y, 0.03], [half_x, half_y, 0.03], np.eye(3)


TABLE = ([0.0, 0.0, -0.5], [1.0, 1.0, 0.4], np.eye(3))
DRAWER = [wall(0.0, y, 0.3, 0.012) for y in (-0.078, 0.078)]


@dataclass
class World:
    own: Boxes
    around: Boxes
    objects: tuple[str, ...] = ("thing",)
    others: dict = field(default_factory=dict)

    def shape(self, name):
        return self.own

    def obstacles(self, name):
        return self.around

    def extent(self, name):
        return self.others.get(name, self.own).extent()


def fingers(grasp):
    """The tips' inner faces, (2, 3)."""
    along = about(2, grasp.yaw_rad) @ [0.0, 0.04, 0.0]
    return np.array([grasp.place + along, grasp.place - along])


def test_a_bowl_that_stands_free_is_held_by_its_rim_without_a_turn():
    own = bowl()
    grasp = find_grasp(World(own, boxes(TABLE)), "thing")
    assert grasp.yaw_rad == 0.0
    reach = np.linalg.norm(fingers(grasp)[:, :2], axis=1)
    assert reach.min() < RADIUS_M < reach.max()
    assert 0.0 < grasp.place[2] < own.extent()[1][2]


def test_between_walls_the_hand_turns_or_comes_closer():
    own, around = bowl(), boxes(TABLE, *DRAWER)
    free = find_grasp(World(own, boxes(TABLE)), "thing")
    grasp = find_grasp(World(own, around), "thing")
    assert around.gap(fingers(free)) < 0.0
    assert around.gap(fingers(grasp)) >= RIM_ROOM_M
    reach = np.linalg.norm(fingers(grasp)[:, :2], axis=1)
    assert reach.min() < RADIUS_M < reach.max()


@pytest.mark.parametrize("lean", [0.3, -0.3, 0.9])
def test_the_fingers_miss_the_walls_and_the_floor_of_a_bowl_that_leans(lean):
    own = bowl(lean)
    grasp = find_grasp(World(own, boxes(TABLE)), "thing")
    assert own.gap(fingers(grasp)) >= RIM_ROOM_M
    assert np.abs(grasp.yaw_rad) <= 0.5 * np.pi


def test_what_fits_between_the_fingers_is_held_in_the_middle():
    own = boxes(([0.1, 0.2, 0.05], [0.03, 0.03, 0.05], np.eye(3)))
    grasp = find_grasp(World(own, boxes(TABLE)), "thing")
    assert grasp.place == pytest.approx([0.1, 0.2, 0.07])
    assert grasp.yaw_rad == 0.0


def test_the_palm_keeps_off_a_tall_neighbour_as_far_as_the_object_allows():
    own = boxes(([0.0, 0.0, 0.05], [0.04, 0.03, 0.05], np.eye(3)))
    tall = boxes(([0.07, 0.0, 0.1], [0.03, 0.03, 0.1], np.eye(3)))
    world = World(own, boxes(TABLE), ("thing", "bottle"), {"bottle": tall})
    assert find_grasp(world, "thing").place[:2] == pytest.approx([-0.0075, 0.0])
