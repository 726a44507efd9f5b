# SPDX-License-Identifier: Apache-2.0
"""Demonstrations as arrays: read from LeRobot folders, checked, and mapped into memory.

Every process maps the same files, so the frames are in memory once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ConfigError, DatasetError, raise_all
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.train.dataset_images import (
    CACHE,
    ImageRows,
    begin,
    decode_images,
    image_cache,
    load_images,
    move,
    source_digest,
)
from onestep_vla_ros.train.dataset_meta import DatasetMeta, FolderMeta, read_folder_meta
from onestep_vla_ros.train.keyframe import keyframes_of
from onestep_vla_ros.train.lerobot_layout import ACTION, MISTAKE, STATE
from onestep_vla_ros.train.lerobot_reader import Tables, read_tables

MAX_FAULTS = 40
_KEPT = 8  # arrays of how many (folders, horizon) combinations stay on disk
_ARRAYS = ("q", "action", "keyframe", "episode", "text", "task", "start_q", "identity", "rows")
"""With what a dataset's facts are called they name the cache: another version makes its own."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """All usable frames of all episodes, in order; N frames, E episodes.

    A frame is usable when none of the actions of its chunk is a mistake made on purpose.

    Attributes:
        meta: What the folders have in common.
        images: Camera name to (N, h, w, 3) uint8, memory-mapped.
        q: Measured state, (N, S) float32 [rad, gripper 0..1].
        action: Clean chunks, (N, H, D) float32; the last action repeats past the end.
        keyframe: Where the present movement ends, a state, (N, S) float32.
        episode: Which episode a frame belongs to, (N,) int32.
        text: Which instruction a frame has, (N,) int32.
        instructions: The distinct instructions.
        start_q: First state of every episode, (E, S).
        identity: A number of every episode, (E,) uint64: a digest of its motion.
        task: Which task a frame belongs to, (N,) int16.
        tasks: The distinct tasks.
    """

    meta: DatasetMeta
    images: dict[str, ImageRows]
    q: NDArray[np.float32]
    action: NDArray[np.float32]
    keyframe: NDArray[np.float32]
    episode: NDArray[np.int32]
    text: NDArray[np.int32]
    instructions: tuple[str, ...]
    start_q: NDArray[np.float32]
    identity: NDArray[np.uint64]
    task: NDArray[np.int16]
    tasks: tuple[str, ...]

    def split(self, held_out: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return frame indices for training and validation, split by episode.

        An episode's own motion decides on which side it is, so it stays there when others come
        or go: what one run held out, a run that goes on from it with more data holds out too.

        Args:
            held_out: About which part of the episodes to hold out; above 0 at least one is, and
                never the last.
            seed: Which episodes.
        """
        draws = np.array([np.random.default_rng([seed, i]).random() for i in self.identity])
        order = np.argsort(draws)
        chosen = order[: max(1, int((draws < held_out).sum()))][: len(order) - 1]
        is_held = np.isin(self.episode, chosen if held_out > 0.0 else [])
        return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def open_dataset(
    folders: Sequence[Path],
    horizon: int,
    sizes: Mapping[str, tuple[int, int]],
    frame_stride: int = 1,
) -> Dataset:
    """Return the demonstrations in LeRobot `folders` with chunks of `horizon` waypoints.

    The first call checks everything and writes .cache folders: the decoded images inside each
    folder, whatever the horizon; the rest inside the first. Later calls, of any process, map them.

    Args:
        folders: One dataset each, as `write_demos` writes them.
        horizon: Waypoints a chunk, one every recorded moment, >= 1.
        sizes: Camera to (height, width) as the model reads it [pixels].
        frame_stride: Keep every so-many-th frame of an episode, >= 1.

    Raises:
        ConfigError: A number out of range, or nothing to open.
        DatasetError: Lists every fault, each naming file and field.
    """
    for name, value in (("horizon", horizon), ("frame_stride", frame_stride)):
        if value < 1:
            raise ConfigError(f"{name} is out of range", got=value, allowed=">= 1")
    if not folders or not sizes:
        raise ConfigError("no folders or no cameras to open", got=f"{list(folders)}, {sizes}")
    sources = [source_digest(folder) for folder in folders]
    images = [
        image_cache(folder, source, sizes, frame_stride)
        for folder, source in zip(folders, sources, strict=True)
    ]
    layout = [*_ARRAYS, *(field.name for field in dataclasses.fields(DatasetMeta))]
    what = f"{layout} {horizon} {[path.name for path in images]}"
    cache = folders[0] / CACHE / f"frames_{hashlib.sha256(what.encode()).hexdigest()[:16]}"
    if not (cache / "index.json").is_file() or not all(path.is_dir() for path in images):
        _build(cache, images, folders, horizon, sizes, frame_stride)
    return _load(cache, images, sizes)


def _load(cache: Path, images: Sequence[Path], sizes: Mapping[str, tuple[int, int]]) -> Dataset:
    index = json.loads((cache / "index.json").read_text(encoding="utf-8"))
    meta = index["meta"]
    for name in ("native", "stored"):
        meta[name] = tuple(CameraSpec(**camera) for camera in meta[name])
    meta["joint_names"] = tuple(meta["joint_names"])
    arrays = {
        name: np.load(cache / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS
    }
    rows = arrays.pop("rows")
    parts = [load_images(path, list(sizes)) for path in images]
    return Dataset(
        meta=DatasetMeta(**meta),
        images={name: ImageRows([part[name] for part in parts], rows) for name in sizes},
        instructions=tuple(index["instructions"]),
        tasks=tuple(index["tasks"]),
        **arrays,
    )


def _build(
    cache: Path,
    images: Sequence[Path],
    folders: Sequence[Path],
    horizon: int,
    sizes: Mapping[str, tuple[int, int]],
    stride: int,
) -> None:
    """Check the folders and write what is missing of their caches."""
    faults: list[str] = []
    read = []
    for folder, image in zip(folders, images, strict=True):
        meta = read_folder_meta(folder, faults)
        tables = read_tables(meta, faults) if meta is not None else None
        if meta is not None and tables is not None and _has_cameras(meta, sizes, faults):
            read.append((meta, tables))
            if not image.is_dir():
                decode_images(image, meta, tables, sizes, stride, faults)
    if read:
        _check_alike([meta for meta, _ in read], sizes, faults)
    _raise(faults)
    arrays, index = _frames(read, horizon, stride)
    if not len(arrays["q"]):
        _raise([f"{folders[0]}: no frame without a mistake among its next {horizon} actions"])
    index["meta"] = _meta([meta for meta, _ in read], sizes)
    partial = begin(cache)
    for name, array in arrays.items():
        np.save(partial / f"{name}.npy", array, allow_pickle=False)
    (partial / "index.json").write_text(json.dumps(index), encoding="utf-8")
    others = sorted(cache.parent.glob("frames_*[0-9a-f]"), key=lambda path: path.stat().st_mtime)
    for old in others[: -(_KEPT - 1)]:
        shutil.rmtree(old, ignore_errors=True)
    move(partial, cache)


def _frames(
    read: Sequence[tuple[FolderMeta, Tables]], horizon: int, stride: int
) -> tuple[dict[str, NDArray[np.generic]], dict[str, object]]:
    """Return the arrays of all usable frames, and the names that their numbers stand for."""
    instructions = sorted({sentence for meta, _ in read for sentence in meta.sentences})
    tasks = list(dict.fromkeys(meta.task for meta, _ in read))
    parts: list[dict[str, NDArray[np.generic]]] = []
    episode_number = image = 0
    for meta, tables in read:
        columns = tables.columns
        for first, count in zip(tables.first, tables.length, strict=True):
            inside = slice(first, first + count)
            q, action = columns[STATE][inside], columns[ACTION][inside]
            frame = np.arange(0, count, stride)
            due = np.minimum(frame[:, None] + np.arange(horizon), count - 1)
            kept = ~columns[MISTAKE][inside][due].any(axis=1)
            text = instructions.index(meta.sentences[columns["task_index"][first]])
            number = int(kept.sum())
            parts.append(
                {
                    "q": q[frame[kept]],
                    "action": action[due[kept]],
                    "keyframe": keyframes_of(meta.robot, q, action, frame[kept]),
                    "episode": np.full(number, episode_number, np.int32),
                    "text": np.full(number, text, np.int32),
                    "task": np.full(number, tasks.index(meta.task), np.int16),
                    "start_q": q[:1],
                    "identity": np.array([_identity(q, action)], np.uint64),
                    "rows": image + np.flatnonzero(kept),
                }
            )
            episode_number, image = episode_number + 1, image + len(frame)
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in _ARRAYS}
    return arrays, {"instructions": instructions, "tasks": tasks}


def _has_cameras(
    meta: FolderMeta, sizes: Mapping[str, tuple[int, int]], faults: list[str]
) -> bool:
    there = [camera.name for camera in meta.cameras]
    missing = [name for name in sizes if name not in there]
    if missing:
        faults.append(f"{meta.folder}: cameras: got: {there}; allowed: {list(sizes)} among them")
    return not missing


def _check_alike(
    metas: Sequence[FolderMeta], sizes: Mapping[str, tuple[int, int]], faults: list[str]
) -> None:
    first = _native(metas[0], sizes)
    for meta in metas[1:]:
        if meta.robot != metas[0].robot:
            faults.append(
                f"{meta.folder}: robot: got: {meta.robot.name}; allowed: {metas[0].robot.name}"
            )
        native = _native(meta, sizes)
        if native != first:
            faults.append(f"{meta.folder}: cameras: got: {native}; allowed: {first}")


def _native(meta: FolderMeta, sizes: Mapping[str, tuple[int, int]]) -> list[CameraSpec]:
    by_name = {camera.name: camera for camera in meta.cameras}
    return [by_name[name] for name in sizes]


def _identity(q: NDArray[np.float32], action: NDArray[np.float32]) -> int:
    """Return a number that is another one for every motion."""
    digest = hashlib.sha256(q.tobytes() + action.tobytes()).digest()
    return int.from_bytes(digest[:8], "little")


def _meta(metas: Sequence[FolderMeta], sizes: Mapping[str, tuple[int, int]]) -> dict[str, object]:
    return dataclasses.asdict(
        DatasetMeta(
            task=" + ".join(dict.fromkeys(meta.task for meta in metas)),
            period_s=1.0 / metas[0].robot.rate_hz,
            native=tuple(_native(metas[0], sizes)),
            stored=tuple(CameraSpec(name, *size) for name, size in sizes.items()),
            state=metas[0].state,
            expert=" + ".join(dict.fromkeys(meta.expert for meta in metas)),
            joint_names=metas[0].robot.action_names,
        )
    )


def _raise(faults: list[str]) -> None:
    shown = faults[:MAX_FAULTS]
    if len(faults) > MAX_FAULTS:
        shown.append(f"and {len(faults) - MAX_FAULTS} more")
    raise_all(DatasetError, "demonstrations", shown, "repair or regenerate what is named above")
