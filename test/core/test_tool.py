# SPDX-License-Identifier: Apache-2.0
"""Forward kinematics of the tools; test_description.py holds the URDF to the SDK."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onestep_vla_ros.core.errors import JointError
from onestep_vla_ros.core.joints import ARMS, DOF, arm_slice
from onestep_vla_ros.core.tool import tool_path, tool_paths

HOME = np.array([0.0, 1.047, 1.047, 0.0, 0.0, 0.0, 0.7] * 2)


def test_at_home_both_tools_are_before_their_bases_and_above_the_table():
    paths = tool_paths(HOME[None])
    assert list(paths) == list(ARMS)
    assert paths["left"] - paths["right"] == pytest.approx(np.array([[0.0, 0.61, 0.0]]))
    ((x, y, z),) = paths["left"]
    assert 0.2 < x < 0.5
    assert abs(y) < 1e-3
    assert 0.1 < z < 0.5


@settings(max_examples=50)
@given(
    turn=st.floats(-2.0, 2.0),
    q=st.lists(st.floats(-1.5, 1.5), min_size=DOF, max_size=DOF),
    arm=st.sampled_from(ARMS),
)
def test_joint_1_turns_the_tool_about_the_vertical_through_its_base(turn, q, arm):
    """About z up: the first joint's axis, at its base, is the vertical to within 1e-5 rad."""
    both = np.array([q, q])
    first = arm_slice(arm).start
    both[1, first] += turn
    base = np.array([0.0, 0.0 if arm == "left" else -0.61, 0.0])
    before, after = tool_path(both, arm) - base
    cos, sin = np.cos(turn), np.sin(turn)
    turned = [cos * before[0] - sin * before[1], sin * before[0] + cos * before[1], before[2]]
    assert after == pytest.approx(turned, abs=2e-5)


@given(q=st.lists(st.floats(-1.5, 1.5), min_size=DOF, max_size=DOF), grip=st.floats(0.0, 1.0))
def test_neither_the_gripper_nor_the_other_arm_moves_a_tool(q, grip):
    both = np.array([q, q])
    both[1, 6] = grip
    both[1, 7:] += 0.3
    path = tool_path(both, "left")
    assert (path[0] == path[1]).all()


def test_another_shape_or_arm_is_refused():
    with pytest.raises(JointError, match=r"shape.*\(3, 7\)"):
        tool_path(np.zeros((3, 7)), "left")
    with pytest.raises(JointError, match="middle"):
        tool_path(np.zeros((3, DOF)), "middle")
