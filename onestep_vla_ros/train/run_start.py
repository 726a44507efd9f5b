# SPDX-License-Identifier: Apache-2.0
"""The weights a run starts from: at random, a checkpoint's, or a pretrained encoder's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.files import share_dir
from onestep_vla_ros.policy.checkpoint import Checkpoint, load_checkpoint
from onestep_vla_ros.policy.model import ModelConfig, OneStepModel
from onestep_vla_ros.policy.normalizer import Normalizer
from onestep_vla_ros.policy.tokenizer import load_tokenizer, train_tokenizer
from onestep_vla_ros.policy.vlm_encoder import VlmEncoder
from onestep_vla_ros.train.dataset import Dataset
from onestep_vla_ros.train.learner import is_of_backbone
from onestep_vla_ros.train.train_config import TrainConfig


@dataclass(frozen=True, slots=True)
class Start:
    """What a run starts from, and what belongs to its weights."""

    model: OneStepModel
    tokenizer: PreTrainedTokenizerBase
    normalizer: Normalizer
    initial: Mapping[str, object]


def start_of(
    config: TrainConfig, model_config: ModelConfig, dataset: Dataset, frames: NDArray[np.int64]
) -> Start:
    """Return a checkpoint's model, or one at random, maybe around a pretrained encoder.

    Args:
        config: The run.
        model_config: What it trains.
        dataset: All frames.
        frames: Those that are trained on, (n,); a new normalisation is theirs.
    """
    if config.initial_checkpoint:
        old = open_initial(config, model_config)
        _freeze(old.model, config)
        return Start(old.model, old.tokenizer, old.normalizer, old.training)
    normalizer = Normalizer.fit(
        dataset.q[frames], dataset.action[frames], dataset.meta.robot.relative
    )
    model = OneStepModel(model_config)
    folder = Path(config.pretrained_backbone)
    if not config.pretrained_backbone:
        tokenizer = train_tokenizer(dataset.instructions, model_config.text_ids)
    elif isinstance(model.encoder, VlmEncoder):
        model.encoder.load_pretrained(folder)
        tokenizer = load_tokenizer(folder)
    else:
        old = open_backbone(config, model_config)
        model.encoder.load_state_dict(old.model.encoder.state_dict())
        tokenizer, known = old.tokenizer, old.normalizer
        normalizer = replace(normalizer, state_mean=known.state_mean, state_std=known.state_std)
    if config.pretrained_backbone:
        _freeze(model, config)
    return Start(model, tokenizer, normalizer, {})


def _freeze(model: OneStepModel, config: TrainConfig) -> None:
    """Let the backbone stay as it is where its rate is 0."""
    if not config.backbone_rate_ratio:
        for name, weight in model.named_parameters():
            weight.requires_grad_(not is_of_backbone(name, config))


def open_initial(config: TrainConfig, wanted: ModelConfig) -> Checkpoint:
    """Return the checkpoint that a run goes on from, fit to be trained.

    Raises:
        CheckpointError: The checkpoint is missing or damaged.
        ConfigError: Its model is another one than the run's; lists every difference.
    """
    old = _open_alike("initial_checkpoint", config.initial_checkpoint, wanted)
    old.model.requires_grad_(True)
    return old


def open_backbone(config: TrainConfig, wanted: ModelConfig) -> Checkpoint:
    """Return the checkpoint that a run on the nano encoder takes its encoder from.

    Raises:
        CheckpointError: The checkpoint is missing or damaged.
        ConfigError: Its encoder is another one than the run's; lists every difference.
    """
    folder = config.pretrained_backbone
    return _open_alike("pretrained_backbone", folder, wanted, ("encoder", "cameras"))


def _open_alike(
    key: str,
    folder: str,
    wanted: ModelConfig,
    parts: tuple[str, ...] = ("encoder", "head", "cameras"),
) -> Checkpoint:
    """Return a checkpoint whose model has the same `parts` as the run's.

    A relative folder that is not here is looked for in the package, as resource/nano.
    """
    path = Path(folder)
    if not path.is_absolute() and not path.exists() and (share_dir() / path).is_dir():
        path = share_dir() / path
    old = load_checkpoint(path)
    have, want = old.model.config.to_json(), wanted.to_json()
    different = [f"{k}: {have[k]}, the run's {want[k]}" for k in parts if have[k] != want[k]]
    if different:
        raise ConfigError(
            f"{key} {folder} is of another model",
            got="; ".join(different),
            allowed=f"the same {', '.join(parts)}",
            do="take them over from the checkpoint's config.json, or start at random",
        )
    return old
