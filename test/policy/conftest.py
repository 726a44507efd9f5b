# SPDX-License-Identifier: Apache-2.0
"""A small checkpoint of each encoder, and observations that fit it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onestep_vla_ros.core.joints import DOF, JOINT_NAMES
from onestep_vla_ros.core.observation import CameraSpec, Observation
from onestep_vla_ros.policy.checkpoint import Checkpoint
from onestep_vla_ros.policy.contract import Contract
from onestep_vla_ros.policy.model import ModelConfig, OneStepModel
from onestep_vla_ros.policy.normalizer import Normalizer
from onestep_vla_ros.policy.tokenizer import train_tokenizer

SENTENCES = ("put the red cube on the plate", "put the blue cube on the plate")
NATIVE = (CameraSpec("top", 48, 64), CameraSpec("left_wrist", 40, 40))
HEAD = {"horizon": 5, "dof": DOF, "width": 32, "layers": 2, "heads": 2, "mlp": 48}
NANO = {
    "encoder": {
        "kind": "nano",
        "width": 24,
        "stem": 8,
        "channels": 8,
        "keypoints": 4,
        "keypoint_tokens": 1,
        "vocabulary": 300,
        "max_tokens": 24,
    },
    "head": HEAD,
    "cameras": {"top": [24, 32], "left_wrist": [16, 16]},
}
VLM = {
    "encoder": {
        "kind": "vlm",
        "dtype": "float32",
        "max_tokens": 24,
        "model": {
            "image_token_index": 300,
            "projection_dim": 32,
            "text_config": {
                "model_type": "gemma",
                "vocab_size": 301,
                "hidden_size": 32,
                "intermediate_size": 48,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "head_dim": 16,
            },
            "vision_config": {
                "model_type": "siglip_vision_model",
                "hidden_size": 24,
                "intermediate_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "patch_size": 8,
                "image_size": 32,
                "projection_dim": 32,
            },
        },
    },
    "head": HEAD,
    "cameras": {"top": [32, 32], "left_wrist": [32, 32]},
}


def make_checkpoint(architecture: dict) -> Checkpoint:
    torch.manual_seed(3)
    config = ModelConfig.from_json(architecture)
    model = OneStepModel(config)
    torch.nn.init.normal_(model.head.out.weight, std=0.2)  # zero at birth hides mistakes
    rng = np.random.default_rng(0)
    state = rng.normal(0.5, 0.2, (50, DOF)).astype(np.float32)
    horizon = config.head.horizon
    action = state[:, None] + rng.normal(0, 0.1, (50, horizon, DOF)).astype(np.float32)
    contract = Contract(
        joint_names=JOINT_NAMES,
        cameras=NATIVE,
        period_s=0.04,
        horizon=horizon,
        instruction_examples=SENTENCES,
        start_q_mean=np.full(DOF, 0.5),
        start_q_low=np.zeros(DOF),
        start_q_high=np.ones(DOF),
    )
    tokenizer = train_tokenizer(SENTENCES, 300)
    return Checkpoint(model.eval(), contract, Normalizer.fit(state, action), tokenizer)


def make_observation(seed: int = 0, instruction: str = SENTENCES[0]) -> Observation:
    rng = np.random.default_rng(seed)
    images = {c.name: rng.integers(0, 256, (c.height, c.width, 3), dtype=np.uint8) for c in NATIVE}
    stamps = {"top": 9.98, "left_wrist": 9.97}
    return Observation(images, stamps, rng.normal(0.5, 0.1, DOF), np.zeros(DOF), 10.0, instruction)


@pytest.fixture(scope="session")
def nano() -> Checkpoint:
    return make_checkpoint(NANO)


@pytest.fixture(scope="session")
def vlm() -> Checkpoint:
    return make_checkpoint(VLM)


@pytest.fixture
def observation() -> Observation:
    return make_observation()


@pytest.fixture
def other_observation() -> Observation:
    return make_observation(1, SENTENCES[1])


@pytest.fixture(params=["nano", "vlm"])
def either(request: pytest.FixtureRequest) -> Checkpoint:
    return request.getfixturevalue(request.param)
