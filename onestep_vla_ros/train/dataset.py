# SPDX-License-Identifier: Apache-2.0
"""Demonstrations as arrays: read, checked, concatenated once and mapped into memory.

Every process maps the same files, so the frames are in memory once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import DatasetError, ObservationError, raise_all
from onestep_vla_ros.core.joints import DOF
from onestep_vla_ros.core.observation import CameraSpec, check_instruction
from onestep_vla_ros.train.dataset_meta import DO, FORMAT, DatasetMeta, read_meta
from onestep_vla_ros.train.keyframe import next_keyframes

CACHE = ".cache"
CACHE_LAYOUT = 2
"""Changes whenever the cached arrays do."""
MAX_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Dataset:
    """All frames of all episodes, in order.

    Attributes:
        meta: What meta.json says.
        images: Camera name to (N, h, w, 3) uint8, memory-mapped.
        q: Measured positions, (N, D) float32 [rad, gripper 0..1].
        action: Absolute clean chunks, (N, H, D) float32.
        keyframe: Where the present movement ends, (N, D) float32.
        episode: Which episode a frame belongs to, (N,) int32.
        text: Which instruction a frame has, (N,) int32.
        instructions: The distinct instructions.
        start_q: First state of every episode, (E, D).
    """

    meta: DatasetMeta
    images: dict[str, NDArray[np.uint8]]
    q: NDArray[np.float32]
    action: NDArray[np.float32]
    keyframe: NDArray[np.float32]
    episode: NDArray[np.int32]
    text: NDArray[np.int32]
    instructions: tuple[str, ...]
    start_q: NDArray[np.float32]

    def split(self, held_out: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return frame indices for training and validation, split by episode.

        Args:
            held_out: Part of the episodes to hold out; at least one when above 0.
            seed: Which episodes.
        """
        count = len(self.start_q)
        number = min(max(1, round(held_out * count)), count - 1) if held_out > 0.0 else 0
        chosen = np.random.default_rng(seed).permutation(count)[:number]
        is_held = np.isin(self.episode, chosen)
        return np.flatnonzero(~is_held), np.flatnonzero(is_held)


@dataclass(frozen=True, slots=True)
class _Episode:
    path: Path
    q: NDArray[np.float32]
    action: NDArray[np.float32]
    keyframe: NDArray[np.float32]
    instruction: str


def open_dataset(folder: Path, horizon: int, stride: int = 1) -> Dataset:
    """Return the demonstrations in `folder` with chunks of `horizon` waypoints.

    Waypoints are `stride` plan points apart.

    The first call writes `folder`/.cache; later calls, of any process, map it.

    Raises:
        DatasetError: Lists every fault, each naming file and field.
    """
    meta = read_meta(folder)
    paths = sorted(folder.glob("episode_*.npz"))
    if not paths:
        raise DatasetError(f"{folder} holds no episode_*.npz", do=DO)
    cache = folder / CACHE / _digest(folder, paths, horizon, stride)
    if not (cache / "index.json").is_file():
        _build(cache, meta, paths, horizon, stride)
    index = json.loads((cache / "index.json").read_text(encoding="utf-8"))
    load = {
        name: np.load(cache / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("q", "action", "keyframe", "episode", "text", "start_q")
    }
    images = {
        c.name: np.load(cache / f"image_{c.name}.npy", mmap_mode="r", allow_pickle=False)
        for c in meta.stored
    }
    return Dataset(meta=meta, images=images, instructions=tuple(index["instructions"]), **load)


def _digest(folder: Path, paths: list[Path], horizon: int, stride: int) -> str:
    digest = hashlib.sha256((folder / "meta.json").read_bytes())
    digest.update(f"{FORMAT} {CACHE_LAYOUT} {horizon} {stride}".encode())
    for path in paths:
        stat = path.stat()
        digest.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns};".encode())
    return digest.hexdigest()[:16]


def _build(cache: Path, meta: DatasetMeta, paths: list[Path], horizon: int, stride: int) -> None:
    """Write the arrays of all episodes to `cache` in one move; older caches are removed."""
    faults: list[str] = []
    read = (_read_episode(p, horizon, stride, faults) for p in paths)
    episodes = [e for e in read if e is not None]
    _raise(faults)
    partial = cache.with_name(f"{cache.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    counts = [len(e.q) for e in episodes]
    instructions = sorted({e.instruction for e in episodes})
    arrays = {
        "q": np.concatenate([e.q for e in episodes]),
        "action": np.concatenate([e.action for e in episodes]),
        "keyframe": np.concatenate([e.keyframe for e in episodes]),
        "episode": np.repeat(np.arange(len(counts), dtype=np.int32), counts),
        "text": np.repeat(
            np.array([instructions.index(e.instruction) for e in episodes], np.int32), counts
        ),
        "start_q": np.stack([e.q[0] for e in episodes]),
    }
    for name, array in arrays.items():
        np.save(partial / f"{name}.npy", array, allow_pickle=False)
    _write_images(partial, meta, episodes, sum(counts), faults)
    if faults:
        shutil.rmtree(partial)
    _raise(faults)
    index = json.dumps({"instructions": instructions})
    (partial / "index.json").write_text(index, encoding="utf-8")
    for old in cache.parent.iterdir():
        if old != partial:
            shutil.rmtree(old)
    partial.rename(cache)


def _write_images(
    folder: Path, meta: DatasetMeta, episodes: list[_Episode], frames: int, faults: list[str]
) -> None:
    out = {
        c.name: np.lib.format.open_memmap(
            folder / f"image_{c.name}.npy", "w+", np.uint8, (frames, c.height, c.width, 3)
        )
        for c in meta.stored
    }
    first = 0
    for episode in episodes:
        count = len(episode.q)
        with np.load(episode.path, allow_pickle=False) as data:
            for camera in meta.stored:
                fault = _read_images(data, camera, count, out[camera.name][first : first + count])
                if fault:
                    faults.append(f"{episode.path.name}: {camera.name}: {fault}")
        first += count
    for array in out.values():
        array.flush()


def _read_images(
    data: np.lib.npyio.NpzFile, camera: CameraSpec, count: int, out: NDArray[np.uint8]
) -> str:
    if camera.name not in data:
        return "missing"
    try:
        images = data[camera.name]
    except _DAMAGE as error:
        return f"cannot be read: {error}"
    shape = (count, camera.height, camera.width, 3)
    if images.shape != shape or images.dtype != np.uint8:
        return f"got: {images.dtype} {images.shape}; allowed: uint8 {shape}"
    out[:] = images
    return ""


_DAMAGE = (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


def _read_episode(path: Path, horizon: int, stride: int, faults: list[str]) -> _Episode | None:
    """Return everything but the images, or None with its faults appended."""
    try:
        with np.load(path, allow_pickle=False) as data:
            fields = ("q", "frame", "plan", "instruction", "success")
            missing = [name for name in fields if name not in data]
            values = {name: data[name] for name in fields if name not in missing}
    except _DAMAGE as error:
        faults.append(f"{path.name}: cannot be read: {error}")
        return None
    problems = [f"{name}: missing" for name in missing]
    if not missing:
        problems = _field_faults(values)
    faults += [f"{path.name}: {problem}" for problem in problems]
    if problems:
        return None
    plan, frame = values["plan"].astype(np.float32), values["frame"].astype(np.int64)
    # The chunk of frame f is plan[f+s, f+2s .. f+Hs], the last point repeated past the end.
    rows = np.minimum(frame[:, None] + stride * np.arange(1, horizon + 1), len(plan) - 1)
    sentence = check_instruction(str(values["instruction"]))
    q = values["q"].astype(np.float32)
    return _Episode(path, q, plan[rows], next_keyframes(plan, frame), sentence)


def _field_faults(values: dict[str, NDArray[np.generic]]) -> list[str]:
    faults = []
    q, plan, frame = values["q"], values["plan"], values["frame"]
    for name, array in (("q", q), ("plan", plan)):
        is_form = array.dtype.kind == "f" and array.ndim == 2 and array.shape[1:] == (DOF,)
        if not is_form or not len(array):
            faults.append(f"{name}: got: {array.dtype} {array.shape}; allowed: float (n, {DOF})")
        elif not np.isfinite(array).all():
            faults.append(f"{name}: got: NaN or infinity; allowed: finite numbers")
    if frame.dtype.kind not in "iu" or frame.shape != q.shape[:1]:
        faults.append(f"frame: got: {frame.dtype} {frame.shape}; allowed: int, one a row of q")
    elif len(frame) and not (frame.min() >= 0 and frame.max() < len(plan)):
        faults.append(f"frame: got: {frame.min()} to {frame.max()}; allowed: 0 to {len(plan) - 1}")
    try:
        check_instruction(str(values["instruction"]))
    except ObservationError as error:
        faults.append(f"instruction: {error}")
    if not bool(values["success"].all()):
        faults.append("success: got: False; allowed: True, failed episodes teach nothing")
    return faults


def _raise(faults: list[str]) -> None:
    shown = faults[:MAX_FAULTS]
    if len(faults) > MAX_FAULTS:
        shown.append(f"and {len(faults) - MAX_FAULTS} more")
    raise_all(DatasetError, "demonstrations", shown, "delete or regenerate the files named above")
