# SPDX-License-Identifier: Apache-2.0
"""Names, order and units of the robot at hand: there and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.errors import ConfigError, JointError
from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.core.wire_units import WireUnits

NAMES = tuple(f"{side}{i}" for side in "lr" for i in range(7))


@pytest.fixture
def units(bridge_config):
    config = replace(
        bridge_config,
        joint_names=NAMES,
        left_output_joints=("l6", "l5", "l4", "l3", "l2", "l1", "l0"),
        right_output_joints=("r0", "r1", "r2", "r3", "r4", "r5"),
        wire_scale=(1.0,) * 6 + (-0.0475,) + (180.0 / np.pi,) * 6 + (-2.0,),
        wire_offset=(0.0,) * 13 + (1.0,),
    )
    return WireUnits(config)


def test_messages_have_their_own_order_names_and_units(units):
    q = np.arange(14.0) / 10
    assert units.names["left"] == ["l6", "l5", "l4", "l3", "l2", "l1", "l0"]
    assert units.to_wire("left", q) == pytest.approx([-0.0285, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
    assert units.to_wire("right", q) == pytest.approx(np.degrees(q[7:13]))
    assert units.names["right_gripper"] == ["r6"]
    assert units.to_wire("right_gripper", q) == pytest.approx([1.0 - 2.0 * 1.3])
    assert units.names["left_gripper"] == []
    assert units.rates_to_wire("right_gripper", q) == pytest.approx([-2.6])  # no offset
    rows = np.stack([q, 2 * q])
    assert units.to_wire("left", rows).shape == (2, 7)


def test_joint_states_come_back_by_name(units):
    q = np.linspace(-1.0, 1.0, 14)
    wire = dict(zip(units.names["left"], units.to_wire("left", q), strict=True))
    for message in ("right", "right_gripper"):
        wire |= dict(zip(units.names[message], units.to_wire(message, q), strict=True))
    names = ["extra", *sorted(wire, reverse=True)]
    assert units.positions_from_wire(names, [9.0, *(wire[n] for n in names[1:])]) == pytest.approx(
        q
    )
    rates = units.rates_from_wire(NAMES, [1.0] * 14)
    assert rates[[0, 6, 7, 13]] == pytest.approx([1.0, 1 / -0.0475, np.pi / 180.0, -0.5])
    with pytest.raises(JointError, match="r3"):
        units.positions_from_wire([n for n in NAMES if n != "r3"], [0.0] * 13)


def test_default_wire_is_the_vector_itself(bridge_config):
    units = WireUnits(bridge_config)
    q = np.arange(14.0)
    assert units.names["left"] + units.names["right"] == list(JOINT_NAMES)
    assert np.array_equal(units.to_wire("right", q), q[7:])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"left_output_joints": list(JOINT_NAMES[:6])}, "left_output_joints"),
        ({"gripper_output": "forward_position"}, "right_output_joints"),
        ({"right_output_joints": list(JOINT_NAMES[:7])}, "right_joint1"),
        ({"wire_scale": [0.0] * 14}, r"wire_scale\[13\]"),
    ],
)
def test_a_wire_that_loses_a_joint_is_refused(bridge_mapping, change, words):
    with pytest.raises(ConfigError, match=words):
        from_mapping(BridgeConfig, bridge_mapping | change)
