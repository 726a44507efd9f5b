# SPDX-License-Identifier: Apache-2.0
"""A frozen encoder: the head alone learns, and from stored tokens it learns the same."""

import csv

import pytest
import torch
from tiny_demos import make_config, write_dataset

from onestep_vla_ros.core.errors import CheckpointError, ConfigError
from onestep_vla_ros.files import shipped_checkpoint
from onestep_vla_ros.policy.checkpoint import load_checkpoint
from onestep_vla_ros.train.run_setup import prepare
from onestep_vla_ros.train.trainer import train


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demos") / "place"
    write_dataset(folder, 8)
    return folder


@pytest.fixture(scope="module")
def encoder(demos, tmp_path_factory):
    out = tmp_path_factory.mktemp("encoder")
    train(make_config(max_steps=4), [demos], out)
    return out / "checkpoint"


def frozen(folder, **changes):
    changes = {"keyframe_weight": 0.0, "backbone_rate_ratio": 0.0, **changes}
    return make_config(pretrained_backbone=str(folder), seed=3, **changes)


def losses(out):
    with (out / "log.csv").open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def test_only_the_head_learns(demos, encoder, tmp_path):
    train(frozen(encoder, max_steps=3), [demos], tmp_path)
    old, new = load_checkpoint(encoder), load_checkpoint(tmp_path / "checkpoint")
    for name, weight in old.model.encoder.state_dict().items():
        assert torch.equal(weight, new.model.encoder.state_dict()[name]), name
    same = [torch.equal(a, b) for a, b in zip(*(_head(c) for c in (old, new)), strict=True)]
    assert not any(same)
    assert torch.equal(new.normalizer.state_mean, old.normalizer.state_mean)
    assert new.tokenizer.get_vocab() == old.tokenizer.get_vocab()


def test_a_small_rate_moves_the_encoder_less_than_the_head(demos, encoder, tmp_path):
    config = frozen(encoder, max_steps=3, backbone_rate_ratio=0.1, weight_decay=0.0)
    start = prepare(config, [demos]).model.state_dict()
    start = {name: weight.clone() for name, weight in start.items()}
    train(config, [demos], tmp_path)
    end = load_checkpoint(tmp_path / "checkpoint").model.state_dict()
    moved = {n: float((end[n] - w).abs().max()) for n, w in start.items()}
    assert 0.0 < moved["encoder.state_mlp.0.weight"] < 0.2 * moved["head.action_in.weight"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stored_tokens_are_those_of_the_encoder(demos, encoder, tmp_path, precision):
    config = frozen(encoder, precision=precision, max_steps=6, validate_every=1)
    train(config, [demos], tmp_path / "each")
    again = frozen(encoder, precision=precision, max_steps=6, validate_every=1, encode_once=True)
    train(again, [demos], tmp_path / "once")
    tolerance = 1e-5 if precision == "fp32" else 2e-2
    assert losses(tmp_path / "once") == pytest.approx(losses(tmp_path / "each"), rel=tolerance)
    tokens = prepare(again, [demos]).batches
    assert not tokens.read(torch.arange(4).numpy()).images


def test_another_encoder_gets_tokens_of_its_own(demos, encoder, tmp_path):
    train(make_config(max_steps=2, seed=7), [demos], tmp_path)
    configs = [frozen(c, encode_once=True) for c in (encoder, tmp_path / "checkpoint")]
    read = [prepare(c, [demos]).batches.read(torch.arange(4).numpy()) for c in configs]
    assert not torch.allclose(read[0].tokens.tokens, read[1].tokens.tokens)


def test_what_cannot_be_frozen_is_refused(demos, encoder, tmp_path):
    wide = {**make_config().encoder, "channels": 16}
    with pytest.raises(ConfigError, match=r"(?s)pretrained_backbone.*another model.*encoder"):
        train(frozen(encoder, encoder=wide), [demos], tmp_path)
    with pytest.raises(CheckpointError, match="missing"):
        train(frozen("none"), [demos], tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"encode_once": True, "backbone_rate_ratio": 0.1},
        {"encode_once": True, "shift_px": 1},
        {"encode_once": True, "colour_jitter": 0.1},
        {"encode_once": True, "pretrained_backbone": ""},
        {"keyframe_weight": 0.5},
    ],
)
def test_contradictions_are_named(encoder, changes):
    values = {**_values(frozen(encoder)), **changes}
    faults = type(frozen(encoder)).contradictions(values)
    assert len(faults) == 1
    assert "allowed" in faults[0]
    assert not type(frozen(encoder)).contradictions(_values(frozen(encoder, encode_once=True)))


def _values(config):
    return {name: getattr(config, name) for name in config.__slots__}


def _head(checkpoint):
    return list(checkpoint.model.head.state_dict().values())


def test_the_shipped_encoder_is_found_from_anywhere(demos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = load_checkpoint(shipped_checkpoint()).model
    config = frozen("resource/nano", encoder=shipped.config.to_json()["encoder"])
    with pytest.raises(ConfigError, match="cameras"):  # found, and of another robot
        prepare(config, [demos])
