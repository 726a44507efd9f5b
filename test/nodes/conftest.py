# SPDX-License-Identifier: Apache-2.0
"""Real nodes in one process, a clock in the test's hand."""

from __future__ import annotations

import time

import pytest
from tiny_robot import PATIENCE_S, KinematicWorld, write_tiny_checkpoint

from onestep_vla_ros.files import share_dir


@pytest.fixture(scope="session")
def ros():
    """rclpy, initialised once for the session."""
    rclpy = pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
    rclpy.init()
    yield rclpy
    rclpy.try_shutdown()


@pytest.fixture
def world():
    return KinematicWorld()


@pytest.fixture
def make_node(ros):
    """Build nodes with parameters from config/<file> and overrides; destroyed at the end."""
    from rclpy.node import Node

    made = []

    def make(name, *files, kind=Node, **parameters):
        arguments = ["--ros-args", "-r", f"__node:={name}"]
        for file in files:
            arguments += ["--params-file", str(share_dir() / "config" / file)]
        for key, value in parameters.items():
            arguments += ["-p", f"{key}:={value}"]
        node = kind(name, cli_args=arguments)
        made.append(node)
        return node

    yield make
    for node in made:
        if hasattr(node, "close"):
            node.close()
        node.destroy_node()


@pytest.fixture
def spin(ros):
    """Spin nodes in this thread until a predicate holds; fail with `what` otherwise."""
    from onestep_vla_ros.nodes.executor import make_executor

    executor = make_executor()
    added = []

    def until(predicate, *nodes, what="what the test waits for"):
        for node in nodes:
            if node not in added:
                executor.add_node(node)
                added.append(node)
        end = time.monotonic() + PATIENCE_S
        while not predicate():
            executor.spin_once(timeout_sec=0.02)
            assert time.monotonic() < end, f"{what} did not happen in {PATIENCE_S} s"

    yield until
    for node in added:
        executor.remove_node(node)
    executor.shutdown()


@pytest.fixture
def live(make_node, spin):
    """Start a live robot; its process is gone at the end."""
    from live_robot import LiveRobot

    robots = []

    def start(*files, **parameters):
        robots.append(LiveRobot(make_node, spin, *files, **parameters))
        return robots[-1]

    yield start
    for robot in robots:
        robot.close()


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """A folder with a random policy of the shipped robot's contract, too small to be useful."""
    return write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny")
