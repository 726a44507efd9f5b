# SPDX-License-Identifier: Apache-2.0
"""Whatever is wanted, an action keeps its limits, and to be still keeps the gripper."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onestep_vla_ros.core.action_governor import ActionGovernor
from onestep_vla_ros.core.delta_config import DeltaConfig
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.files import read_parameters

VALUES = read_parameters("bridge_libero.yaml")
CONFIG = from_mapping(DeltaConfig, VALUES)
NARROW = from_mapping(DeltaConfig, {**VALUES, "action_low": [-0.4, -0.3, -0.2, -1, -1, -1, -1]})


def wanted(*action):
    return np.stack([np.array(action, dtype=float), np.zeros(7), np.zeros(7)])


def test_nothing_is_told_before_the_gripper_was():
    governor = ActionGovernor(CONFIG)
    governor.reset(np.zeros(8))
    assert not governor.is_told
    assert governor.is_at_rest
    governor.brake()
    assert not governor.is_told
    governor.step(wanted(0, 0, 0, 0, 0, 0, 1))
    assert governor.is_told
    governor.reset(np.zeros(8))
    assert not governor.is_told


def test_an_arm_without_kept_parts_can_be_still_at_once():
    governor = ActionGovernor(from_mapping(DeltaConfig, {**VALUES, "kept_actions": []}))
    assert governor.is_told


def test_to_be_still_keeps_the_gripper_and_no_increment():
    governor = ActionGovernor(CONFIG)
    assert governor.step(wanted(0.1, -0.2, 0.3, 0.4, -0.5, 0.6, 0.7)) is False
    assert not governor.is_at_rest
    governor.brake()
    assert governor.state[0].tolist() == [0, 0, 0, 0, 0, 0, 0.7]
    assert governor.is_at_rest


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=7, max_size=7))
def test_whatever_is_wanted_the_action_is_finite_and_inside_its_limits(action):
    governor = ActionGovernor(NARROW)
    is_limited = governor.step(wanted(*action))
    told = governor.state[0]
    assert (told >= np.array(NARROW.action_low)).all()
    assert (told <= np.array(NARROW.action_high)).all()
    assert is_limited == (told.tolist() != [float(a) for a in action])


@given(st.lists(st.floats(-0.2, 1.0), min_size=7, max_size=7))
def test_what_is_inside_the_limits_passes_to_the_bit(action):
    governor = ActionGovernor(NARROW)
    assert governor.step(wanted(*action)) is False
    assert governor.state[0].tobytes() == np.array(action, dtype=float).tobytes()


def test_a_state_cannot_be_changed_from_outside():
    with pytest.raises(ValueError, match="read-only"):
        ActionGovernor(CONFIG).state[0, 0] = 1.0
