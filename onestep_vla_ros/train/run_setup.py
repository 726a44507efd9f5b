# SPDX-License-Identifier: Apache-2.0
"""What every process of a run starts from, and the checkpoint the run ends with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.core.joints import DOF, JOINT_NAMES
from onestep_vla_ros.policy.checkpoint import Checkpoint, save_checkpoint
from onestep_vla_ros.policy.contract import Contract
from onestep_vla_ros.policy.decoder import Decoding
from onestep_vla_ros.policy.model import ModelConfig, OneStepModel
from onestep_vla_ros.policy.normalizer import Normalizer
from onestep_vla_ros.policy.tokenizer import load_tokenizer, tokenize, train_tokenizer
from onestep_vla_ros.train.batches import Batches
from onestep_vla_ros.train.dataset import Dataset, open_dataset
from onestep_vla_ros.train.held_out import held_out_rows, spread
from onestep_vla_ros.train.learner import Learner
from onestep_vla_ros.train.surprise import repeats, surprise
from onestep_vla_ros.train.train_config import TrainConfig

TABLE_FRAMES = 1024
"""Held-out frames of the K table."""


@dataclass(frozen=True, slots=True)
class RunSetup:
    """Everything the processes of a run have in common."""

    dataset: Dataset
    train: NDArray[np.int64]
    held: NDArray[np.int64]
    normalizer: Normalizer
    tokenizer: PreTrainedTokenizerBase
    model: OneStepModel
    batches: Batches


def horizon_of(config: TrainConfig) -> int:
    """Return waypoints a chunk; raise `ConfigError` when the head names none."""
    horizon = config.head.get("horizon")
    if type(horizon) is not int or not 1 <= horizon <= 200:
        raise ConfigError("head.horizon", got=repr(horizon), allowed="a whole number 1 to 200")
    return horizon


def prepare(config: TrainConfig, data: Path) -> RunSetup:
    """Return data, statistics, tokenizer and a fresh model, the same in every process."""
    dataset = open_dataset(data, horizon_of(config), config.waypoint_stride)
    train_frames, held = dataset.split(config.held_out, config.seed)
    normalizer = Normalizer.fit(dataset.q[train_frames], dataset.action[train_frames])
    cameras = {c.name: [c.height, c.width] for c in dataset.meta.stored}
    model_config = ModelConfig.from_json(
        {"encoder": config.encoder, "head": {"dof": DOF, **config.head}, "cameras": cameras}
    )
    torch.manual_seed(config.seed)
    model = OneStepModel(model_config)
    if config.pretrained_backbone:
        folder = Path(config.pretrained_backbone)
        model.encoder.load_pretrained(folder)
        tokenizer: PreTrainedTokenizerBase = load_tokenizer(folder)
    else:
        tokenizer = train_tokenizer(dataset.instructions, model_config.text_ids)
    texts = tokenize(tokenizer, dataset.instructions, model_config.encoder.max_tokens)
    model = model.to(config.device).train()
    batches = Batches(dataset, normalizer, texts, config.device)
    if config.surprise_repeat > 1:
        error = surprise(dataset, train_frames, normalizer)
        train_frames = np.repeat(train_frames, repeats(error, config.surprise_repeat))
    return RunSetup(dataset, train_frames, held, normalizer, tokenizer, model, batches)


def write_checkpoint(
    config: TrainConfig, setup: RunSetup, learner: Learner, folder: Path, elapsed_s: float
) -> tuple[dict[str, object], ...]:
    """Write the averaged weights with the K table of the held-out frames.

    Returns:
        The rows of the table.
    """
    setup.model.load_state_dict(learner.averaged())
    setup.model.eval()
    frames = spread(setup.held if len(setup.held) else setup.train, TABLE_FRAMES)
    normalizer = setup.normalizer.to(config.device)
    rows = held_out_rows(setup.model, normalizer, setup.batches, frames)
    data = setup.dataset
    save_checkpoint(
        folder,
        Checkpoint(
            model=setup.model,
            contract=_contract(config, data),
            normalizer=setup.normalizer,
            tokenizer=setup.tokenizer,
            decoding=Decoding(config.steps, config.noise),
            training={
                "steps": learner.step,
                "minutes": round(elapsed_s / 60.0, 2),
                "episodes": len(data.start_q),
                "frames": len(data.q),
                "task": data.meta.task,
                "expert": data.meta.expert,
                "config": asdict(config),
            },
            held_out={
                "is_held_out": len(setup.held) > 0,
                "episodes": len(np.unique(data.episode[setup.held])),
                "frames": len(frames),
                "rows": rows,
            },
        ),
    )
    return tuple(rows)


def _contract(config: TrainConfig, data: Dataset) -> Contract:
    start = data.start_q.astype(np.float64)
    return Contract(
        joint_names=JOINT_NAMES,
        cameras=data.meta.native,
        period_s=data.meta.period_s * config.waypoint_stride,
        horizon=horizon_of(config),
        instruction_examples=data.instructions,
        start_q_mean=start.mean(0),
        start_q_low=start.min(0),
        start_q_high=start.max(0),
        state=data.meta.state,
    )
