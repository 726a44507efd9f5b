# SPDX-License-Identifier: Apache-2.0
"""What pip, colcon and ros2 launch will find: package.xml, entry points, data files, graphs."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest
import yaml

from onestep_vla_ros.core import config
from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.delta_config import DeltaConfig
from onestep_vla_ros.deployment import Xacro
from onestep_vla_ros.files import PACKAGE
from onestep_vla_ros.graph import GRAPHS

ROOT = Path(__file__).resolve().parents[1]
FOREIGN_EXECUTABLES = {
    ("controller_manager", "ros2_control_node"),
    ("controller_manager", "spawner"),
    ("robot_state_publisher", "robot_state_publisher"),
    ("ros_gz_bridge", "parameter_bridge"),
    ("ros_gz_sim", "create"),
}
NODE_CONFIGS = {
    "bridge.yaml": BridgeConfig,
    "bridge_robot.yaml": BridgeConfig,
    "bridge_250hz.yaml": BridgeConfig,
    "bridge_libero.yaml": DeltaConfig,
    "policy.yaml": config.PolicyNodeConfig,
    "policy_robot.yaml": config.PolicyNodeConfig,
    "policy_libero.yaml": config.PolicyNodeConfig,
    "sim.yaml": config.SimNodeConfig,
    "sim_libero.yaml": config.SimNodeConfig,
    "recorder.yaml": config.RecorderConfig,
    "conductor.yaml": config.ConductorConfig,
}


@pytest.fixture(scope="module")
def manifest():
    return ET.parse(ROOT / "package.xml").getroot()  # noqa: S314 - our own file


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel that pip would install, built from a copy as pip builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("no git checkout: the files of the wheel are not known")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).symlink_to(ROOT / name)
    build = [sys.executable, "setup.py", "-q", "bdist_wheel", "--dist-dir", str(folder)]
    done = subprocess.run(build, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        yield archive


@pytest.fixture(scope="module")
def scripts(wheel):
    name = next(n for n in wheel.namelist() if n.endswith("entry_points.txt"))
    lines = wheel.read(name).decode().splitlines()
    pairs = (line.split("=") for line in lines if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def data_of(archive: zipfile.ZipFile) -> dict[str, str]:
    """Path under the prefix -> name in the wheel."""
    return {
        name.split(".data/data/", 1)[1]: name
        for name in archive.namelist()
        if ".data/data/" in name
    }


def test_manifest_is_format_3_with_licence_and_maintainer(manifest):
    assert manifest.tag == "package"
    assert manifest.get("format") == "3"
    for tag in ("name", "version", "description", "maintainer", "license"):
        assert manifest.find(tag).text.strip(), tag
    assert manifest.find("license").text == "Apache-2.0"
    assert manifest.find("license").get("file") == "LICENSE"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert manifest.find("export/build_type").text == "ament_python"
    assert manifest.find("name").text == "onestep_vla_ros"


def test_manifest_and_wheel_have_one_version(manifest, wheel):
    assert any(f"-{manifest.find('version').text}.dist-info/" in n for n in wheel.namelist())


def test_manifest_names_every_ros_package_that_is_imported(manifest):
    declared = {e.text for e in manifest if e.tag.endswith("depend")}
    ros = re.compile(r"^\s*(?:from|import) (rclpy|launch|launch_ros|\w+_(?:msgs|srvs))\b", re.M)
    files = [*(ROOT / "onestep_vla_ros").rglob("*.py"), *(ROOT / "launch").glob("*.py")]
    used = {name for path in files for name in ros.findall(path.read_text(encoding="utf-8"))}
    assert used
    assert used <= declared


def test_every_entry_point_can_be_called(scripts):
    assert {"onestep-vla", "policy_node", "bridge_node", "sim_node"} <= set(scripts)
    for target in scripts.values():
        module, function = target.split(":")
        if importlib.util.find_spec("rclpy") is None and ".nodes." in module:
            pytest.skip("rclpy is not installed: pip install .[jazzy]")
        assert callable(getattr(importlib.import_module(module), function)), target


def test_wheel_installs_every_data_file(wheel):
    installed = data_of(wheel)
    assert "share/ament_index/resource_index/packages/onestep_vla_ros" in installed
    share = "share/onestep_vla_ros"
    assert f"{share}/package.xml" in installed
    for top in ("config", "launch", "urdf", "resource"):
        for path in (ROOT / top).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                name = path.relative_to(ROOT).as_posix()
                is_marker = name == "resource/onestep_vla_ros"
                assert is_marker or f"{share}/{name}" in installed, name


def test_wheel_gives_launch_an_executable_for_every_node(wheel, scripts):
    installed = data_of(wheel)
    nodes = {name for name, target in scripts.items() if ".nodes." in target}
    assert nodes
    for name in nodes:
        entry = installed[f"lib/onestep_vla_ros/{name}"]
        assert wheel.getinfo(entry).external_attr >> 16 & 0o111, "not executable"
        text = wheel.read(entry).decode()
        assert text.startswith("#!/bin/sh\n")
        assert f'/../../bin/{name}" "$@"' in text


def test_wheel_holds_no_stray_file(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {t for t in tops if not t.startswith("onestep_vla_ros")} == set()
    assert not [n for n in wheel.namelist() if n.endswith((".pyc", ".pt", ".pkl", ".bin"))]


def test_graphs_name_executables_and_files_that_exist(scripts):
    for one in GRAPHS:
        for node in one.nodes({}):
            if node.package == PACKAGE:
                assert node.executable in scripts, f"{one.name}: {node.executable}"
            else:
                assert (node.package, node.executable) in FOREIGN_EXECUTABLES
            for name in node.config:
                assert (ROOT / "config" / name).is_file(), f"{one.name}: {name}"
            for value in node.parameters.values():
                if isinstance(value, Xacro):
                    assert (ROOT / "urdf" / value.file).is_file()


def test_manifest_names_every_package_a_graph_runs(manifest):
    declared = {e.text for e in manifest if e.tag == "exec_depend"} | {PACKAGE}
    for one in GRAPHS:
        assert {node.package for node in one.nodes({})} <= declared


def test_parameter_files_have_exactly_the_keys_of_the_schema():
    for path in sorted((ROOT / "config").glob("*.yaml")):
        if path.name not in NODE_CONFIGS:
            continue
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert list(content) == ["/**"], path.name
        keys = set(content["/**"]["ros__parameters"])
        fields = set(NODE_CONFIGS[path.name].__dataclass_fields__)
        assert keys <= fields, f"{path.name}: unknown {sorted(keys - fields)}"


def test_make_has_every_target_the_readme_names():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    assert {"setup", "demo", "test", "check", "clean"} <= targets
    readme = ROOT / "README.md"
    if readme.exists():
        named = re.findall(r"^(?:\$ )?make ([a-z-]+)", readme.read_text(encoding="utf-8"), re.M)
        assert set(named) <= targets


def test_requirements_are_pinned_to_the_version():
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-data.txt"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            text = line.split("#")[0].split(";")[0].strip()
            assert not text or re.fullmatch(r"[\w.\-\[\]]+==[\w.]+", text), f"{name}: {line}"


def test_system_packages_are_one_list():
    lines = (ROOT / "packages.apt").read_text(encoding="utf-8").splitlines()
    wanted = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    renderer = pytest.importorskip("onestep_vla_ros.sim.renderer")
    assert set(renderer.APT_PACKAGES.split()) <= wanted


def test_ci_runs_make_test():
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "set -eu" in text
    assert shlex.split(text.strip().splitlines()[-1]) == ["make", "test"]
