# SPDX-License-Identifier: Apache-2.0
"""A kinematic world and a tiny checkpoint for it."""

from __future__ import annotations

import numpy as np
import pytest

from onestep_vla_ros.core.joints import DOF, JOINT_NAMES
from onestep_vla_ros.core.observation import CameraSpec, Observation

HOME = np.array([0.0, 1.047, 1.047, 0.0, 0.0, 0.0, 0.7] * 2)
CAMERAS = (
    CameraSpec("top", 192, 192),
    CameraSpec("left_wrist", 128, 128),
    CameraSpec("right_wrist", 128, 128),
)
SENTENCE = "put the red cube on the plate"
PATIENCE_S = 60.0


class KinematicWorld:
    """A `World` whose arms go where they are told at once; success after half a second."""

    cameras = CAMERAS
    task = "place"
    timeout_s = 15.0

    def __init__(self) -> None:
        self.reset(0)

    def wrong_object(self):
        return False

    @property
    def time_s(self):
        return self._time_s

    @property
    def instruction(self):
        return SENTENCE

    def reset(self, seed):
        self.seed, self._time_s = seed, 0.0
        self._q = HOME + 0.01 * seed
        self.commands = []

    def joint_state(self):
        return self._q.copy(), np.zeros(DOF)

    def render(self, camera):
        return np.full((camera.height, camera.width, 3), 100 + self.seed, np.uint8)

    def observe(self, cameras=None):
        images = {c.name: self.render(c) for c in cameras or self.cameras}
        stamps = dict.fromkeys(images, self.time_s)
        return Observation(images, stamps, *self.joint_state(), self.time_s, SENTENCE)

    def step(self, command, duration_s):
        self._q = np.array(command)
        self._time_s += duration_s
        self.commands.append(self._q)

    def success(self):
        return self._time_s > 0.5


def write_tiny_checkpoint(folder, prefix=0):
    """Write it; its chunks can go on from `prefix` waypoints."""
    torch = pytest.importorskip("torch")
    from onestep_vla_ros.policy.checkpoint import Checkpoint, save_checkpoint
    from onestep_vla_ros.policy.contract import Contract
    from onestep_vla_ros.policy.model import ModelConfig, OneStepModel
    from onestep_vla_ros.policy.normalizer import Normalizer
    from onestep_vla_ros.policy.tokenizer import train_tokenizer

    torch.manual_seed(0)
    horizon = 16
    config = ModelConfig.from_json(
        {
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
            "head": {
                "horizon": horizon,
                "dof": DOF,
                "width": 32,
                "layers": 2,
                "heads": 2,
                "mlp": 48,
                "prefix": prefix,
            },
            "cameras": {"top": [24, 24], "left_wrist": [16, 16], "right_wrist": [16, 16]},
        }
    )
    normalizer = Normalizer(
        torch.tensor(HOME, dtype=torch.float32),
        torch.ones(DOF),
        torch.zeros(horizon, DOF),
        torch.full((horizon, DOF), 0.01),
    )
    contract = Contract(
        joint_names=JOINT_NAMES,
        cameras=CAMERAS,
        period_s=0.04,
        horizon=horizon,
        instruction_examples=(SENTENCE,),
        start_q_mean=HOME,
        start_q_low=HOME - 0.1,
        start_q_high=HOME + 0.1,
    )
    model = OneStepModel(config).eval()
    tokenizer = train_tokenizer([SENTENCE], 300)
    save_checkpoint(folder, Checkpoint(model, contract, normalizer, tokenizer))
    return folder
