# SPDX-License-Identifier: Apache-2.0
"""What is learned: grids of digits read row by row, grids open to two readings, digit images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.digits.sources import PIXELS, TRAIN, Digits
from onestep_vla_ros.digits.tokens import CLASSES, DOF, make_codebook
from onestep_vla_ros.policy.encoder import Text
from onestep_vla_ros.train.batches import Batch

EDGE = 4
"""Digits along an edge of a grid, and patches along an edge of a picture."""
AMBIGUOUS_EDGE = 3
"""Of the ambiguous grids: to read two ways takes far longer to learn than to read one."""
CELL_PIXELS = PIXELS + 2
"""A digit lies anywhere in its cell."""
GRID, AMBIGUOUS, IMAGE = "grid", "ambiguous", "image"
CAMERA = "grid"
BY_ROW, BY_COLUMN, EITHER = 0, 120, 60
"""Brightness of the paper that says how to read; of the last, nothing does."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A batch with what judges it.

    Attributes:
        batch: What the learner reads.
        answers: (B, A, H) digits: each of the A sequences is right; of the image task (B, 1, 1),
            the class.
        is_ambiguous: (B,) bool, two readings are right.
    """

    batch: Batch
    answers: torch.Tensor
    is_ambiguous: torch.Tensor


class Task:
    """Draws samples of one of `TASKS`.

    grid: its digits, row by row. ambiguous: half of the grids are on black paper (read row by
    row) or on light paper (column by column); the others are on grey, and their demonstrations
    read either way at random, as two people would. image, the negative control:
    the chunk is the picture of a digit, the condition only its class.

    Args:
        name: One of `TASKS`.
        digits: The digits.
        device: Where samples are made.
        edge: Digits along an edge of a grid, or patches along that of a picture; a chunk has
            H = edge² waypoints.

    Raises:
        ConfigError: There is no such task, or pictures are asked for in other patches than 4x4.
    """

    def __init__(self, name: str, digits: Digits, device: torch.device, edge: int = EDGE) -> None:
        if name not in TASKS:
            raise ConfigError("unknown digits task", got=repr(name), allowed=list(TASKS))
        if name == IMAGE and edge != EDGE:
            raise ConfigError("pictures are chunks of 4x4 patches", got=edge, allowed=EDGE)
        self.name, self._device = name, device
        self._edge, self._cells = edge, edge * edge
        self.codebook = make_codebook().to(device)
        padded = torch.nn.functional.pad(torch.from_numpy(digits.images), (2, 2, 2, 2))
        self._padded = padded.to(device)  # (N, 18, 18)
        self._windows = self._padded.unfold(1, CELL_PIXELS, 1).unfold(2, CELL_PIXELS, 1)
        self._labels = torch.from_numpy(digits.labels).to(device)
        parts = {int(p) for p in digits.part}
        self._pools = {p: torch.from_numpy(digits.indices(p)).to(device) for p in parts}
        papers = (EITHER, EITHER, BY_ROW, BY_COLUMN)
        self._papers = torch.tensor(papers, dtype=torch.uint8, device=device)
        centred = self._padded[self._pools[TRAIN], 1:-1, 1:-1].float()
        self.image_mean, self.image_std = centred.mean(), centred.std()

    def sample(self, count: int, part: int, generator: torch.Generator) -> Sample:
        """Return `count` samples of a part of the digits; `generator` is on the task's device."""
        if self.name == IMAGE:
            return self._images(count, part, generator)
        chosen, images = self._grids(count, part, generator)
        digits = self._labels[chosen]  # (B, H)
        square = digits.view(count, self._edge, self._edge)
        by_column = square.transpose(1, 2).reshape(count, self._cells)
        order, is_ambiguous = torch.zeros_like(digits[:, 0]), torch.zeros(count, dtype=torch.bool)
        answers = digits.unsqueeze(1)
        if self.name == AMBIGUOUS:
            kind = self._integers(4, (count,), generator)  # 0, 1: either; 2: by row; 3: by column
            images = images.maximum(self._papers[kind, None, None, None])
            order, is_ambiguous = kind % 2, kind < 2
            read = torch.where(order[:, None] == 0, digits, by_column)
            other = torch.where(order[:, None] == 0, by_column, digits)
            other = torch.where(is_ambiguous[:, None], other, read)
            answers = torch.stack([read, other], dim=1)
        action = self.codebook[answers[:, 0]]
        state = action.new_zeros((count, 1))
        return Sample(
            _batch({CAMERA: images}, state, action), answers, is_ambiguous.to(self._device)
        )

    def _grids(
        self, count: int, part: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return which digits (B, H) and their grids (B, 1, 16·edge, 16·edge) uint8."""
        pool, edge = self._pools[part], self._edge
        chosen = pool[self._integers(len(pool), (count, self._cells), generator)]
        down, right = self._integers(3, (2, count, self._cells), generator)
        cells = self._windows[chosen, down, right]  # (B, H, 16, 16)
        rows = cells.view(count, edge, edge, CELL_PIXELS, CELL_PIXELS).transpose(2, 3)
        return chosen, rows.reshape(count, 1, edge * CELL_PIXELS, edge * CELL_PIXELS)

    def _images(self, count: int, part: int, generator: torch.Generator) -> Sample:
        pool = self._pools[part]
        chosen = pool[self._integers(len(pool), (count,), generator)]
        pictures = self._padded[chosen, 1:-1, 1:-1].float()  # (B, 16, 16)
        action = to_patches((pictures - self.image_mean) / self.image_std)
        labels = self._labels[chosen]
        state = torch.nn.functional.one_hot(labels, CLASSES).float()
        none = torch.zeros(count, dtype=torch.bool, device=self._device)
        return Sample(_batch({}, state, action), labels.view(-1, 1, 1), none)

    def _integers(
        self, high: int, shape: tuple[int, ...], generator: torch.Generator
    ) -> torch.Tensor:
        return torch.randint(high, shape, generator=generator, device=self._device)


TASKS: tuple[str, ...] = (GRID, AMBIGUOUS, IMAGE)


def to_patches(pictures: torch.Tensor) -> torch.Tensor:
    """Return pictures (B, 16, 16) as chunks (B, 16, 16): sixteen patches of 4x4 pixels."""
    patch = CELL_PIXELS // EDGE
    split = pictures.view(-1, EDGE, patch, EDGE, patch).transpose(2, 3)
    return split.reshape(-1, EDGE * EDGE, DOF)


def to_pictures(chunks: torch.Tensor) -> torch.Tensor:
    """Return chunks (B, 16, 16) as pictures (B, 16, 16): the inverse of `to_patches`."""
    patch = CELL_PIXELS // EDGE
    split = chunks.reshape(-1, EDGE, EDGE, patch, patch).transpose(2, 3)
    return split.reshape(-1, CELL_PIXELS, CELL_PIXELS)


def _batch(images: Mapping[str, torch.Tensor], state: torch.Tensor, action: torch.Tensor) -> Batch:
    """Return a batch as the policy's learner reads it; there is no text and no robot."""
    nothing = torch.zeros((len(action), 0), device=action.device)
    text = Text(nothing.long(), nothing.bool())
    return Batch(dict(images), text, state, action, nothing, nothing)
