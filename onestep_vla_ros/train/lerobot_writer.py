# SPDX-License-Identifier: Apache-2.0
"""Makes a LeRobot dataset v3.0 of the attempts that succeeded."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.embodiment import BIMANUAL_YAM, Embodiment
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.train.attempts import Attempt, load_attempt
from onestep_vla_ros.train.lerobot_layout import (
    ACTION,
    CODEBASE_VERSION,
    DATA_FOLDER,
    DATA_PATH,
    EPISODES_FOLDER,
    EPISODES_PATH,
    FILES_A_FOLDER,
    FORMAT,
    INFO,
    MISTAKE,
    OWN,
    STATE,
    STATS,
    TASKS,
    VIDEO_PATH,
    chunk_and_file,
    features,
    numbered,
    part_of,
    video_key,
)
from onestep_vla_ros.train.lerobot_stats import Stats, of_numbers, of_pixels
from onestep_vla_ros.train.lerobot_tables import data_table, rows_table, tasks_table

EPISODES_A_FILE = 100

Columns = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """What holds for every episode of a dataset.

    Attributes:
        task: Name of the task.
        seed: Seed of attempt 0.
        cameras: The cameras and their native sizes.
        expert: Who demonstrated.
        state: Which state was recorded: "measured".
        robot: Whose demonstrations they are.
        packages: Whose versions are noted, beside numpy's.
    """

    task: str
    seed: int
    cameras: tuple[CameraSpec, ...]
    expert: str
    state: str
    robot: Embodiment = BIMANUAL_YAM
    packages: tuple[str, ...] = ("mujoco", "dreamscale-i2rt")


def assemble(folder: Path, facts: DatasetFacts, attempts: int) -> tuple[int, int]:
    """Make `folder` the dataset of its first `attempts` attempts; return (episodes, frames).

    info.json goes first and comes back last, so a dataset is whole or is none; files that
    would not change are left alone. Without one success nothing is written.
    """
    found = [load_attempt(folder, number) for number in range(attempts)]
    episodes = [attempt for attempt in found if attempt.success]
    if not episodes:
        return 0, 0
    sentences = sorted({episode.instruction for episode in episodes})
    firsts = accumulate((len(episode.state) for episode in episodes), initial=0)
    columns = [
        _columns(episode, k, first, sentences, facts.robot.rate_hz)
        for k, (episode, first) in enumerate(zip(episodes, firsts, strict=False))
    ]
    files = _data_files(columns)
    files |= _episode_files(episodes, columns, facts)
    files[TASKS] = tasks_table(sentences)
    whole = {name: np.concatenate([table[name] for table in columns]) for name in columns[0]}
    stats = {name: of_numbers(values) for name, values in whole.items()}
    for camera in facts.cameras:
        pixels = np.sum([episode.pixels[camera.name] for episode in episodes], axis=0)
        stats[video_key(camera.name)] = of_pixels(pixels, len(whole["index"]))
    files[STATS] = _json({name: _plain(values) for name, values in stats.items()})
    files[OWN] = _json(_own(facts, found))
    files[INFO] = _json(_info(facts, len(episodes), len(whole["index"]), len(sentences)))
    _publish(folder, files)
    return len(episodes), len(whole["index"])


def replace_file(path: Path, content: bytes) -> None:
    """Write a file in one move, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    part.write_bytes(content)
    os.replace(part, path)


def _columns(
    episode: Attempt, k: int, first: int, sentences: Sequence[str], rate_hz: int
) -> Columns:
    """Return the columns of the k-th episode, whose first frame is the dataset's `first`."""
    count = len(episode.state)
    frame = np.arange(count, dtype=np.int64)
    return {
        STATE: episode.state,
        ACTION: episode.action,
        MISTAKE: episode.is_mistake,
        "timestamp": (frame / rate_hz).astype(np.float32),
        "frame_index": frame,
        "episode_index": np.full(count, k, np.int64),
        "index": first + frame,
        "task_index": np.full(count, sentences.index(episode.instruction), np.int64),
    }


def _data_files(columns: Sequence[Columns]) -> dict[str, bytes]:
    files = {}
    for first in range(0, len(columns), EPISODES_A_FILE):
        block = columns[first : first + EPISODES_A_FILE]
        table = {name: np.concatenate([c[name] for c in block]) for name in block[0]}
        files[numbered(DATA_PATH, first // EPISODES_A_FILE)] = data_table(table)
    return files


def _episode_files(
    episodes: Sequence[Attempt], columns: Sequence[Columns], facts: DatasetFacts
) -> dict[str, bytes]:
    rows = []
    for k, (episode, table) in enumerate(zip(episodes, columns, strict=True)):
        first, count = int(table["index"][0]), len(table["index"])
        data_chunk, data_file = chunk_and_file(k // EPISODES_A_FILE)
        video_chunk, video_file = chunk_and_file(episode.number)
        row: dict[str, object] = {
            "episode_index": k,
            "tasks": [episode.instruction],
            "length": count,
            "dataset_from_index": first,
            "dataset_to_index": first + count,
            "data/chunk_index": data_chunk,
            "data/file_index": data_file,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
            "seed": episode.seed,
        }
        stats = {name: of_numbers(values) for name, values in table.items()}
        for camera in facts.cameras:
            key = video_key(camera.name)
            row[f"videos/{key}/chunk_index"] = video_chunk
            row[f"videos/{key}/file_index"] = video_file
            row[f"videos/{key}/from_timestamp"] = 0.0
            row[f"videos/{key}/to_timestamp"] = count / facts.robot.rate_hz
            stats[key] = of_pixels(episode.pixels[camera.name], count)
        for name, values in stats.items():
            row |= {f"stats/{name}/{kind}": value for kind, value in _plain(values).items()}
        rows.append(row)
    return {numbered(EPISODES_PATH, 0): rows_table(rows)}


def _info(facts: DatasetFacts, episodes: int, frames: int, tasks: int) -> dict[str, object]:
    return {
        "codebase_version": CODEBASE_VERSION,
        "robot_type": facts.robot.robot_type,
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": FILES_A_FOLDER,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": facts.robot.rate_hz,
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH,
        "features": features(facts.cameras, facts.robot),
    }


def _own(facts: DatasetFacts, attempts: Sequence[Attempt]) -> dict[str, object]:
    return {
        "format": FORMAT,
        "task": facts.task,
        "expert": facts.expert,
        "state": facts.state,
        "joint_names": list(facts.robot.action_names),
        "first_seed": facts.seed,
        "seeds": [a.seed for a in attempts if a.success],
        "failed_seeds": [a.seed for a in attempts if not a.success],
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", *facts.packages)},
        },
    }


def _plain(stats: Stats) -> dict[str, object]:
    return {
        name: [int(values[0])] if name == "count" else values.tolist()
        for name, values in stats.items()
    }


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()


def _publish(folder: Path, files: dict[str, bytes]) -> None:
    """Bring the files of a dataset to this content; an interruption leaves no info.json."""
    there = {
        path.relative_to(folder).as_posix()
        for part in (DATA_FOLDER, EPISODES_FOLDER)
        for path in (folder / part).rglob("*")
        if path.is_file()
    }
    changed = {
        name: content for name, content in files.items() if _differs(folder / name, content)
    }
    stale = there - set(files)
    if not changed and not stale:
        return
    (folder / INFO).unlink(missing_ok=True)
    for name in stale:
        (folder / name).unlink()
    for name, content in changed.items():
        if name != INFO:
            replace_file(folder / name, content)
    replace_file(folder / INFO, files[INFO])


def _differs(path: Path, content: bytes) -> bool:
    return not path.is_file() or path.read_bytes() != content
