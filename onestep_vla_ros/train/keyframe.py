# SPDX-License-Identifier: Apache-2.0
"""Keyframes: where the present movement ends, and a readout that makes the encoder see it.

A demonstration's first half second of movement barely depends on where the cube lies, so the
velocity loss alone teaches the eyes slowly. The readout regresses the pose at the end of the
present movement from the encoder's tokens; it exists in training only, is never decoded and is
not part of a checkpoint. The action head's objective stays the plain velocity loss.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from onestep_vla_ros.core.embodiment import Embodiment
from onestep_vla_ros.core.joints import ARM_JOINT_INDEX
from onestep_vla_ros.policy.nano_encoder import POOL, NanoEncoder

STILL_RAD = 0.02
"""A plan that moves less than this in one recorded period (0.1 s) rests there [rad]."""
HIDDEN = 256


def keyframes_of(
    robot: Embodiment,
    state: NDArray[np.float32],
    action: NDArray[np.float32],
    frame: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Return the state in which the movement after each frame ends, (N, S).

    Arms that are told joint positions: where they are told to come to rest. Arms that are told
    steps, which are at rest nowhere: where a gripper is told to open or close next.

    Args:
        robot: Whose movements.
        state: Measured, (M, S).
        action: Due one frame later, (M, D).
        frame: Which frames, (N,).
    """
    if robot.relative:
        return next_keyframes(np.concatenate([state[:1], action]), frame)
    told = action[:, list(robot.grippers)] > 0.0
    ends = np.flatnonzero((told[1:] != told[:-1]).any(axis=1)) + 1
    return _at_next(np.append(ends, len(state) - 1), state, frame)


def next_keyframes(plan: NDArray[np.float32], frame: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the pose at which the movement after each frame comes to rest, (N, D).

    Args:
        plan: Clean plan, (M, D) [rad, gripper 0..1].
        frame: Plan indices, (N,).
    """
    speed = np.abs(np.diff(plan[:, list(ARM_JOINT_INDEX)], axis=0)).max(axis=1)
    is_still = np.append(speed < STILL_RAD, True)
    # a movement ends where a still point follows a moving one
    ends = np.flatnonzero(is_still[1:] & ~is_still[:-1]) + 1
    return _at_next(np.append(ends, len(plan) - 1), plan, frame)


def _at_next(
    ends: NDArray[np.int64], rows: NDArray[np.float32], frame: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the rows at the first of `ends` after each frame, the last one's past them all."""
    place = np.searchsorted(ends, frame, side="right").clip(max=len(ends) - 1)
    chosen: NDArray[np.float32] = rows[ends[place]]
    return chosen


class KeyframeReadout(nn.Module):
    """Camera, sentence and state tokens of a nano encoder to the next keyframe.

    Args:
        encoder: Whose tokens are read.
    """

    def __init__(self, encoder: NanoEncoder) -> None:
        super().__init__()
        self._seen = len(encoder.cameras) * (encoder.config.keypoint_tokens + POOL * POOL)
        self.layers = nn.Sequential(
            nn.Linear((self._seen + 2) * encoder.width, HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, encoder.dof),
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return normalised keyframes (B, S) of context tokens (B, T, W)."""
        used = torch.cat([tokens[:, : self._seen], tokens[:, -2:]], dim=1)
        out: torch.Tensor = self.layers(used.flatten(1))
        return out.float()
