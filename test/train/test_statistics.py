# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
import torch
from tiny_demos import make_config, write_dataset

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.policy.normalizer import Normalizer
from onestep_vla_ros.train.run_setup import open_data
from onestep_vla_ros.train.statistics import FAR, check_statistics
from onestep_vla_ros.train.trainer import train


def in_degrees(attempt):
    """Return the attempt with one joint in another unit."""
    state, action = attempt.state.copy(), attempt.action.copy()
    state[:, 3], action[:, 3] = np.rad2deg(state[:, 3]), np.rad2deg(action[:, 3])
    return dataclasses.replace(attempt, state=state, action=action)


@pytest.fixture(scope="module")
def degrees(tmp_path_factory):
    folder = tmp_path_factory.mktemp("degrees") / "square"
    write_dataset(folder, change=in_degrees)
    return folder


def opened(folder):
    dataset = open_data(make_config(), [folder])
    return dataset, np.arange(len(dataset.q))


def fitted(dataset):
    return Normalizer.fit(dataset.q, dataset.action, dataset.meta.robot.relative)


def test_of_demonstrations_like_those_before_nothing_is_said(tiny_dataset):
    dataset, frames = opened(tiny_dataset)
    assert check_statistics("initial_checkpoint", fitted(dataset), dataset, frames) == ""


@pytest.mark.parametrize(("wider", "far"), [(3.0, "3.0"), (9.9, "9.9")])
def test_wider_demonstrations_are_told_and_taken(tiny_dataset, wider, far):
    dataset, frames = opened(tiny_dataset)
    own = fitted(dataset)
    scale = torch.ones(14)
    scale[5] = wider
    narrow = dataclasses.replace(own, state_std=own.state_std / scale)
    said = check_statistics("pretrained_backbone", narrow, dataset, frames, has_actions=False)
    assert said.endswith(f"state left_joint6 {far}")


def test_another_unit_is_refused_by_joint_and_nothing_else_is_named(tiny_dataset, degrees):
    old = fitted(opened(tiny_dataset)[0])
    with pytest.raises(ConfigError) as caught:
        check_statistics("initial_checkpoint", old, *opened(degrees))
    text = str(caught.value)
    assert "state left_joint4" in text
    assert "action left_joint4" in text
    assert text.count("state ") == text.count("action ") == 1
    assert f"<= {FAR:g}" in text


def test_only_what_is_taken_over_is_judged(tiny_dataset, degrees):
    old = fitted(opened(tiny_dataset)[0])
    with pytest.raises(ConfigError) as caught:
        check_statistics("pretrained_backbone", old, *opened(degrees), has_actions=False)
    assert "action left" not in str(caught.value)


@pytest.mark.parametrize("key", ["initial_checkpoint", "pretrained_backbone"])
def test_a_run_is_refused_before_any_process(tiny_dataset, degrees, tmp_path, key):
    train(make_config(max_steps=1), [tiny_dataset], tmp_path / "first")
    start = {key: str(tmp_path / "first" / "checkpoint")}
    with pytest.raises(ConfigError, match=rf"(?s)outside the statistics of the {key}.*joint4"):
        train(make_config(processes=2, **start), [degrees], tmp_path / "out")
    assert not (tmp_path / "out" / "state.safetensors").exists()
