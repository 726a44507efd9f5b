# SPDX-License-Identifier: Apache-2.0
"""Joint values are mapped by name, never by place."""

from __future__ import annotations

import math

import numpy as np
import pytest

from onestep_vla_ros.core.errors import JointError
from onestep_vla_ros.core.joints import (
    ARM_JOINT_INDEX,
    DOF,
    GRIPPER_INDEX,
    JOINT_NAMES,
    arm_slice,
    reorder,
)


def test_left_comes_first_and_grippers_last_in_each_arm():
    assert JOINT_NAMES[arm_slice("left")][-1] == "left_gripper"
    assert JOINT_NAMES[arm_slice("right")][0] == "right_joint1"
    assert [JOINT_NAMES[i] for i in GRIPPER_INDEX] == ["left_gripper", "right_gripper"]
    assert sorted((*ARM_JOINT_INDEX, *GRIPPER_INDEX)) == list(range(DOF))


def test_unknown_arm_is_refused_with_the_known_ones():
    with pytest.raises(JointError, match=r"got: 'third'; allowed: \['left', 'right'\]"):
        arm_slice("third")


def test_any_order_and_extra_joints_give_the_same():
    rng = np.random.default_rng(0)
    names, values = [*JOINT_NAMES, "head"], np.arange(15.0)
    for _ in range(20):
        order = rng.permutation(15)
        mixed = reorder([names[i] for i in order], [float(values[i]) for i in order])
        assert (mixed == values[:14]).all()


@pytest.mark.parametrize(
    ("names", "values", "words"),
    [
        (JOINT_NAMES[:13], [0.0] * 13, "joint missing"),
        ((*JOINT_NAMES[:13], "left_joint1"), [0.0] * 14, "more than once"),
        (JOINT_NAMES, [0.0] * 13, "14 names, 13 values"),
        (JOINT_NAMES, [math.nan] + [0.0] * 13, r"not finite; got: \['left_joint1'\]"),
    ],
)
def test_what_cannot_be_mapped_is_refused_by_name(names, values, words):
    with pytest.raises(JointError, match=words):
        reorder(names, values)
