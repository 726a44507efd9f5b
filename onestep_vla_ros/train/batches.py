# SPDX-License-Identifier: Apache-2.0
"""Frames of a dataset as the tensors a step learns from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from onestep_vla_ros.policy.encoder import Context, Text
from onestep_vla_ros.policy.model import OneStepModel
from onestep_vla_ros.policy.normalizer import Normalizer
from onestep_vla_ros.train.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step learns from.

    Attributes:
        images: Camera name to (B, 3, h, w), uint8 or, jittered, float in 0..255.
        text: Instructions.
        state: Normalised states, (B, S).
        action: Normalised chunks, (B, H, D).
        q: Absolute states, (B, S) [rad, gripper 0..1].
        keyframe: Where the present movement ends, (B, S): the embodiment's `near` from `q`,
            all in its `near_scale`.
        tokens: What a frozen encoder said of the frames before; then `images` is empty.
    """

    images: dict[str, torch.Tensor]
    text: Text
    state: torch.Tensor
    action: torch.Tensor
    q: torch.Tensor
    keyframe: torch.Tensor
    tokens: Context | None = None

    def context(self, model: OneStepModel) -> Context:
        """Return the condition tokens, stored ones or the encoder's."""
        if self.tokens is not None:
            return self.tokens
        return model.encode(self.images, self.text, self.state)


class StoredTokens(Protocol):
    """Condition tokens that were made before; see `token_cache.Tokens`."""

    def read(self, indices: NDArray[np.int64], device: str) -> Context:
        """Return the tokens of some frames."""
        ...


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Random changes of the images.

    Attributes:
        shift_px: Largest shift along each axis [pixels]; edges are repeated.
        colour: Largest change of gain (per channel) and offset, relative.
    """

    shift_px: int = 0
    colour: float = 0.0


class Batches:
    """Reads batches from a dataset.

    Args:
        dataset: Frames.
        normalizer: Statistics of the training frames.
        texts: Tokens of `dataset.instructions`, one row each.
        device: Where batches go.
    """

    def __init__(
        self, dataset: Dataset, normalizer: Normalizer, texts: Text, device: str = "cpu"
    ) -> None:
        self._dataset, self._normalizer, self._texts = dataset, normalizer, texts
        self.device = device
        self.tokens: StoredTokens | None = None
        """Read instead of the images once it is set."""

    def fingerprint(self) -> str:
        """Return a name for what the encoder is shown of every frame, images aside."""
        digest = hashlib.sha256()
        for array in (self._dataset.text, self._texts.ids.numpy(), self._texts.mask.numpy()):
            digest.update(np.ascontiguousarray(array).tobytes())
        for value in (self._normalizer.state_mean, self._normalizer.state_std):
            digest.update(value.numpy().tobytes())
        sizes = {name: frames.shape for name, frames in self._dataset.images.items()}
        digest.update(repr(sizes).encode())
        return digest.hexdigest()

    def read(
        self,
        indices: NDArray[np.int64],
        augmentation: Augmentation | None = None,
        rng: np.random.Generator | None = None,
        *,
        is_padded: bool = False,
    ) -> Batch:
        """Return the frames at `indices`, augmented when both extras are given.

        Args:
            indices: Which frames, (B,).
            augmentation: Random changes of the images.
            rng: Their source.
            is_padded: Instructions are as long as the longest of all frames.
        """
        data = self._dataset
        images = {}
        tokens = self.tokens.read(indices, self.device) if self.tokens is not None else None
        for name, frames in data.images.items() if tokens is None else ():
            stack = frames[indices]
            if augmentation is not None and rng is not None:
                images[name] = _augment(stack, augmentation, rng).to(self.device)
            else:
                images[name] = torch.from_numpy(stack).permute(0, 3, 1, 2).to(self.device)
        q = torch.from_numpy(data.q[indices])
        action = self._normalizer.encode_action(torch.from_numpy(data.action[indices]), q)
        rows = torch.from_numpy(data.text[indices].astype(np.int64))
        mask = self._texts.mask[rows]
        # columns that are padding everywhere cost for nothing
        used = mask.shape[1] if is_padded else int(mask.sum(1).max())
        text = Text(self._texts.ids[rows, :used].to(self.device), mask[:, :used].to(self.device))
        state = self._normalizer.encode_state(q)
        robot, near = data.meta.robot, list(data.meta.robot.near)
        ahead = torch.from_numpy(data.keyframe[indices])
        ahead[:, near] -= q[:, near]
        ahead /= robot.near_scale
        rest = (x.to(self.device) for x in (state, action, q, ahead))
        return Batch(images, text, *rest, tokens)


def _augment(
    stack: NDArray[np.uint8], augmentation: Augmentation, rng: np.random.Generator
) -> torch.Tensor:
    """Return (B, 3, h, w) of (B, h, w, 3), each image shifted and tinted by itself."""
    batch, height, width, _ = stack.shape
    shift = augmentation.shift_px
    if shift:
        moves = rng.integers(-shift, shift + 1, (batch, 2))
        stack = np.stack([_shift(x, *move) for x, move in zip(stack, moves.tolist(), strict=True)])
    if not augmentation.colour:
        return torch.from_numpy(stack).permute(0, 3, 1, 2)
    numbers = rng.uniform(-augmentation.colour, augmentation.colour, (2, batch, 3, 1, 1))
    gain, offset = torch.from_numpy(numbers.astype(np.float32))
    offset = offset[:, :1, 0]  # one offset for all channels: brightness
    gain = gain.view(batch, 1, 3).repeat(1, 1, width)  # a row of pixels is one long vector
    lines = torch.from_numpy(stack).view(batch, height, -1).float()
    lines = torch.addcmul(127.5 * offset, lines, 1.0 + gain).clamp_(0.0, 255.0)
    return lines.view(stack.shape).permute(0, 3, 1, 2)


def _shift(image: NDArray[np.uint8], down: int, right: int) -> NDArray[np.uint8]:
    """Return what lies (down, right) pixels further in an image (h, w, 3); edges are repeated."""
    height, width, _ = image.shape
    top, bottom = max(0, -down), height - max(0, down)
    left, end = max(0, -right), width - max(0, right)
    out = np.empty_like(image)
    out[top:bottom, left:end] = image[top + down : bottom + down, left + right : end + right]
    out[top:bottom, :left] = out[top:bottom, left : left + 1]
    out[top:bottom, end:] = out[top:bottom, end - 1 : end]
    out[:top], out[bottom:] = out[top], out[bottom - 1]
    return out
