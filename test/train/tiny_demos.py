# SPDX-License-Identifier: Apache-2.0
"""A tiny dataset: one bright square, and a plan that goes where it lies."""

from __future__ import annotations

import dataclasses

import numpy as np

from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.train.attempts import Attempt, save_attempt
from onestep_vla_ros.train.lerobot_layout import VIDEO_PATH, numbered, video_key
from onestep_vla_ros.train.lerobot_stats import histogram
from onestep_vla_ros.train.lerobot_video import read_video, write_videos
from onestep_vla_ros.train.lerobot_writer import DatasetFacts, assemble
from onestep_vla_ros.train.train_config import TrainConfig

SIZES = {"top": (24, 32), "left_wrist": (16, 16)}
"""Cameras as a model reads them; the videos hold twice as many pixels each way."""
FRAMES = 12
PLAN = 20
"""Steps of the plan, of which the first `FRAMES` have a frame."""


def write_dataset(folder, episodes=10, sizes=SIZES, task="square", change=None):
    """Write a whole dataset; `change` maps an attempt to another, for episodes that differ."""
    for index in range(episodes):
        attempt = tiny_attempt(folder, index, sizes)
        save_attempt(folder, change(attempt) if change else attempt)
    return assemble(folder, facts(sizes, task), episodes)


def facts(sizes=SIZES, task="square"):
    cameras = tuple(CameraSpec(name, 2 * h, 2 * w) for name, (h, w) in sizes.items())
    return DatasetFacts(task, 0, cameras, expert="synthetic", state="measured")


def tiny_attempt(folder, index, sizes=SIZES):
    """Write the videos of one episode and return the rest of it."""
    rng = np.random.default_rng(index)
    x = rng.uniform(0.1, 0.9)
    start = 0.05 * rng.normal(size=14)
    steps = np.linspace(0.0, 1.0, PLAN + 1)[:, None]
    plan = (start + (np.full(14, x) - start) * steps).astype(np.float32)
    pixels = {}
    for name, size in sizes.items():
        path = folder / numbered(VIDEO_PATH, index, video_key(name))
        write_videos({path: square(x, (2 * size[0], 2 * size[1]))})
        pixels[name] = histogram(read_video(path)[0])
    return Attempt(
        number=index,
        seed=index,
        instruction=f"go to the {('red', 'blue')[index % 2]} square",
        success=True,
        state=plan[:FRAMES],
        action=plan[1 : FRAMES + 1],
        is_mistake=np.zeros(FRAMES, np.bool_),
        pixels=pixels,
    )


def square(x, size, frames=FRAMES):
    """Return images (frames, h, w, 3) with a bright square at `x` (0..1) of the width."""
    height, width = size
    images = np.full((frames, height, width, 3), 40, np.uint8)
    column = int(x * (width - 8))
    images[:, height // 2 : height // 2 + 8, column : column + 8] = 230
    return images


def without_success(attempt):
    """Return the attempt as one that failed."""
    empty = np.zeros((0, 14), np.float32)
    return dataclasses.replace(
        attempt, success=False, state=empty, action=empty, is_mistake=np.zeros(0, np.bool_)
    )


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
        "images": {name: list(size) for name, size in SIZES.items()},
        "frame_stride": 1,
        "task_share": {},
        "surprise_repeat": 3,
        "keyframe_weight": 0.5,
        "pretrained_backbone": "",
        "initial_checkpoint": "",
        "objective": "flow",
        "base": "uniform",
        "alpha": 4.0,
        "zero_share": 0.0,
        "draws": 2,
        "batch": 8,
        "max_steps": 12,
        "max_minutes": 0.0,
        "learning_rate": 3e-3,
        "final_rate_ratio": 0.02,
        "backbone_rate_ratio": 1.0,
        "encode_once": False,
        "warmup_steps": 3,
        "beta1": 0.9,
        "beta2": 0.95,
        "weight_decay": 0.0,
        "clip": 1.0,
        "ema": 0.98,
        "precision": "fp32",
        "device": "cpu",
        "launcher": "own",
        "processes": 1,
        "threads": 1,
        "seed": 0,
        "held_out": 0.2,
        "shift_px": 0,
        "colour_jitter": 0.0,
        "validate_every": 50,
        "validation_frames": 24,
        "save_every": 5,
        "rollout_every": 0,
        "rollout_episodes": 2,
        "steps": 1,
        "noise": "zero",
    }
    if changes.get("encoder", {}).get("kind") == "vlm":
        values["keyframe_weight"] = 0.0
    return TrainConfig(**(values | changes))
