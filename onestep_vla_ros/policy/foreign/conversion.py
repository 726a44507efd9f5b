# SPDX-License-Identifier: Apache-2.0
"""A foreign pi0 and a robot's sheet become one of our checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from onestep_vla_ros.core.embodiment import Embodiment
from onestep_vla_ros.core.errors import CheckpointError, raise_all
from onestep_vla_ros.policy.checkpoint import Checkpoint
from onestep_vla_ros.policy.contract import Contract
from onestep_vla_ros.policy.decoder import Decoding
from onestep_vla_ros.policy.foreign.affine import Affine
from onestep_vla_ros.policy.foreign.fitting import misfits, relative_of, robot_of
from onestep_vla_ros.policy.foreign.prompt import read_tokenizer
from onestep_vla_ros.policy.foreign.sheet import Sheet
from onestep_vla_ros.policy.foreign.source import Source
from onestep_vla_ros.policy.foreign.weights import EMBEDDING
from onestep_vla_ros.policy.model import ModelConfig, OneStepModel
from onestep_vla_ros.policy.normalizer import Normalizer


def converted(
    source: Source, sheet: Sheet, tokenizer: Path | None = None, dtype: str | None = None
) -> Checkpoint:
    """Return the foreign policy as a checkpoint, ready to be saved.

    Args:
        source: From `opening.open_source`.
        sheet: The robot's.
        tokenizer: Folder of PaliGemma's tokenizer; None is the source's own.
        dtype: "float32" or "bfloat16" for the large weights; None is what they are.

    Raises:
        CheckpointError: Lists every way in which policy and robot do not fit, or every fault
            of the weights.
    """
    robot = robot_of(sheet)
    raise_all(
        CheckpointError,
        f"{source.project} policy and robot's sheet",
        misfits(source, sheet, robot),
        "correct the sheet, or take the policy of this robot",
    )
    config = _config(source, sheet, robot, dtype or _dtype(source.weights))
    low, high = (np.array(x, dtype=np.float64) for x in (sheet.start_low, sheet.start_high))
    contract = Contract(
        joint_names=robot.action_names,
        cameras=config.cameras,
        period_s=sheet.period_s,
        horizon=source.horizon,
        instruction_examples=sheet.instruction_examples,
        start_q_mean=(low + high) / 2.0,
        start_q_low=low,
        start_q_high=high,
        state=sheet.state,
    )
    return Checkpoint(
        model=_model(config, source.weights),
        contract=contract,
        normalizer=_normalizer(source, sheet, robot),
        tokenizer=read_tokenizer(tokenizer or source.tokenizer, config.text_ids, source.is_tidied),
        decoding=Decoding(source.steps, "sampled"),
        training={"imported_from": source.project},
    )


def _dtype(weights: Mapping[str, torch.Tensor]) -> str:
    """Return the type of the word embedding, the largest tensor; float16 counts as float32."""
    return "bfloat16" if weights[EMBEDDING].dtype == torch.bfloat16 else "float32"


def _config(source: Source, sheet: Sheet, robot: Embodiment, dtype: str) -> ModelConfig:
    cameras = list(sheet.cameras.items())
    if source.images is not None:
        cameras.sort(key=lambda item: source.images.index(item[1]["image"]))  # type: ignore[union-attr]
    return ModelConfig.from_json(
        {
            "encoder": {
                "kind": "pi0",
                "model": source.model,
                "dtype": dtype,
                "max_tokens": source.max_tokens,
                "fit": source.fit,
            },
            "head": {
                "horizon": source.horizon,
                "dof": source.action_width,
                "used": len(robot.action_names),
                "state": source.state_width,
                "expert": source.expert,
                "dtype": dtype,
                "min_period": source.periods[0],
                "max_period": source.periods[1],
                "time": source.time,
            },
            "cameras": {name: [c["height"], c["width"]] for name, c in cameras},
            "state_dof": len(robot.state_names),
        }
    )


def _normalizer(source: Source, sheet: Sheet, robot: Embodiment) -> Normalizer:
    state, action = (
        _cut(source.state, len(robot.state_names)),
        _cut(source.action, len(robot.action_names)),
    )
    rows = (source.horizon, 1)
    numbers = (*state, np.tile(action[0], rows), np.tile(action[1], rows))
    mean, std, means, stds = (torch.from_numpy(x.astype(np.float32)) for x in numbers)
    return Normalizer(mean, std, means, stds, relative_of(source, sheet, robot))


def _cut(affine: Affine, length: int) -> tuple[np.ndarray, np.ndarray]:
    return affine.offset[:length], affine.scale[:length]


def _model(config: ModelConfig, weights: Mapping[str, torch.Tensor]) -> OneStepModel:
    """Return the model around `weights`, which are not copied where they have the right type."""
    with torch.device("meta"):
        model = OneStepModel(config)
    wanted = model.state_dict()
    faults = [f"{name}: missing" for name in wanted if name not in weights]
    faults += [f"{name}: unknown tensor" for name in weights if name not in wanted]
    faults += [
        f"{name}: got: {list(weights[name].shape)}; allowed: {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    faults += [f"{k}: holds NaN or infinity" for k, v in weights.items() if not v.isfinite().all()]
    raise_all(CheckpointError, "weights of pi0", faults, "copy the folder again, whole")
    model.load_state_dict({k: weights[k].to(v.dtype) for k, v in wanted.items()}, assign=True)
    return model.eval().requires_grad_(False)
