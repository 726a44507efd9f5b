# SPDX-License-Identifier: Apache-2.0
import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onestep_vla_ros.core.errors import JointError
from onestep_vla_ros.core.joints import ARMS
from onestep_vla_ros.sim.kinematics import TOLERANCE_M, ArmKinematics, tool_rotation
from onestep_vla_ros.sim.station_model import station_file
from onestep_vla_ros.sim.table import HOME_Q, base_y
from onestep_vla_ros.sim.tasks import build_model

pytestmark = pytest.mark.sim

HOME = np.array(HOME_Q[:6])
MODEL = build_model("place")
ARM = {arm: ArmKinematics(MODEL, arm) for arm in ARMS}


@settings(max_examples=60, deadline=None)
@given(
    arm=st.sampled_from(ARMS),
    radius=st.floats(0.27, 0.52),
    bearing=st.floats(-0.6, 0.6),
    height=st.floats(0.015, 0.14),
    turn=st.floats(-0.4, 0.4),
)
def test_inverse_reaches_every_pose_the_task_needs(arm, radius, bearing, height, turn):
    point = np.array([radius * np.cos(bearing), base_y(arm) + radius * np.sin(bearing), height])
    rotation = tool_rotation(bearing + turn, np.deg2rad(30.0))
    q = ARM[arm].inverse(point, rotation, HOME)
    at, turned = ARM[arm].forward(q)
    assert np.linalg.norm(at - point) < TOLERANCE_M
    assert np.allclose(turned, rotation, atol=0.01)
    assert (q >= ARM[arm].low).all()
    assert (q <= ARM[arm].high).all()


@settings(max_examples=30, deadline=None)
@given(arm=st.sampled_from(ARMS), seed=st.integers(0, 10_000))
def test_forward_equals_the_sdks_own_model(arm, seed):
    sdk = mujoco.MjModel.from_xml_path(str(station_file()))
    data = mujoco.MjData(sdk)
    q = np.random.default_rng(seed).uniform(ARM[arm].low, ARM[arm].high)
    for i in range(6):
        data.joint(f"{arm}_joint{i + 1}").qpos[0] = q[i]
    mujoco.mj_kinematics(sdk, data)
    at, _ = ARM[arm].forward(q)
    assert np.linalg.norm(at - data.site(f"tcp_{arm}").xpos) < 1e-9


def test_a_pose_out_of_reach_is_refused_with_what_is_left_over():
    with pytest.raises(JointError, match=r"out of reach.*left over"):
        ARM["left"].inverse(np.array([1.5, 0.0, 0.1]), tool_rotation(0.0, 0.5), HOME)


def test_a_strictly_vertical_gripper_does_not_reach_what_a_tilted_one_does():
    point = np.array([0.5, 0.0, 0.14])
    ARM["left"].inverse(point, tool_rotation(0.0, np.deg2rad(30.0)), HOME)
    with pytest.raises(JointError):
        ARM["left"].inverse(point, tool_rotation(0.0, 0.0), HOME)


def test_tool_rotation_is_a_rotation_with_a_level_closing_axis():
    rotation = tool_rotation(0.7, 0.5)
    assert np.allclose(rotation @ rotation.T, np.eye(3))
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    assert rotation[2, 1] == pytest.approx(0.0)
