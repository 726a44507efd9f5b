# SPDX-License-Identifier: Apache-2.0
"""The robot description: it parses, it is the SDK's arm, and all files name the same joints."""

from __future__ import annotations

import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import yaml

from onestep_vla_ros.core.joints import ARM_DOF, ARMS, JOINT_NAMES, arm_slice
from onestep_vla_ros.core.tool import FRAME, tool_paths

mujoco = pytest.importorskip("mujoco", reason="mujoco is not installed: pip install .[yam]")
xacro = pytest.importorskip("xacro", reason="xacro is not installed: pip install .[test]")

ROOT = Path(__file__).resolve().parents[1]
XACRO = ROOT / "urdf" / "bimanual_yam.urdf.xacro"
CONTROLLERS = ROOT / "config" / "controllers.yaml"
PLUGINS = {
    "mock": "mock_components/GenericSystem",
    "gazebo": "gz_ros2_control/GazeboSimSystem",
    "real": "a_vendor/Driver",
}
MAPPINGS = {
    "mock": {},
    "gazebo": {"hardware": "gazebo", "controllers": str(CONTROLLERS)},
    "real": {"hardware": "real", "plugin": "a_vendor/Driver"},
}
COLLISIONS = {"base", "link1", "link2", "link3", "link4", "link5", "hand", "finger1", "finger2"}
# Our frame -> the body or site of the SDK's station that it must coincide with.
SAME_FRAMES = {
    **{f"{arm}_{part}": f"{arm}_{part}" for arm in ARMS for part in ("base", "link1", "link5")},
    **{f"{arm}_hand": f"{arm}_gripper" for arm in ARMS},
    **{f"{arm}_finger1": f"{arm}_tip_left" for arm in ARMS},
    **{f"{arm}_finger2": f"{arm}_tip_right" for arm in ARMS},
    **{f"{arm}_wrist_optical_frame": f"{arm}_camera" for arm in ARMS},
    "top_optical_frame": "top_camera",
}
TRAVEL_M = 0.04695


def urdf_of(hardware: str) -> str:
    return xacro.process_file(str(XACRO), mappings=MAPPINGS[hardware]).toxml()


@pytest.fixture(scope="module", params=sorted(PLUGINS))
def any_robot(request):
    return request.param, ET.fromstring(urdf_of(request.param))  # noqa: S314 - our own file


@pytest.fixture(scope="module")
def robot():
    return ET.fromstring(urdf_of("mock"))  # noqa: S314 - our own file


@pytest.fixture(scope="module")
def ours():
    """Our URDF in MuJoCo, every frame kept as a body."""
    root = '<link name="world"/>'
    keep = '<mujoco><compiler fusestatic="false" discardvisual="false"/></mujoco>'
    text = urdf_of("mock").replace(root, keep + root)
    return mujoco.MjModel.from_xml_string(text)


@pytest.fixture(scope="module")
def sdk():
    i2rt = pytest.importorskip("i2rt", reason="dreamscale-i2rt is not installed")
    folder = Path(i2rt.__file__).parent / "robot_models" / "station"
    name = "yam_station_linear_4310_d405"
    return mujoco.MjModel.from_xml_path(str(folder / name / f"{name}.xml"))


def limits_of(robot: ET.Element, joint: str) -> tuple[float, float]:
    limit = robot.find(f"joint[@name='{joint}']/limit")
    return float(limit.get("lower")), float(limit.get("upper"))


def test_check_urdf_reads_the_description(tmp_path, any_robot):
    if shutil.which("check_urdf") is None:
        pytest.skip("check_urdf is missing: apt install liburdfdom-tools")
    path = tmp_path / "robot.urdf"
    path.write_bytes(ET.tostring(any_robot[1]))
    done = subprocess.run(["check_urdf", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Successfully Parsed" in done.stdout


def test_mujoco_reads_the_description(ours):
    assert ours.njnt == len(JOINT_NAMES) + 2 * len(ARMS)  # the joints of the wire and the fingers


@pytest.mark.parametrize(
    ("mappings", "message"),
    [
        ({"hardware": "fortress"}, "unknown"),
        ({"hardware": "real"}, "plugin"),
        ({"hardware": "gazebo"}, "controllers"),
    ],
)
def test_wrong_arguments_are_refused_by_name(mappings, message, capsys):
    with pytest.raises(xacro.XacroException, match=message):
        xacro.process_file(str(XACRO), mappings=mappings)


def test_wire_joints_are_exactly_the_14_in_order(any_robot):
    moving = [
        joint.get("name")
        for joint in any_robot[1].findall("joint")
        if joint.get("type") != "fixed" and joint.find("mimic") is None
    ]
    assert tuple(moving) == JOINT_NAMES


def test_limits_are_the_sdk_ones(robot, sdk):
    for arm in ARMS:
        for i in range(1, ARM_DOF):
            name = f"{arm}_joint{i}"
            assert limits_of(robot, name) == pytest.approx(sdk.joint(name).range, abs=1e-9)
        assert limits_of(robot, f"{arm}_gripper") == (0.0, 1.0)
        for ours_name, theirs in (("finger1_joint", "joint7"), ("finger2_joint", "joint8")):
            expected = sdk.joint(f"{arm}_{theirs}").range
            assert limits_of(robot, f"{arm}_{ours_name}") == pytest.approx(expected)


def test_every_joint_has_a_real_effort_and_velocity(robot):
    for joint in robot.findall("joint"):
        if joint.get("type") != "fixed":
            limit = joint.find("limit")
            assert 1.0 < float(limit.get("effort")) <= 50.0, joint.get("name")
            assert 0.01 < float(limit.get("velocity")) < 13.0, joint.get("name")


def test_fingers_follow_the_gripper_in_metres(robot):
    for arm in ARMS:
        for finger in ("finger1", "finger2"):
            mimic = robot.find(f"joint[@name='{arm}_{finger}_joint']/mimic")
            assert mimic.get("joint") == f"{arm}_gripper"
            assert float(mimic.get("multiplier")) == TRAVEL_M
            assert float(mimic.get("offset")) == 0.0


def test_mass_and_inertia_are_physical(robot):
    for link in robot.findall("link"):
        inertial = link.find("inertial")
        if inertial is None:
            assert link.find("collision") is None, link.get("name")
            continue
        assert float(inertial.find("mass").get("value")) > 0
        value = {key: float(text) for key, text in inertial.find("inertia").attrib.items()}
        tensor = np.array(
            [
                [value["ixx"], value["ixy"], value["ixz"]],
                [value["ixy"], value["iyy"], value["iyz"]],
                [value["ixz"], value["iyz"], value["izz"]],
            ]
        )
        low, middle, high = np.linalg.eigvalsh(tensor)
        assert low > 0, link.get("name")
        assert low + middle >= high * (1 - 1e-9), f"{link.get('name')}: triangle inequality"


def test_every_part_that_can_hit_something_has_primitives(robot):
    with_collision = {
        link.get("name") for link in robot.findall("link") if link.find("collision") is not None
    }
    assert with_collision == {f"{arm}_{part}" for arm in ARMS for part in COLLISIONS}
    assert not list(robot.iter("mesh"))


def test_arms_weigh_what_the_sdk_says(ours, sdk):
    for arm in ARMS:
        theirs = sum(
            sdk.body_mass[i]
            for i in range(sdk.nbody)
            if sdk.body(i).name.startswith(arm) and "camera" not in sdk.body(i).name
        )
        drive = ours.body(f"{arm}_gripper_drive").mass[0]
        mine = sum(
            ours.body_mass[i] for i in range(ours.nbody) if ours.body(i).name.startswith(arm)
        )
        assert mine - drive == pytest.approx(theirs, rel=1e-6)


def test_forward_kinematics_equal_the_sdk_within_a_micrometre(ours, sdk):
    """Every frame of both arms, 200 random poses inside the limits."""
    mine, theirs = mujoco.MjData(ours), mujoco.MjData(sdk)
    rng = np.random.default_rng(7)
    worst_m = worst_rad = 0.0
    for _ in range(200):
        for arm in ARMS:
            for i in range(1, ARM_DOF):
                name = f"{arm}_joint{i}"
                q = rng.uniform(*sdk.joint(name).range)
                mine.joint(name).qpos = theirs.joint(name).qpos = q
            slide = rng.uniform() * TRAVEL_M
            for finger, name in (("finger1_joint", "joint7"), ("finger2_joint", "joint8")):
                mine.joint(f"{arm}_{finger}").qpos = slide
                theirs.joint(f"{arm}_{name}").qpos = slide
        mujoco.mj_kinematics(ours, mine)
        mujoco.mj_kinematics(sdk, theirs)
        pairs = [(mine.body(a), theirs.body(b)) for a, b in SAME_FRAMES.items()]
        pairs += [(mine.body(f"{arm}_tcp"), theirs.site(f"tcp_{arm}")) for arm in ARMS]
        for a, b in pairs:
            rotation_a, rotation_b = a.xmat.reshape(3, 3), b.xmat.reshape(3, 3)
            angle = np.linalg.norm(rotation_a - rotation_b) / np.sqrt(2)
            worst_m = max(worst_m, float(np.linalg.norm(a.xpos - b.xpos)))
            worst_rad = max(worst_rad, float(angle))
    assert worst_m < 1e-6
    assert worst_rad < 1e-5


def test_ros2_control_offers_each_joint_once_with_its_limits(any_robot):
    hardware, tree = any_robot
    system = tree.find("ros2_control")
    assert system.find("hardware/plugin").text == PLUGINS[hardware]
    commanded = {}
    for joint in system.findall("joint"):
        name = joint.get("name")
        states = [state.get("name") for state in joint.findall("state_interface")]
        assert states == ["position", "velocity"], name
        if joint.find("command_interface") is not None:
            low, high = (float(p.text) for p in joint.findall("command_interface/param"))
            assert (low, high) == limits_of(tree, name)
            commanded[name] = float(joint.find("state_interface/param").text)
        else:
            assert tree.find(f"joint[@name='{name}']/mimic") is not None, name
    assert tuple(commanded) == JOINT_NAMES
    table = pytest.importorskip("onestep_vla_ros.sim.table")
    assert tuple(commanded.values()) == table.HOME_Q


def test_controllers_own_the_joints_of_the_wire_in_order():
    config = yaml.safe_load(CONTROLLERS.read_text(encoding="utf-8"))
    listed: tuple[str, ...] = ()
    for arm in ARMS:
        parameters = config[f"/**/{arm}_arm_controller"]["ros__parameters"]
        assert tuple(parameters["joints"]) == JOINT_NAMES[arm_slice(arm)]
        listed += tuple(parameters["joints"])
    assert listed == JOINT_NAMES


def test_controllers_are_set_as_the_bridge_relies_on():
    config = yaml.safe_load(CONTROLLERS.read_text(encoding="utf-8"))
    manager = config["/**/controller_manager"]["ros__parameters"]
    for arm in ARMS:
        kind = manager[f"{arm}_arm_controller"]["type"]
        assert kind == "joint_trajectory_controller/JointTrajectoryController"
        parameters = config[f"/**/{arm}_arm_controller"]["ros__parameters"]
        assert parameters["interpolate_from_desired_state"] is True
        assert parameters["allow_nonzero_velocity_at_trajectory_end"] is False
        constraints = parameters["constraints"]
        assert parameters["cmd_timeout"] > constraints["goal_time"] > 0
        assert constraints["decelerate_on_cancel"] is True
        for name in parameters["joints"]:
            assert constraints[name]["trajectory"] == (0.0 if "gripper" in name else 0.1)
            assert constraints[name]["max_deceleration_on_cancel"] > 0


def test_bridge_limits_lie_inside_the_description(robot):
    path = ROOT / "config" / "bridge.yaml"
    if not path.exists():
        pytest.skip("config/bridge.yaml does not exist")
    bridge = yaml.safe_load(path.read_text(encoding="utf-8"))["/**"]["ros__parameters"]
    assert tuple(bridge["joint_names"]) == JOINT_NAMES
    for i, name in enumerate(JOINT_NAMES):
        low, high = limits_of(robot, name)
        margin = bridge["position_margin"][i]
        assert bridge["position_low"][i] + margin >= low, name
        assert bridge["position_high"][i] - margin <= high, name


def test_constants_of_the_simulated_station_agree():
    """The simulator and the description are two models of one robot."""
    model = pytest.importorskip("onestep_vla_ros.sim.station_model")
    assert pytest.approx(TRAVEL_M, abs=1e-4) == model.GRIPPER_STROKE_M
    text = urdf_of("gazebo")
    assert f"<horizontal_fov>{np.radians(model.WRIST_FOVY_DEG)}" in text


def test_the_tool_paths_of_core_are_the_urdfs(ours):
    """200 random poses inside the limits; `core/tool.py` repeats the URDF's figures."""
    data = mujoco.MjData(ours)
    rng = np.random.default_rng(11)
    q = np.zeros((200, len(JOINT_NAMES)))
    found = {arm: np.zeros((200, 3)) for arm in ARMS}
    for row in range(200):
        for i, name in enumerate(JOINT_NAMES):
            q[row, i] = rng.uniform(*ours.joint(name).range)
            data.joint(name).qpos = q[row, i]
        mujoco.mj_kinematics(ours, data)
        for arm in ARMS:
            found[arm][row] = data.body(f"{arm}_tcp").xpos
    for arm, path in tool_paths(q).items():
        assert np.abs(path - found[arm]).max() < 1e-8
    assert FRAME == ours.body(0).name == "world"
