# SPDX-License-Identifier: Apache-2.0
"""The condition tokens of a dataset, encoded once by a frozen encoder and mapped into memory.

Without them a run on a frozen encoder spends most of its time on what never changes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tqdm
from numpy.typing import NDArray

from onestep_vla_ros.policy.encoder import Context
from onestep_vla_ros.policy.model import OneStepModel
from onestep_vla_ros.train.batches import Batches
from onestep_vla_ros.train.dataset_images import CACHE, begin, move, source_digest

CHUNK = 128
"""Frames a forward pass."""
_LAYOUT = 1
_KEPT = 2  # of how many encoders the tokens stay on disk: each takes some 10 KB a frame
_NAMES = ("tokens", "mask")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a frozen encoder says of every frame.

    Attributes:
        tokens: (N, T, W), the bits of bfloat16 as int16, or float32.
        mask: (N, T) bool, False on padding.
    """

    tokens: NDArray[np.int16] | NDArray[np.float32]
    mask: NDArray[np.bool_]

    def read(self, indices: NDArray[np.int64], device: str) -> Context:
        """Return the tokens of some frames; columns that are padding everywhere are left out."""
        mask = self.mask[indices]
        used = np.flatnonzero(mask.any(0))
        tokens = torch.from_numpy(self.tokens[indices][:, used])
        if tokens.dtype == torch.int16:
            tokens = tokens.view(torch.bfloat16)
        kept = torch.from_numpy(mask[:, used]).to(device)
        return Context(tokens.to(device).float(), None if bool(kept.all()) else kept)


def open_tokens(
    model: OneStepModel, batches: Batches, folders: list[Path], count: int, precision: str
) -> Tokens:
    """Return the tokens of all frames; the first call encodes them and writes a .cache folder.

    Args:
        model: Its encoder is frozen; it must be the same in every process.
        batches: Reads the frames.
        folders: Where the demonstrations came from; the cache lies in the first.
        count: Frames N.
        precision: Arithmetic of the run; "bf16" stores what autocast would round to anyway.
    """
    digest = hashlib.sha256()
    for name, value in sorted(model.encoder.state_dict().items()):
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    what = [_LAYOUT, precision, count, [source_digest(folder) for folder in folders]]
    digest.update(json.dumps([*what, batches.fingerprint()]).encode())
    cache = folders[0] / CACHE / f"tokens_{digest.hexdigest()[:16]}"
    if not cache.is_dir():
        _write(cache, model, batches, count, precision)
    return Tokens(
        *(np.load(cache / f"{n}.npy", mmap_mode="r", allow_pickle=False) for n in _NAMES)
    )


def _write(cache: Path, model: OneStepModel, batches: Batches, count: int, precision: str) -> None:
    others = sorted(cache.parent.glob("tokens_*[0-9a-f]"), key=lambda path: path.stat().st_mtime)
    for old in others[: -(_KEPT - 1)]:
        shutil.rmtree(old, ignore_errors=True)
    partial = begin(cache)
    is_half = precision == "bf16"
    arrays: dict[str, NDArray[np.generic]] = {}
    with torch.inference_mode(), torch.autocast(batches.device, torch.bfloat16, enabled=is_half):
        for first in tqdm.trange(0, count, CHUNK, desc="encode", unit="batch", disable=None):
            inside = np.arange(first, min(first + CHUNK, count))
            batch = batches.read(inside, is_padded=True)
            context = model.encode(batch.images, batch.text, batch.state)
            tokens, mask = context.tokens, context.mask
            if mask is None:
                mask = torch.ones(tokens.shape[:2], dtype=torch.bool)
            kept = tokens.bfloat16().view(torch.int16) if is_half else tokens.float()
            for name, value in zip(_NAMES, (kept.cpu().numpy(), mask.cpu().numpy()), strict=True):
                if name not in arrays:
                    shape = (count, *value.shape[1:])
                    arrays[name] = np.lib.format.open_memmap(
                        partial / f"{name}.npy", "w+", value.dtype, shape
                    )
                arrays[name][inside] = value
    for array in arrays.values():
        array.flush()  # type: ignore[attr-defined]
    move(partial, cache)
