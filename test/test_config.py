# SPDX-License-Identifier: Apache-2.0
"""The shipped values and the schema are the same set of parameters."""

from __future__ import annotations

from dataclasses import fields

import pytest

from onestep_vla_ros.core import bridge_config
from onestep_vla_ros.core import config as schema
from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.core.parameter import from_mapping, markdown_table
from onestep_vla_ros.files import read_yaml, share_dir

NODES = {
    "bridge": bridge_config.BridgeConfig,
    "policy": schema.PolicyNodeConfig,
    "sim": schema.SimNodeConfig,
    "recorder": schema.RecorderConfig,
    "conductor": schema.ConductorConfig,
}


def _values(name: str) -> dict[str, object]:
    """Return the parameters of config/<name>.yaml, which apply to any node name."""
    data = read_yaml(share_dir() / "config" / f"{name}.yaml")
    assert list(data) == ["/**"]
    return dict(data["/**"]["ros__parameters"])


@pytest.mark.parametrize("name", NODES)
def test_yaml_keys_are_the_schemas_keys(name):
    assert list(_values(name)) == [spec.name for spec in fields(NODES[name])]


@pytest.mark.parametrize("name", NODES)
def test_yaml_values_are_in_range_and_of_the_declared_type(name):
    values = _values(name)
    config = from_mapping(NODES[name], values)
    for key, value in values.items():
        read = getattr(config, key)
        # ROS does not turn 50 into 50.0: the YAML has to write what the schema declares
        assert type(value) is (list if isinstance(read, tuple) else type(read)), key
        if isinstance(read, tuple):
            assert {type(entry) for entry in value} == {type(entry) for entry in read}, key


@pytest.mark.parametrize("name", NODES)
def test_table_shows_every_shipped_value(name):
    rows = markdown_table(NODES[name], _values(name)).splitlines()[2:]
    assert len(rows) == len(fields(NODES[name]))
    assert not any("|  |" in row for row in rows)


def test_robot_overlay_only_overrides_what_the_bridge_has():
    values = _values("bridge")
    overlay = _values("bridge_robot")
    assert set(overlay) <= set(values)
    config = from_mapping(bridge_config.BridgeConfig, values | overlay)
    assert config.resume_chunks >= 3


def test_bridge_and_policy_speak_of_the_same_joints():
    assert tuple(_values("bridge")["joint_names"]) == JOINT_NAMES
    assert tuple(_values("policy")["joint_names"]) == JOINT_NAMES


def test_bridge_and_sim_agree_on_period_and_command_topics():
    bridge, sim = _values("bridge"), _values("sim")
    assert bridge["control_period_s"] == sim["control_period_s"]
    assert bridge["output_mode"] == [sim["command_mode"]] * 2
