# SPDX-License-Identifier: Apache-2.0
"""What each seed gave, kept beside the dataset, so that a run can go on where it stopped."""

from __future__ import annotations

import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import DatasetError
from onestep_vla_ros.core.joints import DOF
from onestep_vla_ros.train.lerobot_layout import part_of

FOLDER = ".attempts"
REQUEST = f"{FOLDER}/request.json"
_DAMAGE = (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)
_PIXELS = "pixels_"


@dataclass(frozen=True, slots=True)
class Attempt:
    """The frames of one seed; none when the expert failed.

    Attributes:
        number: Running number of the attempt; its videos carry it too.
        seed: Seed of the scene.
        instruction: What was asked.
        success: Did the expert do it?
        state: Measured positions, (N, 14) float32 [rad, gripper 0..1].
        action: Targets due one frame later, (N, 14) float32.
        is_mistake: Is that target wrong on purpose? (N,).
        pixels: Camera name to the histogram of its images, (3, 256) int64.
    """

    number: int
    seed: int
    instruction: str
    success: bool
    state: NDArray[np.float32]
    action: NDArray[np.float32]
    is_mistake: NDArray[np.bool_]
    pixels: dict[str, NDArray[np.int64]]


def failed_attempt(number: int, seed: int, instruction: str) -> Attempt:
    """Return what is kept of a seed the expert did not solve."""
    nothing = np.zeros((0, DOF), np.float32)
    return Attempt(
        number, seed, instruction, False, nothing, nothing, np.zeros(0, np.bool_), pixels={}
    )


def is_done(folder: Path, number: int) -> bool:
    """Is this attempt on disk, whole?"""
    return _path(folder, number).is_file()


def save_attempt(folder: Path, attempt: Attempt) -> None:
    """Write an attempt under `folder`/.attempts in one move; its videos must be there before."""
    path = _path(folder, attempt.number)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    with part.open("wb") as file:
        arrays: dict[str, Any] = {
            "seed": np.array(attempt.seed),
            "instruction": np.array(attempt.instruction),
            "success": np.array(attempt.success),
            "state": attempt.state,
            "action": attempt.action,
            "is_mistake": attempt.is_mistake,
            **{_PIXELS + name: counts for name, counts in attempt.pixels.items()},
        }
        np.savez(file, **arrays)
    os.replace(part, path)


def load_attempt(folder: Path, number: int) -> Attempt:
    """Return an attempt from disk.

    Raises:
        DatasetError: Its file is damaged.
    """
    path = _path(folder, number)
    try:
        with np.load(path, allow_pickle=False) as data:
            return Attempt(
                number=number,
                seed=int(data["seed"]),
                instruction=str(data["instruction"]),
                success=bool(data["success"]),
                state=data["state"],
                action=data["action"],
                is_mistake=data["is_mistake"],
                pixels={
                    name.removeprefix(_PIXELS): data[name]
                    for name in data
                    if name.startswith(_PIXELS)
                },
            )
    except _DAMAGE as error:
        raise DatasetError(
            f"{path} is damaged", got=str(error), do="delete it and run the same command again"
        ) from None


def _path(folder: Path, number: int) -> Path:
    return folder / FOLDER / f"attempt_{number:06d}.npz"
