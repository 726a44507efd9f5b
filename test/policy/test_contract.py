# SPDX-License-Identifier: Apache-2.0
import pytest

from onestep_vla_ros.core.embodiment import LIBERO_PANDA
from onestep_vla_ros.core.errors import CheckpointError
from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.policy.contract import Contract


def test_fitting_robot_passes_with_cameras_in_any_order_and_more_of_them(nano):
    cameras = (*reversed(nano.contract.cameras), CameraSpec("ceiling", 9, 9))
    nano.contract.check(JOINT_NAMES, cameras, 0.04)


def test_every_mismatch_is_listed_at_once(nano):
    swapped = (*JOINT_NAMES[7:], *JOINT_NAMES[:7])
    with pytest.raises(CheckpointError) as caught:
        nano.contract.check(swapped, (CameraSpec("top", 480, 640),), 0.02)
    text = str(caught.value)
    for part in ("4 faults", "joints", "'top'", "480x640", "'left_wrist'", "period_s: got 0.02"):
        assert part in text


def test_json_round_trip_keeps_everything(nano):
    back, faults = Contract.from_json(nano.contract.to_json())
    assert faults == []
    assert back.to_json() == nano.contract.to_json()


def test_every_damaged_entry_is_listed(nano):
    data = nano.contract.to_json()
    data |= {"units": "degrees", "period_s": -1, "cameras": {"top": [0, 3]}, "start_q_low": [1]}
    del data["horizon"]
    contract, faults = Contract.from_json(data)
    assert contract is None
    assert len(faults) == 5


def test_another_robot_has_its_own_units_and_states(nano):
    robot = LIBERO_PANDA
    poses = dict.fromkeys(("start_q_mean", "start_q_low", "start_q_high"), [0.0] * 8)
    data = nano.contract.to_json() | poses
    data |= {"joint_names": list(robot.action_names), "units": robot.units}
    contract, faults = Contract.from_json(data)
    assert faults == []
    assert contract.embodiment is robot
    assert contract.to_json() == data
    wrong = Contract.from_json(data | {"units": "rad", "start_q_low": [0.0] * 14})[1]
    assert [fault.split(":")[1].strip() for fault in wrong] == ["units", "start_q_low"]
    with pytest.raises(CheckpointError, match="left_joint1"):
        contract.check(JOINT_NAMES, nano.contract.cameras, 0.04)


def test_joints_of_no_known_robot_are_refused_with_those_that_are(nano):
    fault = Contract.from_json(nano.contract.to_json() | {"joint_names": ["a"]})[1][0]
    assert "left_joint1" in fault
    assert "droll" in fault
