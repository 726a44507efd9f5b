# SPDX-License-Identifier: Apache-2.0
"""Everything a training run can be told; values live in config/train_*.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onestep_vla_ros.core.parameter import param
from onestep_vla_ros.policy.decoder import MAX_STEPS, NOISES
from onestep_vla_ros.policy.objective import OBJECTIVES
from onestep_vla_ros.policy.schedule import BASES

BUDGET_KEYS = (
    "max_steps",
    "max_minutes",
    "processes",
    "threads",
    "launcher",
    "validate_every",
    "validation_frames",
    "save_every",
    "rollout_every",
    "rollout_episodes",
    "steps",
    "noise",
)
"""What may change between a run and its resumption."""

LAUNCHERS = ("own", "accelerate")
"""own: `train` starts the processes itself (cpu). accelerate: `accelerate launch` did."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One training run."""

    encoder: dict = param("Encoder: kind nano or vlm, and its sizes")  # type: ignore[type-arg]
    head: dict = param(  # type: ignore[type-arg]
        "Flow head: horizon, width, layers, heads, mlp; prefix, the most waypoints of the running "
        "plan that it learns to go on from, is 0 unless named"
    )
    images: dict = param(  # type: ignore[type-arg]
        "Camera to [height, width] as the encoder reads it, in token order"
    )
    frame_stride: int = param("Every n-th frame of an episode is learned from", low=1, high=100)
    task_share: dict = param(  # type: ignore[type-arg]
        "Task to its part of an epoch, relative to the others; a task that is not named has 1"
    )
    surprise_repeat: int = param(
        "How many times as often as others a frame may be drawn whose chunk the state alone "
        "does not foretell; 1 draws all alike",
        low=1,
        high=1000,
    )
    keyframe_weight: float = param(
        "Weight of the keyframe readout's loss on the encoder (nano only); 0 trains without it",
        low=0.0,
        high=100.0,
    )
    pretrained_backbone: str = param(
        "What the encoder starts from while the head starts at random. vlm: a local transformers "
        "folder, for the backbone. nano: a checkpoint folder, for the whole encoder with its "
        "tokenizer and state normalisation, resource/nano for the shipped one. Empty starts at "
        "random"
    )
    initial_checkpoint: str = param(
        "Checkpoint folder to go on from, for example the shipped one with demonstrations of your "
        "own: its weights, tokenizer and normalisation; empty starts at random"
    )
    objective: str = param(
        "flow is the paper's velocity loss. The others predict the chunk itself and decode the "
        "same for any steps and noise (base and alpha then mean nothing): regression by squared "
        "and l1 by absolute error, learned_start from a start it learns, mip in two steps",
        choices=OBJECTIVES,
    )
    base: str = param("Base distribution of the noise level", choices=BASES)
    alpha: float = param("Shift toward high noise; 1 is none", low=1.0, high=100.0)
    zero_share: float = param(
        "Part of flow's draws at level 1 without noise, where one step from zero noise begins; 0 "
        "is the paper's",
        low=0.0,
        high=1.0,
    )
    draws: int = param("(noise, level) draws that share one encoder pass", low=1, high=64)
    batch: int = param("Samples a step over all processes", low=1, high=65536)
    max_steps: int = param("Steps after which the run ends", low=1, high=10**9)
    max_minutes: float = param(
        "Minutes of training after which the run ends; 0 is no limit. A time budget gives up "
        "bit-reproducibility: the cosine then follows the clock",
        low=0.0,
        high=1e5,
    )
    learning_rate: float = param("Peak rate of AdamW", low=1e-7, high=1.0)
    final_rate_ratio: float = param("Last rate over peak rate", low=0.0, high=1.0)
    backbone_rate_ratio: float = param(
        "Rate of a backbone that does not start at random over the head's; the paper takes 0.1, "
        "0 freezes it",
        low=0.0,
        high=1.0,
    )
    encode_once: bool = param(
        "Encode every frame before the first step and learn the head from the stored tokens "
        "(nano, frozen, images not augmented)"
    )
    warmup_steps: int = param("Steps of linear warm-up", low=0, high=10**6)
    beta1: float = param("AdamW", low=0.0, high=0.9999)
    beta2: float = param("AdamW", low=0.0, high=0.99999)
    weight_decay: float = param("AdamW, on matrices only", low=0.0, high=1.0)
    clip: float = param("Largest gradient norm", low=1e-3, high=1e6)
    ema: float = param("Decay of the averaged weights that are shipped", low=0.0, high=0.99999)
    precision: str = param(
        "Arithmetic of the forward pass; fp16 scales its loss", choices=("bf16", "fp16", "fp32")
    )
    device: str = param("Torch device, for example cpu or cuda")
    launcher: str = param("Who starts the processes", choices=LAUNCHERS)
    processes: int = param("Processes that share a batch", low=1, high=64)
    threads: int = param("Torch threads of each process", low=1, high=256)
    seed: int = param("Seed of weights, order, noise and augmentation", low=0, high=2**31 - 1)
    held_out: float = param("Part of the episodes kept for validation", low=0.0, high=0.5)
    shift_px: int = param("Largest random shift of an image [pixels]", low=0, high=16)
    colour_jitter: float = param("Largest change of gain and offset, of 1", low=0.0, high=0.5)
    validate_every: int = param("Steps between validations", low=1, high=10**6)
    validation_frames: int = param("Held-out frames a validation reads", low=1, high=10**6)
    save_every: int = param("Steps between saves of the state", low=1, high=10**6)
    rollout_every: int = param("Steps between closed-loop rollouts; 0 is off", low=0, high=10**6)
    rollout_episodes: int = param("Episodes of each task a rollout plays", low=1, high=1000)
    steps: int = param("Default decoder steps of the checkpoint", low=1, high=MAX_STEPS)
    noise: str = param("Default decoder noise of the checkpoint", choices=NOISES)

    @staticmethod
    def contradictions(values: Mapping[str, Any]) -> list[str]:
        """Return what contradicts itself among the `values` that were read, a line each."""
        faults = []
        batch, processes = values.get("batch", 1), values.get("processes", 1)
        if batch % processes:
            faults.append(f"batch: got: {batch}; allowed: a multiple of processes ({processes})")
        is_own = values.get("launcher", "own") == "own"
        if processes > 1 and is_own and values.get("device", "cpu") != "cpu":
            faults.append(
                f"processes: got: {processes}; allowed: 1 on {values['device']}, or launcher "
                "accelerate"
            )
        is_nano = values.get("encoder", {}).get("kind") == "nano"
        start = values.get("pretrained_backbone") or values.get("initial_checkpoint")
        is_frozen = bool(start) and not values.get("backbone_rate_ratio", 1.0)
        if is_frozen and is_nano and values.get("keyframe_weight"):
            faults.append("keyframe_weight: allowed: 0 when the encoder is frozen")
        if values.get("encode_once"):
            augmented = values.get("shift_px") or values.get("colour_jitter")
            if not is_frozen or not is_nano or augmented:
                faults.append(
                    "encode_once: allowed: false, or encoder.kind nano with a "
                    "pretrained_backbone or initial_checkpoint, backbone_rate_ratio 0, "
                    "shift_px 0 and colour_jitter 0"
                )
        if values.get("initial_checkpoint") and values.get("pretrained_backbone"):
            faults.append("initial_checkpoint: allowed: empty when pretrained_backbone is given")
        if values.get("keyframe_weight") and values.get("encoder", {}).get("kind") != "nano":
            faults.append("keyframe_weight: allowed: 0 unless encoder.kind is nano")
        faults += [
            f"images.{name}: got: {size!r}; allowed: [height, width], 16 to 2048"
            for name, size in values.get("images", {}).items()
            if not _is_size(size)
        ]
        faults += [
            f"task_share.{task}: got: {share!r}; allowed: a number above 0"
            for task, share in values.get("task_share", {}).items()
            if not isinstance(share, (int, float)) or not 0.0 < share < float("inf")
        ]
        return faults


def _is_size(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    return all(type(x) is int and 16 <= x <= 2048 for x in value)
