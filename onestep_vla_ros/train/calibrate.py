# SPDX-License-Identifier: Apache-2.0
"""Calibrate `steps: auto` of a checkpoint that is there, on demonstrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.policy.calibration import Calibration
from onestep_vla_ros.policy.checkpoint import load_checkpoint, save_decoding
from onestep_vla_ros.policy.tokenizer import tokenize
from onestep_vla_ros.train.batches import Batches
from onestep_vla_ros.train.dataset import Dataset, open_dataset
from onestep_vla_ros.train.held_out import held_out_gaps, spread_alike
from onestep_vla_ros.train.run_setup import by_task


def calibrate(
    folder: Path, data: Sequence[Path], quantile: float, device: str = "cpu"
) -> tuple[Calibration, str]:
    """Measure the gap on demonstrations and write the calibration into the checkpoint.

    Of the demonstrations it was trained on, those that were held out then; of any others, all.
    A head that knows one chunk has no gap: its threshold is 0, and auto always takes one step.

    Args:
        folder: The checkpoint; only its config.json and manifest change.
        data: Datasets, all of them that it was trained on or none.
        quantile: Part of the frames that one step shall answer, 0..1.
        device: Torch device.

    Returns:
        The calibration, and which frames it is from, in words.

    Raises:
        CheckpointError: The checkpoint is missing or damaged.
        ConfigError: The quantile is none, or the data has no frames.
        DatasetError: The demonstrations cannot be used.
    """
    if not 0.0 <= quantile <= 1.0:
        raise ConfigError("quantile is out of range", got=quantile, allowed="0 to 1")
    checkpoint = load_checkpoint(folder)
    config = checkpoint.model.config
    run = checkpoint.training.get("config")
    told: Mapping[str, object] = run if isinstance(run, dict) else {}
    sizes = {c.name: (c.height, c.width) for c in config.cameras}
    stride = int(str(told.get("frame_stride", 1)))
    dataset = open_dataset(data, config.head.horizon, sizes, stride)
    frames, words = _frames(dataset, checkpoint.training, told)
    texts = tokenize(checkpoint.tokenizer, dataset.instructions, config.encoder.max_tokens)
    batches = Batches(dataset, checkpoint.normalizer, texts, device)
    gaps = held_out_gaps(checkpoint.model.to(device), batches, frames)
    calibration = Calibration.fit(gaps, quantile)
    save_decoding(folder, replace(checkpoint.decoding, calibration=calibration))
    return calibration, f"{len(frames)} frames of {words}"


def _frames(
    dataset: Dataset, training: Mapping[str, object], told: Mapping[str, object]
) -> tuple[NDArray[np.int64], str]:
    """Return which frames to measure, and whose they are."""
    have = (len(dataset.start_q), len(dataset.q))
    share = float(str(told.get("held_out", 0.0)))
    if have == (training.get("episodes"), training.get("frames")) and share > 0.0:
        _, held = dataset.split(share, int(str(told.get("seed", 0))))
        return spread_alike(by_task(dataset, held)), "the episodes that training held out"
    return spread_alike(by_task(dataset, np.arange(have[1]))), f"all {have[0]} episodes"
