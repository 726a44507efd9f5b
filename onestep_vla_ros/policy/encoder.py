# SPDX-License-Identifier: Apache-2.0
"""The protocol between any vision-language encoder and the flow head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True, slots=True)
class Text:
    """Token ids of a batch of instructions.

    Attributes:
        ids: (B, L) int64.
        mask: (B, L) bool, False on padding.
    """

    ids: torch.Tensor
    mask: torch.Tensor


@dataclass(frozen=True, slots=True)
class Context:
    """Condition tokens of a batch.

    Attributes:
        tokens: (B, T, W).
        mask: (B, T) bool, False on padding; None when no token is padding.
    """

    tokens: torch.Tensor
    mask: torch.Tensor | None = None


class Encoder(Protocol):
    """Images, instruction and robot state in, condition tokens out."""

    width: int
    """Width W of the tokens."""

    def encode(
        self, images: Mapping[str, torch.Tensor], text: Text, state: torch.Tensor
    ) -> Context:
        """Return the condition tokens.

        Args:
            images: Camera name to (B, 3, h, w), uint8 or float in 0..255, RGB.
            text: The instructions.
            state: Normalised joint positions, (B, D).
        """
        ...
