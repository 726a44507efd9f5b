# SPDX-License-Identifier: Apache-2.0
"""What a foreign pi0 folder holds, whoever wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from onestep_vla_ros.policy.foreign.affine import Affine


@dataclass(frozen=True, slots=True)
class Source:
    """One policy, its names made ours and nothing else changed.

    Attributes:
        project: Who wrote the folder, for people.
        weights: Our tensor name to tensor.
        model: Content of a PaliGemmaConfig.
        expert: Content of a GemmaConfig.
        horizon: Waypoints a chunk.
        periods: Shortest and longest period of the time features.
        time: Precision of their angles, one of `pi0_head.PRECISIONS`.
        fit: How images become squares, one of `letterbox.FITS`.
        max_tokens: Longest instruction.
        steps: Decoder steps it is run with.
        images: Its names of the images, in token order; None takes any, in the robot's order.
        state: Normalisation of the state; entries as the policy has them, without padding.
        action: Normalisation of the action.
        relative: Which action entries are relative to the state; None when the folder is silent.
        tokenizer: Folder that may hold the tokenizer.
        is_padded: The statistics may go on beyond the robot's entries.
        is_tidied: Underscores and line breaks of the instruction become blanks.
    """

    project: str
    weights: Mapping[str, torch.Tensor]
    model: dict[str, object]
    expert: dict[str, object]
    horizon: int
    periods: tuple[float, float]
    time: str
    fit: str
    max_tokens: int
    steps: int
    images: tuple[str, ...] | None
    state: Affine
    action: Affine
    relative: tuple[bool, ...] | None
    tokenizer: Path
    is_padded: bool = False
    is_tidied: bool = False

    @property
    def state_width(self) -> int:
        """Entries of the state that the model reads, padding included."""
        return int(self.weights["head.state_proj.weight"].shape[1])

    @property
    def action_width(self) -> int:
        """Entries of an action that the model decodes, padding included."""
        return int(self.weights["head.action_out_proj.bias"].shape[0])
