# SPDX-License-Identifier: Apache-2.0
"""A small encoder with the policy's own action head."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.digits.autoregressive import AutoregressiveHead
from onestep_vla_ros.digits.tasks import CAMERA
from onestep_vla_ros.digits.tokens import CLASSES, DOF
from onestep_vla_ros.policy.encoder import Context, Text
from onestep_vla_ros.policy.flow_head import FlowHead, HeadConfig
from onestep_vla_ros.train.train_config import TrainConfig

PIXEL_MEAN, PIXEL_STD = 33.0, 79.0
"""Of handwritten digits, white on black; about those of MNIST."""


class GridEncoder(nn.Module):
    """A picture of square cells of 16x16 pixels to a token a cell.

    Args:
        channels: Of the first of four convolutions; the next two have twice as many each.
        width: Of the tokens.
        cells: C, in the whole grid.
    """

    def __init__(self, channels: int, width: int, cells: int) -> None:
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(
            nn.Conv2d(1, channels, 5, stride=2, padding=2),  # a cell: 16 -> 8 pixels
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * channels, 4 * channels, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(4 * channels, width, 2, stride=2),  # 2 -> 1
        )
        self.norm = nn.LayerNorm(width)
        self.position = nn.Parameter(torch.randn(cells, width))

    def encode(
        self, images: Mapping[str, torch.Tensor], text: Text, state: torch.Tensor
    ) -> Context:
        """Return (B, C, W) tokens of a grid (B, 1, 16√C, 16√C) uint8; the rest says nothing."""
        cells = self.layers((images[CAMERA].float() - PIXEL_MEAN) / PIXEL_STD)  # (B, W, √C, √C)
        return Context(self.norm(cells.flatten(2).transpose(1, 2)) + self.position)


class ClassEncoder(nn.Module):
    """The class of a digit, which is all that the image control tells, to one token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.embed = nn.Linear(CLASSES, width)

    def encode(
        self, images: Mapping[str, torch.Tensor], text: Text, state: torch.Tensor
    ) -> Context:
        """Return (B, 1, W) of one-hot classes, state (B, 10)."""
        return Context(self.embed(state).unsqueeze(1))


class DigitModel(nn.Module):
    """Encoder and head, with the names the policy's learner knows them by."""

    def __init__(self, encoder: GridEncoder | ClassEncoder, head: FlowHead) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def encode(
        self, images: Mapping[str, torch.Tensor], text: Text, state: torch.Tensor
    ) -> Context:
        """Return the condition tokens."""
        return self.encoder.encode(images, text, state)

    @property
    def parameter_count(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.parameters())


def make_model(config: TrainConfig, *, is_autoregressive: bool = False) -> DigitModel:
    """Return a model with random weights from torch's global generator.

    Args:
        config: `encoder` is {kind: cnn, channels: n} or {kind: class}.
        is_autoregressive: With the baseline's head instead of the policy's, of the same size.

    Raises:
        ConfigError: Of an encoder that is not known, or sizes that do not fit the task.
    """
    values = {"prefix": 0, **config.head, "dof": DOF, "objective": config.objective}
    head_config = from_mapping(HeadConfig, values, "head")
    horizon, width = head_config.horizon, head_config.width
    if math.isqrt(horizon) ** 2 != horizon:
        raise ConfigError(
            "head.horizon does not fit a grid", got=horizon, allowed="a square, as 16 for 4x4"
        )
    kinds = {
        "cnn": lambda: GridEncoder(int(config.encoder["channels"]), width, horizon),
        "class": lambda: ClassEncoder(width),
    }
    kind = config.encoder.get("kind")
    if kind not in kinds:
        raise ConfigError("unknown encoder of digits", got=repr(kind), allowed=list(kinds))
    encoder = kinds[kind]()
    head = (AutoregressiveHead if is_autoregressive else FlowHead)(head_config, encoder.width)
    # Which waypoint is which cell has to be found by attention. With positions that start at the
    # size of the tokens instead of a fiftieth of it that takes hundreds of steps, not thousands.
    nn.init.normal_(head.position)
    return DigitModel(encoder, head)
