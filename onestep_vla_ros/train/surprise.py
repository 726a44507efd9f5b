# SPDX-License-Identifier: Apache-2.0
"""How often a frame is drawn: more often where the state alone does not foretell the chunk.

While a movement runs, the joint state tells most of what follows, and nearly all frames are of
that kind; the few at which the arms must look before they move (1 % of ours are starts at home)
would be drowned. Neighbours in state space, from other episodes, show which is which.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from onestep_vla_ros.policy.normalizer import Normalizer
from onestep_vla_ros.train.dataset import Dataset

NEIGHBOURS = 8
ASKED = 48
"""Neighbours looked up, before those of the same episode are left out."""
_KEPT = 24  # files of a few hundred KB
PART = 512
"""Frames looked at together, which bounds the memory."""


def surprise(
    dataset: Dataset, frames: NDArray[np.int64], normalizer: Normalizer, cache: Path
) -> NDArray[np.float64]:
    """Return the squared error of guessing each frame's chunk from its state's neighbours.

    Args:
        dataset: Frames.
        frames: The frames that count and are each other's neighbours, (n,). Those of one
            task: which task it is the sentence says, so a frame of another task that happens
            to have the same state surprises nobody who can read.
        normalizer: Scales states and chunks.
        cache: Folder where the errors are kept, so that runs that ask alike compute them once.

    Returns:
        (n,) mean squared error a dimension, in normalised units.
    """
    q = torch.from_numpy(dataset.q[frames])
    state = normalizer.encode_state(q).numpy()
    chunk = normalizer.encode_action(torch.from_numpy(dataset.action[frames]), q).numpy()
    chunk = chunk.reshape(len(frames), -1)
    episode = dataset.episode[frames]
    digest = hashlib.sha256(state.tobytes() + chunk.tobytes() + episode.tobytes()).hexdigest()
    file = cache / f"surprise_{digest[:16]}.npy"
    if file.is_file():
        return np.asarray(np.load(file, allow_pickle=False))
    error = _neighbours_error(state, chunk, episode)
    _keep(file, error)
    return error


def _keep(file: Path, error: NDArray[np.float64]) -> None:
    others = sorted(file.parent.glob("surprise_*.npy"), key=lambda path: path.stat().st_mtime)
    for old in others[: -(_KEPT - 1)]:
        old.unlink(missing_ok=True)
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial.npy")
    np.save(partial, error, allow_pickle=False)
    os.replace(partial, file)


def _neighbours_error(
    state: NDArray[np.float32], chunk: NDArray[np.float32], episode: NDArray[np.int32]
) -> NDArray[np.float64]:
    frames = len(state)
    near = cKDTree(state).query(state, k=min(ASKED, frames))[1].reshape(frames, -1)
    error = np.zeros(frames)
    for first in range(0, frames, PART):
        part = slice(first, first + PART)
        is_other = episode[near[part]] != episode[part, None]  # (p, k), nearest first
        weight = is_other & (np.cumsum(is_other, axis=1) <= NEIGHBOURS)
        count = weight.sum(axis=1)
        guess = np.einsum("pk,pkc->pc", weight.astype(np.float32), chunk[near[part]])
        guess /= np.maximum(count, 1)[:, None]
        error[part] = np.where(count > 0, np.square(chunk[part] - guess).mean(axis=1), 0.0)
    return error


def repeats(error: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Return how often each frame stands in an epoch, 1 to `most`, in step with its surprise.

    Args:
        error: From `surprise`, (n,).
        most: Largest repeat; 1 draws all alike.
    """
    typical = max(float(np.median(error)), 1e-9)
    chosen: NDArray[np.int64] = np.clip(np.round(error / typical), 1, most).astype(np.int64)
    return chosen
