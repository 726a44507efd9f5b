# SPDX-License-Identifier: Apache-2.0
"""The small vision-language encoder: convolutions, FiLM from the text, keypoints.

Each camera type ("top", "wrist") has one convolution trunk, so the two wrists share theirs.
The sentence scales and shifts the features at two depths and asks for its own keypoints: 32
spatial-softmax keypoints say where things are, a few pooled tokens say what they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from onestep_vla_ros.core.parameter import param
from onestep_vla_ros.policy.encoder import Context, Text
from onestep_vla_ros.policy.film_norm import film_norm, rows

POOL = 2
"""Pooled tokens form a POOL × POOL grid a camera."""

SHARPNESS = 4.0
"""Initial factor on keypoint logits: at 1 every keypoint starts at the middle of the image."""

GROUPS = 8
"""Groups of every GroupNorm."""


@dataclass(frozen=True, slots=True)
class NanoConfig:
    """Size of the nano encoder."""

    width: int = param("Token width", low=8, high=1024)
    stem: int = param("Channels at stride 2, a multiple of 8", low=8, high=256)
    channels: int = param("Channels at stride 4, a multiple of 8", low=8, high=512)
    keypoints: int = param("Keypoints a camera", low=1, high=256)
    keypoint_tokens: int = param("Tokens the keypoints of a camera become", low=1, high=32)
    vocabulary: int = param("Token ids the text may use", low=257, high=65536)
    max_tokens: int = param("Longest instruction [tokens]", low=4, high=1024)

    @staticmethod
    def contradictions(values: Mapping[str, Any]) -> list[str]:
        """Return what contradicts itself among the `values` that were read, a line each."""
        return [
            f"{key}: got: {values[key]}; allowed: a multiple of {GROUPS} (GroupNorm)"
            for key in ("stem", "channels")
            if values.get(key, 0) % GROUPS
        ]


def camera_type(name: str) -> str:
    """Return the trunk a camera uses: wrist cameras share one, every other has its own."""
    return "wrist" if name.endswith("_wrist") else name


class Residual(nn.Module):
    """Two 3×3 convolutions with GroupNorm around a FiLM, added to the input."""

    def __init__(self, channels: int, text_width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(GROUPS, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(GROUPS, channels)
        self.film = nn.Linear(text_width, 2 * channels)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: torch.Tensor, sentence: torch.Tensor) -> torch.Tensor:
        """Return features (B, C, h, w); γ and β of the FiLM come from `sentence`."""
        gamma, beta = self.film(sentence).chunk(2, dim=1)
        h = film_norm(self.conv1(x), self.norm1, (gamma, beta))
        return film_norm(self.conv2(h), self.norm2, shortcut=x)


class Trunk(nn.Module):
    """Convolutions of one camera type: (B, 3, h, w) to keypoint and pooled tokens."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        c, width = config.channels, config.width
        self.stem1 = nn.Conv2d(3, config.stem, 5, stride=2, padding=2)
        self.norm1 = nn.GroupNorm(GROUPS, config.stem)
        self.stem2 = nn.Conv2d(config.stem, c, 3, stride=2, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(GROUPS, c)
        self.block1 = Residual(c, width)
        self.block2 = Residual(c, width)
        self.heatmap = nn.Conv2d(c, config.keypoints, 1)
        self.asked = nn.Linear(width, config.keypoints * c)
        self.sharpness = nn.Parameter(torch.full((config.keypoints, 1, 1), SHARPNESS))
        self.keypoint_mlp = nn.Sequential(
            nn.Linear(2 * config.keypoints, width),
            nn.GELU(),
            nn.Linear(width, config.keypoint_tokens * width),
        )
        self.pooled = nn.Linear(c, width)

    def forward(self, image: torch.Tensor, sentence: torch.Tensor) -> torch.Tensor:
        """Return tokens (B, keypoint_tokens + POOL², W).

        Args:
            image: (B, 3, h, w) floats of about unit scale.
            sentence: (B, W).
        """
        x = film_norm(self.stem1(image), self.norm1)
        x = film_norm(self.stem2(x), self.norm2)
        x = self.block2(self.block1(x, sentence), sentence)
        points = self.keypoint_mlp(spatial_softmax(self._heatmap(x, sentence)))
        parts = [points.view(len(x), -1, self.pooled.out_features), self.pooled(grid_pool(x))]
        return torch.cat(parts, dim=1)

    def _heatmap(self, x: torch.Tensor, sentence: torch.Tensor) -> torch.Tensor:
        """Return keypoint logits (B, K, h, w) of features (B, C, h, w).

        Every keypoint looks for a fixed pattern plus one that the sentence asks for, so that
        "red" can move a keypoint by itself instead of through the features alone. The bias of
        `heatmap` would lift a whole map, which the softmax over it does not see.
        """
        channels = x.shape[1]
        asked = self.asked(sentence).view(len(x), -1, channels) / math.sqrt(channels)  # (B, K, C)
        pattern = self.sharpness.squeeze(-1) * (self.heatmap.weight.flatten(1) + asked)
        return (pattern @ rows(x).transpose(1, 2)).unflatten(2, x.shape[2:])


def spatial_softmax(heatmap: torch.Tensor) -> torch.Tensor:
    """Return the mean position of each heat map, (B, 2·K) in −1..1: all x, then all y.

    Args:
        heatmap: Logits (B, K, h, w).
    """
    height, width = heatmap.shape[2:]
    weights = torch.softmax(heatmap.flatten(2), dim=-1, dtype=torch.float32)
    across = torch.linspace(-1.0, 1.0, width, device=heatmap.device).expand(height, width)
    down = torch.linspace(-1.0, 1.0, height, device=heatmap.device).unsqueeze(1)
    places = torch.stack([across, down.expand(height, width)], dim=-1).flatten(0, 1)
    with torch.autocast(heatmap.device.type, enabled=False):  # bfloat16 is too coarse a place
        found = weights @ places  # (B, K, 2)
    return found.transpose(1, 2).flatten(1)


def grid_pool(x: torch.Tensor) -> torch.Tensor:
    """Return the means of features (B, C, h, w) over POOL × POOL cells, (B, POOL², C).

    The cells are those of `adaptive_avg_pool2d`, which is slow on channels-last features.
    """
    down, across = (_cells(n) for n in x.shape[2:])  # (POOL, h), (POOL, w)
    inside = (down[:, None, :, None] & across[None, :, None, :]).flatten(0, 1).flatten(1)
    inside = inside.to(x)  # (POOL², h·w) of ones, which bfloat16 holds exactly
    means: torch.Tensor = inside @ rows(x) / inside.sum(1, keepdim=True)
    return means


def _cells(length: int) -> torch.Tensor:
    """Return which of `length` places belong to which of POOL cells, (POOL, length) bool."""
    place, cell = torch.arange(length), torch.arange(POOL).unsqueeze(1)
    return (place >= cell * length // POOL) & (place * POOL < (cell + 1) * length)


class NanoEncoder(nn.Module):
    """Encoder of the shipped checkpoint.

    Args:
        config: Sizes.
        cameras: Camera names, in the order of their tokens.
        dof: Entries of the state.
    """

    def __init__(self, config: NanoConfig, cameras: tuple[str, ...], dof: int) -> None:
        super().__init__()
        self.config, self.cameras, self.width = config, cameras, config.width
        width = config.width
        self.trunks = nn.ModuleDict({camera_type(name): Trunk(config) for name in cameras})
        places = config.keypoint_tokens + POOL * POOL
        self.place = nn.Parameter(0.2 * torch.randn(len(cameras), places, width))
        self.word = nn.Embedding(config.vocabulary, width)
        self.word_position = nn.Parameter(0.02 * torch.randn(config.max_tokens, width))
        nn.init.normal_(self.word.weight, std=0.1)
        self.word_mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU())
        self.sentence = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))
        self.dof = dof
        self.state_mlp = nn.Sequential(nn.Linear(dof, width), nn.GELU(), nn.Linear(width, width))

    def encode(
        self, images: Mapping[str, torch.Tensor], text: Text, state: torch.Tensor
    ) -> Context:
        """Return tokens of every camera, the words, the sentence and the state."""
        words, sentence = self._words(text)
        seen: dict[str, torch.Tensor] = {}
        for kind, trunk in self.trunks.items():
            names = [name for name in self.cameras if camera_type(name) == kind]
            stack = torch.cat([images[name] for name in names])  # (n·B, 3, h, w)
            stack = stack.to(state.dtype, memory_format=torch.channels_last)
            tokens = trunk((stack / 64.0).sub_(2.0), sentence.repeat(len(names), 1))
            seen |= zip(names, tokens.chunk(len(names)), strict=True)
        parts = [seen[name] + self.place[i] for i, name in enumerate(self.cameras)]
        parts += [words, sentence.unsqueeze(1), self.state_mlp(state).unsqueeze(1)]
        tokens = torch.cat([part.float() for part in parts], dim=1)
        if bool(text.mask.all()):
            return Context(tokens)
        mask = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        first = tokens.shape[1] - 2 - text.ids.shape[1]
        mask[:, first : first + text.ids.shape[1]] = text.mask
        return Context(tokens, mask)

    def _words(self, text: Text) -> tuple[torch.Tensor, torch.Tensor]:
        """Return word tokens (B, L, W) and the sentence embedding (B, W), padding left out."""
        x = self.word(text.ids) + self.word_position[: text.ids.shape[1]]
        x = x + self.word_mlp(x)
        weight = text.mask.to(x.dtype).unsqueeze(-1)
        mean = (x * weight).sum(1) / weight.sum(1).clamp(min=1.0)
        return x, self.sentence(mean)
