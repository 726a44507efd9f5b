# SPDX-License-Identifier: Apache-2.0
"""Reading parameters: all faults at once, in words; the table."""

from __future__ import annotations

import math
from array import array
from dataclasses import fields

import numpy as np
import pytest

from onestep_vla_ros.core import bridge_config
from onestep_vla_ros.core import config as schema
from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.core.parameter import from_mapping, markdown_table

NODES = [
    bridge_config.BridgeConfig,
    schema.PolicyNodeConfig,
    schema.SimNodeConfig,
    schema.RecorderConfig,
]


def test_good_mapping_becomes_a_frozen_config(bridge_mapping):
    config = from_mapping(BridgeConfig, bridge_mapping)
    assert config.max_velocity[6] == 4.0
    with pytest.raises(AttributeError):
        config.control_period_s = 1.0


def test_whole_number_is_taken_for_a_float_and_arrays_for_lists(bridge_mapping):
    mapping = bridge_mapping | {
        "joint_state_fault_s": 1,
        "max_jerk": array("d", bridge_mapping["max_jerk"]),
        "max_velocity": np.array(bridge_mapping["max_velocity"]),
    }
    config = from_mapping(BridgeConfig, mapping)
    assert config == from_mapping(BridgeConfig, bridge_mapping)
    assert isinstance(config.joint_state_fault_s, float)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("control_period_s", "0.01"),
        ("control_period_s", True),
        ("control_period_s", None),
        ("control_period_s", math.nan),
        ("control_period_s", math.inf),
        ("control_period_s", -0.01),
        ("resume_chunks", 1.0),
        ("resume_chunks", 0),
        ("output_mode", ["torque", "torque"]),
        ("output_mode", "joint_trajectory"),
        ("handover", "swap"),
        ("wire_scale", [0.0] * 14),
        ("left_output_joints", ["left_joint1"]),
        ("max_jerk", 500.0),
        ("max_jerk", [500.0] * 13),
        ("max_jerk", [500.0] * 13 + [math.nan]),
        ("max_jerk", [500.0] * 13 + ["x"]),
        ("joint_names", ["left_joint1"] * 14),
        ("position_low", [4.0] * 14),
        ("joint_state_timeout_s", 0.5),
        ("max_velocity", [0.01] * 14),
    ],
)
def test_bad_value_is_refused_by_name(bridge_mapping, name, value):
    mapping = bridge_mapping | {name: value, "joint_state_fault_s": 0.4}
    with pytest.raises(ConfigError, match=name):
        from_mapping(BridgeConfig, mapping)


def test_all_faults_are_listed_at_once(bridge_mapping):
    mapping = bridge_mapping | {
        "resume_chunk": 3,
        "control_period_s": math.nan,
        "max_jerk": [1.0],
        "min_waypoints": 200,
        "position_high": bridge_mapping["position_low"],
    }
    del mapping["jump_limit"]
    with pytest.raises(ConfigError) as caught:
        from_mapping(BridgeConfig, mapping, "bridge.yaml")
    text = str(caught.value)
    for words in (
        "bridge.yaml",
        "resume_chunk: unknown parameter; nearest: resume_chunks",
        "control_period_s: got: nan",
        "max_jerk: got: 1 entries; allowed: 14",
        "jump_limit: missing",
        "position_low/high[0]",
        "position_low/high[13]",
    ):
        assert words in text
    assert "min_waypoints" in text


@pytest.mark.parametrize("node", NODES)
def test_every_field_carries_its_documentation(node):
    for spec in fields(node):
        assert len(spec.metadata["doc"]) > 10, spec.name
        low, high = spec.metadata["low"], spec.metadata["high"]
        assert low is None or high is None or low < high


@pytest.mark.parametrize("node", NODES)
def test_table_has_a_row_for_every_parameter(node):
    lines = markdown_table(node).splitlines()
    assert len(lines) == 2 + len(fields(node))
    assert {line.replace("\\|", "").count("|") for line in lines} == {6}


def test_table_shows_given_values(bridge_mapping):
    table = markdown_table(BridgeConfig, bridge_mapping)
    assert "| `0.01` |" in table
    assert "forward_position" in table
