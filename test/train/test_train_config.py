# SPDX-License-Identifier: Apache-2.0
from dataclasses import asdict
from pathlib import Path

import pytest
from tiny_demos import make_config

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.train.train_config import TrainConfig
from onestep_vla_ros.train.trainer import load_train_config

CONFIG = Path(__file__).resolve().parents[2] / "config"


def test_both_shipped_runs_are_of_the_same_model_and_the_study_repeats_to_the_bit():
    nano, study = (load_train_config(CONFIG / f"train_{name}.yaml") for name in ("nano", "study"))
    for name in ("encoder", "head", "images", "batch", "draws", "ema"):
        assert getattr(nano, name) == getattr(study, name)
    assert nano.max_minutes > 0.0
    assert (study.max_minutes, study.processes, study.rollout_every) == (0.0, 1, 0)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"images": {"top": [96]}}, r"images.top: got: \[96\]"),
        ({"images": {"top": [96, 4096]}}, r"images.top"),
        ({"task_share": {"place": 0.0}}, r"task_share.place: got: 0.0"),
        ({"task_share": {"place": "much"}}, r"task_share.place"),
        ({"processes": 2, "device": "cuda"}, "launcher"),
        ({"objective": "diffusion"}, r"flow \| regression"),
    ],
)
def test_what_cannot_be_is_named(changes, fault):
    with pytest.raises(ConfigError, match=fault):
        from_mapping(TrainConfig, asdict(make_config()) | changes)


def test_several_gpus_are_for_accelerate():
    changes = {"processes": 2, "device": "cuda", "launcher": "accelerate"}
    assert from_mapping(TrainConfig, asdict(make_config()) | changes).processes == 2
