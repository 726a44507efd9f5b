# SPDX-License-Identifier: Apache-2.0
"""The Gazebo world: what `sdf -k` misses (meshes, plugins, misspelt tags) is checked here."""

from __future__ import annotations

import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

xacro = pytest.importorskip("xacro", reason="xacro is not installed: pip install .[test]")

ROOT = Path(__file__).resolve().parents[1]
WORLDS = sorted((ROOT / "urdf" / "worlds").glob("*.sdf"))
CONTROLLERS = ROOT / "config" / "controllers.yaml"
PLUGINS = {
    ("gz-sim-physics-system", "gz::sim::systems::Physics"),
    ("gz-sim-user-commands-system", "gz::sim::systems::UserCommands"),
    ("gz-sim-scene-broadcaster-system", "gz::sim::systems::SceneBroadcaster"),
    ("gz-sim-sensors-system", "gz::sim::systems::Sensors"),
    ("libgz_ros2_control-system.so", "gz_ros2_control::GazeboSimROS2ControlPlugin"),
}
# The part of SDF 1.9 that these files use: a misspelt tag is none of these.
_SDF_TEXT = """
sdf world physics max_step_size real_time_factor gravity plugin render_engine light pose
cast_shadows diffuse specular direction model static link inertial mass inertia ixx iyy izz
ixy ixz iyz collision visual geometry box size plane normal cylinder radius length material
ambient surface friction ode mu mu2 sensor always_on update_rate topic camera horizontal_fov
image width height format clip near far optical_frame_id
"""
SDF_ELEMENTS = frozenset(_SDF_TEXT.split())


def world(path: Path) -> ET.Element:
    return ET.parse(path).getroot()  # noqa: S314 - our own file


@pytest.fixture(scope="module")
def gazebo_robot():
    mappings = {"hardware": "gazebo", "controllers": str(CONTROLLERS)}
    document = xacro.process_file(
        str(ROOT / "urdf" / "bimanual_yam.urdf.xacro"), mappings=mappings
    )
    return ET.fromstring(document.toxml())  # noqa: S314 - our own file


def test_there_is_a_world():
    assert [path.name for path in WORLDS] == ["bimanual_table.sdf"]


@pytest.mark.parametrize("path", WORLDS, ids=lambda p: p.name)
def test_libsdformat_finds_the_world_valid(path):
    tool = shutil.which("gz") or shutil.which("ign")
    if tool is None:
        pytest.skip("neither gz nor ign is installed: apt install libsdformat-dev ignition-tools")
    done = subprocess.run([tool, "sdf", "-k", path], capture_output=True, text=True, check=False)
    assert "Valid." in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORLDS, ids=lambda p: p.name)
def test_world_is_sdf_1_9_with_known_elements(path):
    root = world(path)
    assert root.get("version") == "1.9"  # Fortress and Harmonic both read it
    assert not {element.tag for element in root.iter()} - SDF_ELEMENTS


def test_robot_extensions_use_known_elements(gazebo_robot):
    tags = {e.tag for sensor in gazebo_robot.iter("sensor") for e in sensor.iter()}
    assert "optical_frame_id" in tags
    assert not tags - SDF_ELEMENTS


@pytest.mark.parametrize("path", WORLDS, ids=lambda p: p.name)
def test_world_loads_known_plugins_only(path, gazebo_robot):
    for tree in (world(path), gazebo_robot):
        plugins = {(p.get("filename"), p.get("name")) for p in tree.iter("plugin") if p.attrib}
        assert plugins
        assert plugins <= PLUGINS


@pytest.mark.parametrize("path", WORLDS, ids=lambda p: p.name)
def test_world_names_no_file_that_does_not_exist(path):
    for element in world(path).iter():
        if element.tag in {"uri", "filename"}:
            assert (path.parent / (element.text or "")).exists(), element.text


def test_plugin_reads_the_controllers_that_we_install(gazebo_robot):
    parameters = gazebo_robot.find("gazebo/plugin/parameters").text
    assert Path(parameters) == CONTROLLERS
    assert CONTROLLERS.is_file()


def test_world_inertias_are_those_of_the_boxes():
    for model in world(WORLDS[0]).iter("model"):
        inertial = model.find("link/inertial")
        if inertial is None:
            assert model.find("static").text == "true", model.get("name")
            continue
        mass = float(inertial.find("mass").text)
        sides = np.array(model.find("link/collision/geometry/box/size").text.split(), float)
        expected = mass / 12 * (np.sum(sides**2) - sides**2)
        tensor = [float(inertial.find(f"inertia/{axis}").text) for axis in ("ixx", "iyy", "izz")]
        assert tensor == pytest.approx(expected, rel=1e-3)


def test_world_has_the_objects_of_the_task():
    objects = pytest.importorskip("onestep_vla_ros.sim.objects")
    place = pytest.importorskip("onestep_vla_ros.sim.place")
    root = world(WORLDS[0])
    for colour, rgba in objects.COLOURS.items():
        model = root.find(f".//model[@name='{colour}_cube']")
        size = [float(x) for x in model.find("link/collision/geometry/box/size").text.split()]
        assert size == [place.CUBE_EDGE_M] * 3
        assert float(model.find("link/inertial/mass").text) == place.CUBE_MASS_KG
        shown = [float(x) for x in model.find("link/visual/material/diffuse").text.split()]
        assert tuple(shown) == pytest.approx(rgba)
    plate = root.find(".//model[@name='plate']//cylinder")
    assert float(plate.find("radius").text) == objects.PLATE_RADIUS_M
    assert float(plate.find("length").text) == objects.PLATE_HEIGHT_M


def test_cameras_are_those_of_the_simulated_station(gazebo_robot):
    station = pytest.importorskip("onestep_vla_ros.sim.yam_station")
    model = pytest.importorskip("onestep_vla_ros.sim.station_model")
    found = {}
    for tree in (world(WORLDS[0]), gazebo_robot):
        for sensor in tree.iter("sensor"):
            camera = sensor.find("camera")
            size = int(camera.find("image/height").text), int(camera.find("image/width").text)
            fov = np.degrees(float(camera.find("horizontal_fov").text))
            found[sensor.get("name")] = (*size, round(fov, 3))
            assert sensor.find("topic").text == f"{sensor.get('name')}/image_raw"
            frame = camera.find("optical_frame_id").text
            assert frame == f"{sensor.get('name')}_optical_frame"
            assert gazebo_robot.find(f"link[@name='{frame}']") is not None
    fovy = {"top": model.TOP_FOVY_DEG}
    assert found == {
        spec.name: (spec.height, spec.width, fovy.get(spec.name, model.WRIST_FOVY_DEG))
        for spec in station.CAMERAS
    }
