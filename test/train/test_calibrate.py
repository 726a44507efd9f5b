# SPDX-License-Identifier: Apache-2.0
"""Training calibrates `steps: auto`, and a checkpoint that is there can be calibrated."""

import dataclasses

import pytest
from tiny_demos import make_config, write_dataset

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.policy.checkpoint import load_checkpoint, save_decoding
from onestep_vla_ros.policy.decoder import Decoding
from onestep_vla_ros.policy.policy import load_policy
from onestep_vla_ros.train.calibrate import calibrate
from onestep_vla_ros.train.trainer import train


@pytest.fixture
def folder(demos, tmp_path):
    return train(make_config(max_steps=6), [demos], tmp_path / "out").checkpoint


def test_training_ends_with_a_calibration_on_held_out_frames(folder):
    found = load_checkpoint(folder)
    calibration = found.decoding.calibration
    assert found.decoding == Decoding(calibration=calibration)
    assert 0.0 < calibration.median < calibration.threshold
    assert (calibration.quantile, calibration.frames) == (0.95, found.held_out["frames"])
    load_policy(folder, steps="auto")


def test_an_older_checkpoint_is_calibrated_as_training_would_have(folder, demos):
    trained = load_checkpoint(folder).decoding
    save_decoding(folder, dataclasses.replace(trained, calibration=None))
    found, words = calibrate(folder, [demos], 0.95)
    assert "held out" in words
    assert dataclasses.astuple(found) == pytest.approx(dataclasses.astuple(trained.calibration))
    assert load_checkpoint(folder).decoding.calibration == found


def test_demonstrations_that_were_not_trained_on_are_measured_whole(folder, tmp_path):
    write_dataset(tmp_path / "others", 4)
    found, words = calibrate(folder, [tmp_path / "others"], 0.5)
    assert "all 4 episodes" in words
    assert found.frames == 48
    assert found.threshold == found.median


def test_a_head_that_knows_one_chunk_always_takes_one_step(demos, tmp_path):
    config = make_config(max_steps=4, objective="regression")
    folder = train(config, [demos], tmp_path / "out").checkpoint
    assert load_checkpoint(folder).decoding.calibration.threshold == 0.0


def test_a_quantile_that_is_none_is_refused(folder, demos):
    with pytest.raises(ConfigError, match="quantile"):
        calibrate(folder, [demos], 95.0)
