# SPDX-License-Identifier: Apache-2.0
"""Which joint_trajectory_controller may move the arms: judged by its own parameters."""

from __future__ import annotations

import pytest
import yaml

from onestep_vla_ros.core.controller_audit import audit_controller, audited_names
from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.files import share_dir

LEFT = JOINT_NAMES[:7]


def _shipped(arm: str = "left") -> dict[str, object]:
    text = (share_dir() / "config" / "controllers.yaml").read_text(encoding="utf-8")
    given = yaml.safe_load(text)[f"/**/{arm}_arm_controller"]["ros__parameters"]
    flat = {k: v for k, v in given.items() if k != "constraints"}
    for key, value in given["constraints"].items():
        if isinstance(value, dict):
            flat |= {f"constraints.{key}.{k}": v for k, v in value.items()}
        else:
            flat[f"constraints.{key}"] = value
    return flat


def test_the_shipped_controllers_are_safe():
    for arm, joints in (("left", LEFT), ("right", JOINT_NAMES[7:])):
        assert audit_controller(_shipped(arm), joints, grippers=[f"{arm}_gripper"]) == []
        assert set(audited_names(joints)) <= set(_shipped(arm))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"interpolate_from_desired_state": False}, "interpolate_from_desired_state: got: False"),
        ({"allow_nonzero_velocity_at_trajectory_end": True}, "allow_nonzero_velocity"),
        ({"constraints.left_joint3.trajectory": 0.0}, "constraints.left_joint3.trajectory"),
        ({"constraints.left_joint3.trajectory": None}, "got: None"),
        ({"cmd_timeout": 0.0}, "cmd_timeout"),
        ({"cmd_timeout": 0.05}, "not above constraints.goal_time"),
        ({"joints": list(LEFT[:6])}, "joints: got:"),
        ({"command_interfaces": ["effort"]}, "command_interfaces"),
    ],
)
def test_an_unsafe_parameter_is_named_with_what_is_allowed(change, words):
    faults = audit_controller(_shipped() | change, LEFT, grippers=["left_gripper"])
    assert len(faults) == 1
    assert words in faults[0]
    assert "allowed: " in faults[0]


def test_every_fault_is_named_at_once():
    bare = {"interpolate_from_desired_state": False}
    faults = audit_controller(bare, LEFT, grippers=["left_gripper"])
    assert len(faults) == 1 + 6 + 1


def test_what_is_no_trajectory_controller_is_not_judged():
    assert audit_controller({}, LEFT) == []
    assert audit_controller({"interpolate_from_desired_state": None}, LEFT) == []
