# SPDX-License-Identifier: Apache-2.0
"""What every process of a run starts from, and the checkpoint the run ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.policy.calibration import Calibration
from onestep_vla_ros.policy.checkpoint import Checkpoint, save_checkpoint
from onestep_vla_ros.policy.contract import Contract
from onestep_vla_ros.policy.decoder import Decoding
from onestep_vla_ros.policy.model import ModelConfig, OneStepModel
from onestep_vla_ros.policy.normalizer import Normalizer
from onestep_vla_ros.policy.tokenizer import tokenize
from onestep_vla_ros.train.batches import Batches
from onestep_vla_ros.train.dataset import Dataset, open_dataset
from onestep_vla_ros.train.dataset_images import CACHE
from onestep_vla_ros.train.held_out import (
    TABLE_FRAMES,
    held_out_gaps,
    held_out_rows,
    spread,
    spread_alike,
)
from onestep_vla_ros.train.learner import Learner
from onestep_vla_ros.train.run_start import Start, open_backbone, open_initial, start_of
from onestep_vla_ros.train.sampler import Sampler
from onestep_vla_ros.train.statistics import check_statistics
from onestep_vla_ros.train.surprise import repeats, surprise
from onestep_vla_ros.train.token_cache import open_tokens
from onestep_vla_ros.train.train_config import TrainConfig


@dataclass(frozen=True, slots=True)
class RunSetup:
    """Everything the processes of a run have in common.

    Attributes:
        dataset: All frames.
        sampler: Which frames a step reads.
        held: Task to its held-out frames, (n,) each.
        normalizer: Statistics of the training frames, or the initial checkpoint's.
        tokenizer: Made from the instructions, or the backbone's or initial checkpoint's.
        model: Fresh or the initial checkpoint's, on its device.
        batches: Reads frames as tensors on that device.
        initial: Facts of the training of the initial checkpoint; empty without one.
    """

    dataset: Dataset
    sampler: Sampler
    held: dict[str, NDArray[np.int64]]
    normalizer: Normalizer
    tokenizer: PreTrainedTokenizerBase
    model: OneStepModel
    batches: Batches
    initial: Mapping[str, object]


def horizon_of(config: TrainConfig) -> int:
    """Return waypoints a chunk; raise `ConfigError` when the head names none."""
    horizon = config.head.get("horizon")
    if type(horizon) is not int or not 1 <= horizon <= 200:
        raise ConfigError("head.horizon", got=repr(horizon), allowed="a whole number 1 to 200")
    return horizon


def open_data(config: TrainConfig, data: Sequence[Path]) -> Dataset:
    """Return the demonstrations as `config` reads them."""
    sizes = {name: (size[0], size[1]) for name, size in config.images.items()}
    dataset = open_dataset(data, horizon_of(config), sizes, config.frame_stride)
    unknown = sorted(set(config.task_share) - set(dataset.tasks))
    if unknown:
        raise ConfigError(
            "task_share names tasks that the demonstrations do not have",
            got=unknown,
            allowed=list(dataset.tasks),
        )
    return dataset


def model_of(config: TrainConfig, dataset: Dataset) -> ModelConfig:
    """Return the model that `config` describes, with the cameras that are stored."""
    robot = dataset.meta.robot
    dof, states = len(robot.action_names), len(robot.state_names)
    return ModelConfig.from_json(
        {
            "encoder": config.encoder,
            "head": {"dof": dof, "prefix": 0, **config.head, "objective": config.objective},
            "cameras": {c.name: [c.height, c.width] for c in dataset.meta.stored},
            "state_dof": 0 if states == dof else states,
        }
    )


def check(config: TrainConfig, data: Sequence[Path]) -> None:
    """Find what is wrong with a run and fill its caches, before any process starts.

    Raises:
        ConfigError: The configuration does not fit the data or a checkpoint it starts from, or
            that checkpoint's statistics do not fit the data.
        DatasetError: The demonstrations cannot be used.
        CheckpointError: A checkpoint to start from is missing or damaged.
    """
    dataset = open_data(config, data)
    wanted, frames = model_of(config, dataset), dataset.split(config.held_out, config.seed)[0]
    if config.initial_checkpoint:
        old = open_initial(config, wanted).normalizer
        _tell(check_statistics("initial_checkpoint", old, dataset, frames))
    if config.pretrained_backbone and wanted.kind == "nano":
        old = open_backbone(config, wanted).normalizer
        key = "pretrained_backbone"
        _tell(check_statistics(key, old, dataset, frames, has_actions=False))
    if config.encode_once:
        _open(config, data, config.device)


def _tell(words: str) -> None:
    if words:
        print(words)


def prepare(config: TrainConfig, data: Sequence[Path], device: str = "") -> RunSetup:
    """Return data, statistics, tokenizer and a model to start from, the same in every process.

    Args:
        config: The run.
        data: Folders of demonstrations.
        device: Of this process; empty takes the configuration's.
    """
    dataset, start, batches, frames = _open(config, data, device or config.device)
    train_frames, held = frames
    start.model.train()
    cache = data[0] / CACHE
    return RunSetup(
        dataset,
        _sampler(config, dataset, train_frames, start.normalizer, cache),
        by_task(dataset, held),
        start.normalizer,
        start.tokenizer,
        start.model,
        batches,
        start.initial,
    )


_Frames = tuple[NDArray[np.int64], NDArray[np.int64]]


def _open(
    config: TrainConfig, data: Sequence[Path], device: str
) -> tuple[Dataset, Start, Batches, _Frames]:
    """Return the frames, what to start from, what reads batches, and the split of the frames."""
    dataset = open_data(config, data)
    frames = dataset.split(config.held_out, config.seed)
    model_config = model_of(config, dataset)
    torch.manual_seed(config.seed)
    start = start_of(config, model_config, dataset, frames[0])
    texts = tokenize(start.tokenizer, dataset.instructions, model_config.encoder.max_tokens)
    batches = Batches(dataset, start.normalizer, texts, device)
    start.model.to(device)
    if config.encode_once:
        count = len(dataset.q)
        batches.tokens = open_tokens(start.model, batches, list(data), count, config.precision)
    return dataset, start, batches, frames


def by_task(dataset: Dataset, frames: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return task to those of `frames` that are of it, (n,) each."""
    task = dataset.task[frames]
    return {name: frames[task == i] for i, name in enumerate(dataset.tasks)}


def _sampler(
    config: TrainConfig,
    dataset: Dataset,
    frames: NDArray[np.int64],
    normalizer: Normalizer,
    cache: Path,
) -> Sampler:
    """Return the sampler of the training frames: surprise repeats within a task, then shares."""
    pools = by_task(dataset, frames)
    if config.surprise_repeat > 1:
        for task, pool in pools.items():
            if len(pool):
                error = surprise(dataset, pool, normalizer, cache)
                pools[task] = np.repeat(pool, repeats(error, config.surprise_repeat))
    shares = [float(config.task_share.get(task, 1.0)) for task in pools]
    return Sampler(list(pools.values()), shares, config.seed)


def write_checkpoint(
    config: TrainConfig, setup: RunSetup, learner: Learner, folder: Path, elapsed_s: float
) -> tuple[dict[str, object], ...]:
    """Write the averaged weights with K table and calibration of the held-out frames.

    Returns:
        The rows of the table.
    """
    held = spread_alike(setup.held)
    is_held_out = len(held) > 0
    frames = held if is_held_out else spread(np.arange(len(setup.dataset.q)), TABLE_FRAMES)
    normalizer = setup.normalizer.to(setup.batches.device)
    with learner.averaged() as model:
        robot = setup.dataset.meta.robot
        rows = held_out_rows(model, normalizer, setup.batches, frames, robot)
        calibration = Calibration.fit(held_out_gaps(model, setup.batches, frames))
        save_checkpoint(
            folder,
            _checkpoint(
                config,
                setup,
                {"steps": learner.step, "minutes": round(elapsed_s / 60.0, 2)},
                {
                    "is_held_out": is_held_out,
                    "episodes": len(np.unique(setup.dataset.episode[held])),
                    "frames": len(frames),
                    "rows": rows,
                },
                calibration,
            ),
        )
    return tuple(rows)


def write_snapshot(config: TrainConfig, setup: RunSetup, learner: Learner, folder: Path) -> None:
    """Write the averaged weights as they are now, without table and calibration."""
    with learner.averaged():
        save_checkpoint(folder, _checkpoint(config, setup, {"steps": learner.step}, {"rows": []}))


def _checkpoint(
    config: TrainConfig,
    setup: RunSetup,
    spent: dict[str, object],
    held_out: dict[str, object],
    calibration: Calibration | None = None,
) -> Checkpoint:
    data = setup.dataset
    return Checkpoint(
        model=setup.model,
        contract=_contract(config, data),
        normalizer=setup.normalizer,
        tokenizer=setup.tokenizer,
        decoding=Decoding(config.steps, config.noise, calibration=calibration),
        training={
            **spent,
            "episodes": len(data.start_q),
            "frames": len(data.q),
            "task": data.meta.task,
            "tasks": {
                name: {
                    "episodes": len(np.unique(data.episode[data.task == i])),
                    "frames": int((data.task == i).sum()),
                }
                for i, name in enumerate(data.tasks)
            },
            "expert": data.meta.expert,
            **({"initial": dict(setup.initial)} if setup.initial else {}),
            "config": asdict(config),
        },
        held_out=held_out,
    )


def _contract(config: TrainConfig, data: Dataset) -> Contract:
    start = data.start_q.astype(np.float64)
    return Contract(
        joint_names=data.meta.robot.action_names,
        cameras=data.meta.native,
        period_s=data.meta.period_s,
        horizon=horizon_of(config),
        instruction_examples=data.instructions,
        start_q_mean=start.mean(0),
        start_q_low=start.min(0),
        start_q_high=start.max(0),
        state=data.meta.state,
    )
