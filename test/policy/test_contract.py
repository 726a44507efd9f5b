# SPDX-License-Identifier: Apache-2.0
import pytest

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
