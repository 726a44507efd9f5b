# SPDX-License-Identifier: Apache-2.0
"""The tables of a LeRobot dataset of ours, checked against each other row by row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import DatasetError
from onestep_vla_ros.train.dataset_meta import FolderMeta
from onestep_vla_ros.train.lerobot_layout import (
    ACTION,
    DATA_FOLDER,
    DATA_PATH,
    EPISODES_FOLDER,
    INDICES,
    INFO,
    MISTAKE,
    STATE,
    STATS,
    VIDEO_PATH,
    video_key,
)
from onestep_vla_ros.train.lerobot_stats import NAMES, Stats, of_numbers
from onestep_vla_ros.train.lerobot_tables import column, read_table

_TYPES = {MISTAKE: ("bool", 0), "timestamp": ("float", 0)}
_TYPES |= {name: ("int64", 0) for name in INDICES}
_NUMBER_TOLERANCE, _PIXEL_TOLERANCE, _PIXEL_RANK_TOLERANCE = 1e-6, 0.005, 0.03
"""Of statistics: of numbers; of means of pixels, since decoders differ; of single pixels."""

Column = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames of one episode in one video.

    Attributes:
        path: The video, below the folder.
        start: Its first frame in the video.
        first: That frame's number in the dataset.
        count: How many.
    """

    path: str
    start: int
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Tables:
    """All frames of a folder.

    Attributes:
        columns: Feature to (N,) or (N, D).
        first: Number of each episode's first frame, (E,).
        length: Frames of each episode, (E,).
        seed: Seed of each episode, (E,).
        clips: Camera name to where each episode's images are.
    """

    columns: dict[str, Column]
    first: NDArray[np.int64]
    length: NDArray[np.int64]
    seed: NDArray[np.int64]
    clips: dict[str, list[Clip]]


def read_tables(meta: FolderMeta, faults: list[str]) -> Tables | None:
    """Return the tables of a folder, or None when its videos cannot even be looked for.

    With faults, which are appended, `columns` may be empty.
    """
    before = len(faults)
    episodes = _read_files(meta.folder, EPISODES_FOLDER, _episode_types(meta), faults)
    if episodes is None:
        return None
    length, path = episodes["length"], meta.folder / EPISODES_FOLDER
    first = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    for name, got, allowed in (
        ("episode_index", episodes["episode_index"], np.arange(len(length))),
        ("dataset_from_index", episodes["dataset_from_index"], first[:-1]),
        ("dataset_to_index", episodes["dataset_to_index"], first[1:]),
    ):
        _compare(f"{path}: {name}", got, allowed, faults)
    for name, count, stated in (
        ("total_episodes", len(length), meta.episodes),
        ("total_frames", int(first[-1]), meta.frames),
    ):
        if count != stated:
            faults.append(f"{meta.folder / INFO}: {name}: got: {stated}; allowed: {count}")
    columns = _read_data(meta, episodes, first, faults)
    if len(faults) == before:
        check_stats(meta.folder, {k: of_numbers(v) for k, v in columns.items()}, faults)
    clips = {c.name: _clips(meta, c.name, episodes, first) for c in meta.cameras}
    return Tables(columns, first[:-1], length, episodes["seed"], clips)


def check_stats(folder: Path, held: dict[str, Stats], faults: list[str]) -> None:
    """Compare stats.json with the statistics of what the files hold, feature by feature."""
    path = folder / STATS
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(stated, dict):
            raise ValueError("no mapping")  # noqa: TRY301 - one way out for every damage
    except (OSError, ValueError) as error:
        faults.append(f"{path}: cannot be read; got: {error}; allowed: JSON")
        return
    for feature, stats in held.items():
        entry = stated.get(feature)
        if not isinstance(entry, dict):
            faults.append(f"{path}: {feature}: missing")
            continue
        for name in NAMES:
            fault = _stat_fault(name, entry.get(name), stats[name])
            if fault:
                faults.append(f"{path}: {feature}.{name}: {fault}")


def _stat_fault(name: str, stated: object, held: NDArray[np.float64]) -> str:
    try:
        values = np.array(stated, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.zeros(0)
    if values.shape != held.shape:
        return f"got: shape {values.shape}; allowed: {held.shape}"
    tolerance = _NUMBER_TOLERANCE * (1.0 + np.abs(held))
    if held.ndim == 3:
        tolerance += _PIXEL_TOLERANCE if name in ("mean", "std") else _PIXEL_RANK_TOLERANCE
    is_off = ~(np.abs(values - held) <= tolerance)
    if not is_off.any():
        return ""
    k = int(np.flatnonzero(is_off)[0])
    return f"got: {values.flat[k]:.8g} at {k}; the data holds: {held.flat[k]:.8g}"


def _episode_types(meta: FolderMeta) -> dict[str, tuple[str, int]]:
    types = {"episode_index": ("int64", 0), "length": ("int64", 0), "seed": ("int64", 0)}
    types |= {name: ("int64", 0) for name in ("dataset_from_index", "dataset_to_index")}
    places = [DATA_FOLDER, *(f"videos/{video_key(c.name)}" for c in meta.cameras)]
    for place in places:
        types |= {f"{place}/{part}_index": ("int64", 0) for part in ("chunk", "file")}
    return types | {f"{place}/from_timestamp": ("double", 0) for place in places[1:]}


def _read_files(
    folder: Path, below: str, types: dict[str, tuple[str, int]], faults: list[str]
) -> dict[str, Column] | None:
    """Return the columns of all parquet files below a folder, or None with faults appended."""
    paths = sorted((folder / below).glob("*/*.parquet"))
    if not paths:
        faults.append(f"{folder / below}: missing; allowed: chunk-000/file-000.parquet …")
        return None
    parts = [_read_file(path, types, faults) for path in paths]
    whole = [part for part in parts if part is not None]
    if len(whole) < len(parts):
        return None
    return {name: np.concatenate([part[name] for part in whole]) for name in types}


def _read_file(
    path: Path, types: dict[str, tuple[str, int]], faults: list[str]
) -> dict[str, Column] | None:
    before, columns = len(faults), {}
    try:
        table = read_table(path)
    except DatasetError as error:
        faults.append(f"{path}: {error}")
        return None
    for name, (dtype, width) in types.items():
        try:
            columns[name] = column(table, name, dtype, width)
        except DatasetError as error:
            faults.append(f"{path}: {error}")
            continue
        if dtype == "float" and not np.isfinite(columns[name]).all():
            bad = ~np.isfinite(columns[name].reshape(len(columns[name]), -1)).all(axis=1)
            row = int(np.flatnonzero(bad)[0])
            faults.append(f"{path}: {name}: got: NaN or infinity in row {row}; allowed: numbers")
    return columns if len(faults) == before else None


def _read_data(
    meta: FolderMeta, episodes: dict[str, Column], first: NDArray[np.int64], faults: list[str]
) -> dict[str, Column]:
    """Return all frames in order, or nothing when a file is damaged."""
    places = list(zip(episodes["data/chunk_index"], episodes["data/file_index"], strict=True))
    names = [DATA_PATH.format(chunk_index=c, file_index=f) for c, f in places]
    there = {p.relative_to(meta.folder).as_posix() for p in meta.folder.glob("data/*/*.parquet")}
    for name in sorted(there - set(names)):
        faults.append(f"{meta.folder / name}: got: a file that no episode names; allowed: none")
    robot, parts = meta.robot, []
    numbers = {STATE: len(robot.state_names), ACTION: len(robot.action_names)}
    types = {name: ("float", count) for name, count in numbers.items()} | _TYPES
    for name in sorted(set(names)):
        path, inside = meta.folder / name, np.flatnonzero(np.array(names) == name)
        part = _read_file(path, types, faults)
        if part is not None:
            _check_rows(path, part, inside, first, meta, faults)
        parts.append(part)
    whole = [part for part in parts if part is not None]
    if len(whole) < len(parts):
        return {}
    return {name: np.concatenate([part[name] for part in whole]) for name in types}


def _check_rows(
    path: Path,
    part: dict[str, Column],
    inside: NDArray[np.int64],
    first: NDArray[np.int64],
    meta: FolderMeta,
    faults: list[str],
) -> None:
    """Check that a data file holds the frames of the episodes `inside`, one after the other."""
    length = np.diff(first)[inside]
    rows = int(length.sum())
    if len(part["index"]) != rows:
        faults.append(f"{path}: rows: got: {len(part['index'])}; allowed: {rows}")
        return
    frame = np.concatenate([np.arange(count) for count in length])
    for name, allowed in (
        ("frame_index", frame),
        ("episode_index", np.repeat(inside, length)),
        ("index", np.repeat(first[:-1][inside], length) + frame),
    ):
        _compare(f"{path}: {name}", part[name], allowed, faults)
    due_s, tasks = frame / meta.robot.rate_hz, len(meta.sentences)
    is_late = np.abs(part["timestamp"] - due_s) > 1e-4
    if is_late.any():
        row = int(np.flatnonzero(is_late)[0])
        faults.append(
            f"{path}: timestamp: got: {part['timestamp'][row]} in row {row}; "
            f"allowed: {due_s[row]} (frame_index / fps)"
        )
    is_known = (part["task_index"] >= 0) & (part["task_index"] < tasks)
    if not is_known.all():
        got = part["task_index"][~is_known][0]
        faults.append(f"{path}: task_index: got: {got}; allowed: 0 to {tasks - 1}")


def _compare(where: str, got: Column, allowed: Column, faults: list[str]) -> None:
    differs = got != allowed
    if differs.any():
        row = int(np.flatnonzero(differs)[0])
        faults.append(f"{where}: got: {got[row]} in row {row}; allowed: {allowed[row]}")


def _clips(
    meta: FolderMeta, camera: str, episodes: dict[str, Column], first: NDArray[np.int64]
) -> list[Clip]:
    key = video_key(camera)
    return [
        Clip(
            VIDEO_PATH.format(video_key=key, chunk_index=chunk, file_index=file),
            round(float(start_s) * meta.robot.rate_hz),
            int(first[k]),
            int(episodes["length"][k]),
        )
        for k, (chunk, file, start_s) in enumerate(
            zip(
                episodes[f"videos/{key}/chunk_index"],
                episodes[f"videos/{key}/file_index"],
                episodes[f"videos/{key}/from_timestamp"],
                strict=True,
            )
        )
    ]
