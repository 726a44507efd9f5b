# SPDX-License-Identifier: Apache-2.0
"""Parameters: judged all at once, declared read-only with range and meaning."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from rclpy.parameter import Parameter  # noqa: E402

from onestep_vla_ros.core.bridge_config import BridgeConfig  # noqa: E402
from onestep_vla_ros.core.config import SimNodeConfig  # noqa: E402
from onestep_vla_ros.core.errors import ConfigError  # noqa: E402
from onestep_vla_ros.core.joints import JOINT_NAMES  # noqa: E402
from onestep_vla_ros.nodes.params import read_parameters  # noqa: E402


def test_shipped_file_gives_the_config(make_node):
    config = read_parameters(make_node("bridge", "bridge.yaml", use_sim_time="true"), BridgeConfig)
    assert config.joint_names == JOINT_NAMES
    assert config.control_period_s == 0.01


def test_every_fault_is_named_at_once(make_node):
    node = make_node(
        "bridge",
        "bridge.yaml",
        control_period_s="7.0",
        joint_state_timeout_s=".nan",
        min_waypoints="1",
        max_velocity="[1.0, 2.0]",
        gain="1.0",
    )
    with pytest.raises(ConfigError) as caught:
        read_parameters(node, BridgeConfig)
    for name in (
        "control_period_s",
        "joint_state_timeout_s",
        "min_waypoints",
        "max_velocity",
        "gain",
    ):
        assert name in str(caught.value)
    assert not node.has_parameter("control_period_s")


def test_missing_parameters_are_named(make_node):
    with pytest.raises(ConfigError, match="seed: missing"):
        read_parameters(make_node("sim"), SimNodeConfig)


def test_parameters_are_read_only_and_described(make_node):
    node = make_node("sim", "sim.yaml")
    read_parameters(node, SimNodeConfig)
    described = node.describe_parameter("camera_period_s")
    assert described.read_only
    assert described.floating_point_range[0].to_value == 1.0
    assert "camera" in described.description
    assert "0.005 to 1 s" in described.additional_constraints
    (result,) = node.set_parameters([Parameter("camera_period_s", value=0.5)])
    assert not result.successful


def test_nothing_can_be_set_while_the_node_runs(make_node):
    """`use_sim_time` could: the steady bridge then waited for a /clock that never came."""
    node = make_node("bridge", "bridge.yaml")
    read_parameters(node, BridgeConfig)
    before = node.get_clock().ros_time_is_active
    for name, value in (("use_sim_time", True), ("control_period_s", 0.02)):
        (result,) = node.set_parameters([Parameter(name, value=value)])
        assert not result.successful
        assert result.reason
    assert node.get_parameter("use_sim_time").value is False
    assert node.get_clock().ros_time_is_active == before
