# SPDX-License-Identifier: Apache-2.0
"""Boxes know their corners and how far a point stays off them, however they are turned."""

import mujoco
import numpy as np
import pytest

from onestep_vla_ros.sim.boxes import Boxes, obstacles_to, shape_of

SCENE = """
<mujoco>
  <worldbody>
    <geom name="floor" type="plane" size="1 1 0.1"/>
    <body name="cup_main" pos="0 0 0.1">
      <geom type="box" size="0.03 0.02 0.01"/>
      <body pos="0 0 0.05"><geom type="box" size="0.01 0.01 0.01"/></body>
      <geom type="box" size="0.5 0.5 0.5" contype="0" conaffinity="0"/>
    </body>
    <body name="shelf" pos="0.2 0 0.1"><geom type="box" size="0.01 0.1 0.1" euler="0 0 90"/></body>
    <body name="robot0_base" pos="0.1 0 0"><geom type="box" size="0.01 0.01 0.01"/></body>
  </worldbody>
</mujoco>
"""


@pytest.fixture(scope="module")
def scene():
    model = mujoco.MjModel.from_xml_string(SCENE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data, model.body("cup_main").id


def turned(angle):
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]])
    return Boxes(np.zeros((1, 3)), np.array([[0.2, 0.1, 0.05]]), turn)


def test_a_turned_box_is_wider_than_its_edges():
    low, high = turned(np.pi / 4).extent()
    assert high == pytest.approx([0.3 / np.sqrt(2.0), 0.3 / np.sqrt(2.0), 0.05])
    assert low == pytest.approx(-high)
    assert turned(0.3).corners().shape == (8, 3)


def test_the_gap_is_to_the_nearest_face_and_negative_inside():
    box = turned(np.pi / 2)
    assert box.gap(np.array([[0.15, 0.0, 0.0]])) == pytest.approx(0.05)
    assert box.gap(np.array([[0.5, 0.0, 0.0], [0.0, 0.25, 0.0]])) == pytest.approx(0.05)
    assert box.gap(np.zeros((1, 3))) == pytest.approx(-0.05)


def test_nothing_is_infinitely_far():
    nothing = turned(0.0).near(np.array([9.0, 0.0, 0.0]), 1.0)
    assert len(nothing.centre) == 0
    assert nothing.gap(np.zeros((1, 3))) == np.inf
    assert len(turned(0.0).near(np.array([1.0, 0.0, 0.0]), 1.0).centre) == 1


def test_a_shape_is_all_that_hangs_on_it_and_can_be_touched(scene):
    low, high = shape_of(*scene).extent()
    assert low == pytest.approx([-0.03, -0.02, 0.09])
    assert high == pytest.approx([0.03, 0.02, 0.16])


def test_obstacles_are_neither_the_arm_nor_the_object_nor_endless(scene):
    low, high = obstacles_to(*scene).extent()
    assert low == pytest.approx([0.1, -0.01, 0.0])
    assert high == pytest.approx([0.3, 0.01, 0.2])
