# SPDX-License-Identifier: Apache-2.0
"""A tiny folder of demonstrations: one bright square, and a plan that goes where it lies."""

from __future__ import annotations

import json

import numpy as np

from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.train.train_config import TrainConfig

SIZES = {"top": (24, 32), "left_wrist": (16, 16)}
FRAMES = 12


def write_episode(folder, index, sizes=SIZES, **changes):
    rng = np.random.default_rng(index)
    x = rng.uniform(0.1, 0.9)
    steps = np.linspace(0.0, 1.0, 40)[:, None]
    start = 0.05 * rng.normal(size=14)
    goal = np.full(14, x)
    plan = (start + (goal - start) * steps).astype(np.float32)
    frame = np.arange(0, 2 * FRAMES, 2, dtype=np.int32)
    fields = {
        "q": plan[frame],
        "frame": frame,
        "plan": plan,
        "instruction": np.array(f"go to the {('red', 'blue')[index % 2]} square"),
        "seed": np.array(index),
        "success": np.array(True),
    }
    for name, (height, width) in sizes.items():
        images = np.full((FRAMES, height, width, 3), 40, np.uint8)
        column = int(x * (width - 4))
        images[:, height // 2 : height // 2 + 4, column : column + 4] = 230
        fields[name] = images
    fields |= changes
    np.savez(
        folder / f"episode_{index:06d}.npz", **{k: v for k, v in fields.items() if v is not None}
    )


def write_meta(folder, sizes=SIZES, **changes):
    meta = {
        "format": "onestep-vla-demos/0",
        "task": "square",
        "joint_names": list(JOINT_NAMES),
        "period_s": 0.04,
        "cameras": {
            name: {"native": [2 * h, 2 * w], "stored": [h, w]} for name, (h, w) in sizes.items()
        },
        "state": "measured",
        "expert": "synthetic",
    }
    (folder / "meta.json").write_text(json.dumps(meta | changes))


def make_config(**changes) -> TrainConfig:
    values = {
        "encoder": {
            "kind": "nano",
            "width": 32,
            "stem": 8,
            "channels": 8,
            "keypoints": 8,
            "keypoint_tokens": 1,
            "vocabulary": 300,
            "max_tokens": 24,
        },
        "head": {"horizon": 6, "width": 32, "layers": 2, "heads": 2, "mlp": 64},
        "waypoint_stride": 1,
        "surprise_repeat": 3,
        "keyframe_weight": 0.5,
        "pretrained_backbone": "",
        "base": "uniform",
        "alpha": 4.0,
        "draws": 2,
        "batch": 8,
        "max_steps": 12,
        "max_minutes": 0.0,
        "learning_rate": 3e-3,
        "final_rate_ratio": 0.02,
        "backbone_rate_ratio": 1.0,
        "warmup_steps": 3,
        "beta1": 0.9,
        "beta2": 0.95,
        "weight_decay": 0.0,
        "clip": 1.0,
        "ema": 0.98,
        "precision": "fp32",
        "device": "cpu",
        "processes": 1,
        "threads": 1,
        "seed": 0,
        "held_out": 0.2,
        "shift_px": 0,
        "colour_jitter": 0.0,
        "validate_every": 50,
        "validation_frames": 24,
        "save_every": 5,
        "steps": 1,
        "noise": "zero",
    }
    if changes.get("encoder", {}).get("kind") == "vlm":
        values["keyframe_weight"] = 0.0
    return TrainConfig(**(values | changes))
