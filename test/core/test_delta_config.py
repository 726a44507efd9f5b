# SPDX-License-Identifier: Apache-2.0
"""The profile of increments refuses what makes no sense, all of it at once."""

import pytest

from onestep_vla_ros.core.delta_config import DeltaConfig
from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.files import read_parameters


def read(**change):
    return from_mapping(DeltaConfig, {**read_parameters("bridge_libero.yaml"), **change})


def test_the_shipped_profile_is_one_of_increments():
    config = read()
    assert config.profile == "deltas"
    assert (len(config.state_names), len(config.action_names)) == (8, 7)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"profile": "joints"}, "profile: got: 'joints'; allowed here: 'deltas'"),
        ({"action_low": [-1.0] * 6}, "action_low: got: 6 entries; allowed: 7, as action_names"),
        ({"state_high": [9.0]}, "state_high: got: 1 entries; allowed: 8, as state_names"),
        (
            {"action_names": ["a", "a"]},
            "action_names: got: ['a', 'a']; allowed: one or more",
        ),
        ({"state_names": []}, "state_names: got: []"),
        ({"kept_actions": ["jaw"]}, "kept_actions: got: ['jaw']; allowed: of ['dx',"),
        ({"action_low": [0.5] + [-1.0] * 6}, "action_low/high[0] of dx: got: 0.5 to 1.0"),
        ({"action_high": [-1.0] + [1.0] * 6}, "action_low/high[0]: got: -1.0 to -1.0"),
        ({"joint_state_timeout_s": 0.5, "joint_state_fault_s": 0.1}, "joint_state_timeout_s, "),
        ({"start_check": "ramp"}, "start_check: got: 'ramp'; allowed: off | refuse"),
        ({"max_jerk": [1.0]}, "max_jerk: unknown parameter"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(change, words):
    with pytest.raises(ConfigError) as refused:
        read(**change)
    assert words in str(refused.value)


def test_a_kept_part_needs_no_zero_in_its_range():
    config = read(action_low=[-1.0] * 6 + [0.5])
    assert config.action_low[6] == 0.5


def test_every_fault_comes_at_once():
    with pytest.raises(ConfigError) as refused:
        read(profile="joints", state_high=[9.0], kept_actions=["jaw"], max_waypoints=1)
    for words in ("profile", "state_high", "kept_actions", "max_waypoints"):
        assert words in str(refused.value)
