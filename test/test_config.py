# SPDX-License-Identifier: Apache-2.0
"""The shipped values and the schema are the same set of parameters."""

from __future__ import annotations

from dataclasses import fields

import pytest

from onestep_vla_ros.core import bridge_config, delta_config
from onestep_vla_ros.core import config as schema
from onestep_vla_ros.core.embodiment import LIBERO_PANDA
from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.core.parameter import from_mapping, markdown_table
from onestep_vla_ros.files import read_yaml, share_dir

NODES = {
    "bridge": bridge_config.BridgeConfig,
    "policy": schema.PolicyNodeConfig,
    "sim": schema.SimNodeConfig,
    "recorder": schema.RecorderConfig,
    "conductor": schema.ConductorConfig,
    "bridge_libero": delta_config.DeltaConfig,
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


@pytest.mark.parametrize("name", ["policy", "sim"])
def test_liberos_overlay_only_overrides_what_the_node_has(name):
    values, overlay = _values(name), _values(f"{name}_libero")
    assert set(overlay) <= set(values)
    from_mapping(NODES[name], values | overlay)
    for key, value in overlay.items():
        assert type(value) is type(values[key]), key


def test_the_nodes_of_libero_speak_of_the_same_arm_and_periods():
    bridge = from_mapping(delta_config.DeltaConfig, _values("bridge_libero"))
    policy, sim = _values("policy_libero"), _values("sim_libero")
    assert bridge.action_names == tuple(policy["joint_names"]) == LIBERO_PANDA.action_names
    assert bridge.state_names == tuple(policy["wire_names"]) == LIBERO_PANDA.state_names
    assert [bridge.action_names.index(name) for name in bridge.kept_actions] == [6]
    assert (bridge.action_low, bridge.action_high) == (LIBERO_PANDA.low, LIBERO_PANDA.high)
    periods = {bridge.control_period_s, policy["waypoint_period_s"], sim["control_period_s"]}
    assert periods == {1.0 / LIBERO_PANDA.rate_hz}
    assert sim["camera_period_s"] == sim["replan_period_s"] == policy["replan_period_s"]
    assert policy["image_timeout_s"] > sim["camera_period_s"] + 2.0 * sim["control_period_s"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"world": "libero", "task": "milk"}, "task: got: 'milk'; allowed with world libero"),
        ({"suite": "libero_goal"}, "suite: got: 'libero_goal'; allowed with world yam: empty"),
        ({"world": "moon"}, "world: got: 'moon'; allowed: yam | libero"),
    ],
)
def test_a_world_and_its_task_belong_together(change, words):
    with pytest.raises(ConfigError) as refused:
        from_mapping(schema.SimNodeConfig, _values("sim") | change)
    assert words in str(refused.value)


def test_scales_of_the_wire_have_an_entry_for_each_name():
    with pytest.raises(ConfigError, match="wire_scale: got: 13 entries; allowed: 14"):
        from_mapping(schema.PolicyNodeConfig, _values("policy") | {"wire_scale": [1.0] * 13})
