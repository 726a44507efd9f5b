# SPDX-License-Identifier: Apache-2.0
"""The meta folder of a LeRobot dataset of ours: what every episode has in common."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from onestep_vla_ros.core.embodiment import BIMANUAL_YAM, EMBODIMENTS, Embodiment, known_by
from onestep_vla_ros.core.errors import DatasetError, ObservationError
from onestep_vla_ros.core.observation import CameraSpec, check_instruction
from onestep_vla_ros.train.lerobot_layout import (
    ACTION,
    CODEBASE_VERSION,
    DATA_PATH,
    FORMAT,
    INFO,
    OWN,
    STATE,
    TASKS,
    VIDEO_PATH,
    features,
    video_key,
)
from onestep_vla_ros.train.lerobot_tables import column, read_table

DO = "generate the demonstrations again with onestep-vla demos"
_IMAGES = video_key("")


@dataclass(frozen=True, slots=True)
class DatasetMeta:
    """What the folders of a dataset have in common.

    Attributes:
        task: Names of the tasks, joined by " + ".
        period_s: Time between recorded moments, which is that between waypoints [s].
        native: Cameras as the driver publishes them.
        stored: Cameras as the model reads them.
        state: "measured".
        expert: Who demonstrated.
        joint_names: What is commanded, as in a contract.
    """

    task: str
    period_s: float
    native: tuple[CameraSpec, ...]
    stored: tuple[CameraSpec, ...]
    state: str
    expert: str
    joint_names: tuple[str, ...] = BIMANUAL_YAM.action_names

    @property
    def robot(self) -> Embodiment:
        """The robot that has these joints; folders with others were refused."""
        return known_by(self.joint_names) or BIMANUAL_YAM


@dataclass(frozen=True, slots=True)
class FolderMeta:
    """What one folder's info.json, onestep.json and tasks.parquet say.

    Attributes:
        cameras: The cameras of the videos, at their native sizes.
        sentences: The instruction of every task_index.
        episodes: How many there should be.
        frames: How many there should be.
        robot: Whose demonstrations they are.
    """

    folder: Path
    task: str
    expert: str
    state: str
    cameras: tuple[CameraSpec, ...]
    sentences: tuple[str, ...]
    episodes: int
    frames: int
    robot: Embodiment


def read_folder_meta(folder: Path, faults: list[str]) -> FolderMeta | None:
    """Return what the folder says of itself, or None when nothing more can be read.

    Args:
        folder: A dataset.
        faults: Gets a line for everything that is wrong, naming file and field.
    """
    if not (folder / INFO).is_file() and _is_older(folder):
        faults.append(
            f"{folder}: got: episodes as npz, a format of before; allowed: a LeRobot dataset "
            f"{CODEBASE_VERSION}, as onestep-vla demos writes it now"
        )
        return None
    info = _read_json(folder / INFO, faults)
    own = _read_json(folder / OWN, faults) or {}
    if info is None:
        return None
    robot = _robot(folder / OWN, own, faults)
    cameras = _check_info(folder / INFO, info, robot, faults)
    if own:
        for key, allowed in (("format", FORMAT), ("state", "measured")):
            _expect(folder / OWN, key, own.get(key), allowed, faults)
        for key in ("task", "expert"):
            if not isinstance(own.get(key), str):
                faults.append(f"{folder / OWN}: {key}: got: {own.get(key)!r}; allowed: a name")
    counts = [info.get(key) for key in ("total_episodes", "total_frames")]
    for key, count in zip(("total_episodes", "total_frames"), counts, strict=True):
        if type(count) is not int:
            faults.append(f"{folder / INFO}: {key}: got: {count!r}; allowed: a whole number")
    if cameras is None:
        return None
    return FolderMeta(
        folder=folder,
        task=str(own.get("task")),
        expert=str(own.get("expert")),
        state=str(own.get("state")),
        cameras=cameras,
        sentences=_read_sentences(folder / TASKS, faults),
        episodes=counts[0] if isinstance(counts[0], int) else -1,
        frames=counts[1] if isinstance(counts[1], int) else -1,
        robot=robot,
    )


def _robot(path: Path, own: dict[str, object], faults: list[str]) -> Embodiment:
    """Return whose demonstrations they are; the YAM's with a fault where that cannot be told."""
    names = own.get("joint_names")
    found = known_by(names) if isinstance(names, list) else None
    if own and found is None:
        allowed = " or ".join(str(list(e.action_names)) for e in EMBODIMENTS)
        faults.append(f"{path}: joint_names: got: {names!r}; allowed: {allowed}")
    return found or BIMANUAL_YAM


def _is_older(folder: Path) -> bool:
    return (folder / "meta.json").is_file() or any(folder.glob("episode_*.npz"))


def _read_json(path: Path, faults: list[str]) -> dict[str, object] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        faults.append(
            f"{path}: missing; an interrupted onestep-vla demos leaves none: run it again"
        )
        return None
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        faults.append(f"{path}: cannot be read; got: {error}; allowed: JSON")
        return None
    if not isinstance(data, dict):
        faults.append(f"{path}: got: {type(data).__name__}; allowed: a mapping")
        return None
    return data


def _expect(path: Path, key: str, got: object, allowed: object, faults: list[str]) -> None:
    if got != allowed:
        faults.append(f"{path}: {key}: got: {got!r}; allowed: {allowed!r}")


def _check_info(
    path: Path, info: dict[str, object], robot: Embodiment, faults: list[str]
) -> tuple[CameraSpec, ...] | None:
    """Check versions, rate and features; return the cameras, or None when they cannot be told."""
    for key, allowed in (
        ("codebase_version", CODEBASE_VERSION),
        ("fps", robot.rate_hz),
        ("data_path", DATA_PATH),
        ("video_path", VIDEO_PATH),
    ):
        _expect(path, key, info.get(key), allowed, faults)
    found = info.get("features")
    if not isinstance(found, dict):
        faults.append(f"{path}: features: got: {found!r}; allowed: a mapping")
        return None
    for name, wanted in features((), robot).items():
        entry = found.get(name)
        if not isinstance(entry, dict):
            faults.append(f"{path}: features.{name}: got: {entry!r}; allowed: {wanted}")
            continue
        for key in ("dtype", "shape", "names") if name in (STATE, ACTION) else ("dtype", "shape"):
            _expect(path, f"features.{name}.{key}", entry.get(key), wanted[key], faults)
    cameras = []
    for key in (key for key in found if key.startswith(_IMAGES)):
        shape = found[key].get("shape") if isinstance(found[key], dict) else None
        match shape:
            case [int(height), int(width), 3] if height > 0 and width > 0:
                cameras.append(CameraSpec(key.removeprefix(_IMAGES), height, width))
            case _:
                faults.append(f"{path}: features.{key}.shape: got: {shape!r}; allowed: [h, w, 3]")
    if not cameras:
        faults.append(f"{path}: features: no camera; allowed: {_IMAGES}<camera>")
    return tuple(cameras)


def _read_sentences(path: Path, faults: list[str]) -> tuple[str, ...]:
    try:
        table = read_table(path)
        index = column(table, "task_index", "int64")
        names = [name for name in table.column_names if name != "task_index"]
        sentences = table[names[0]].to_pylist() if names else []
    except DatasetError as error:
        faults.append(f"{path}: {error}")
        return ()
    if index.tolist() != list(range(len(sentences))) or not sentences:
        faults.append(f"{path}: task_index: got: {index.tolist()[:9]}; allowed: 0, 1, 2 …")
        return ()
    for k, sentence in enumerate(sentences):
        try:
            check_instruction(str(sentence))
        except ObservationError as error:
            faults.append(f"{path}: task {k}: {error}")
    return tuple(map(str, sentences))
