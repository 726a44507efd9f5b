# SPDX-License-Identifier: Apache-2.0
"""Where a LeRobot dataset v3.0 keeps what, and which features ours have."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from onestep_vla_ros.core.embodiment import BIMANUAL_YAM, Embodiment
from onestep_vla_ros.core.observation import CameraSpec

CODEBASE_VERSION = "v3.0"
FPS = BIMANUAL_YAM.rate_hz
"""Recorded moments a second of two YAM arms; an action is due one after its observation."""
FILES_A_FOLDER = 1000
INFO, STATS, TASKS = "meta/info.json", "meta/stats.json", "meta/tasks.parquet"
FORMAT = "onestep-vla-demos/1"
OWN = "meta/onestep.json"
"""What LeRobot has no place for: expert, seeds, joint order, kind of state, versions."""
EPISODES_FOLDER, DATA_FOLDER = "meta/episodes", "data"
_FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
EPISODES_PATH = f"{EPISODES_FOLDER}/{_FILE}.parquet"
DATA_PATH = f"{DATA_FOLDER}/{_FILE}.parquet"
VIDEO_PATH = f"videos/{{video_key}}/{_FILE}.mp4"
STATE, ACTION, MISTAKE = "observation.state", "action", "is_mistake"
INDICES = ("frame_index", "episode_index", "index", "task_index")


def video_key(camera: str) -> str:
    """Return the feature of a camera's images."""
    return f"observation.images.{camera}"


def chunk_and_file(number: int) -> tuple[int, int]:
    """Return (chunk_index, file_index) of the file with this running number."""
    return divmod(number, FILES_A_FOLDER)


def numbered(template: str, number: int, key: str = "") -> str:
    """Return the path of the file with this running number; `key` is a video's feature."""
    chunk, file = chunk_and_file(number)
    return template.format(video_key=key, chunk_index=chunk, file_index=file)


def features(
    cameras: Sequence[CameraSpec], robot: Embodiment = BIMANUAL_YAM
) -> dict[str, dict[str, object]]:
    """Return the features of info.json: names, types and shapes of every column and video."""
    found: dict[str, dict[str, object]] = {
        name: {"dtype": "float32", "shape": [len(parts)], "names": list(parts)}
        for name, parts in ((STATE, robot.state_names), (ACTION, robot.action_names))
    }
    for camera in cameras:
        found[video_key(camera.name)] = {
            "dtype": "video",
            "shape": [camera.height, camera.width, 3],
            "names": ["height", "width", "channels"],
            "info": {
                "video.height": camera.height,
                "video.width": camera.width,
                "video.codec": "h264",
                "video.pix_fmt": "yuv420p",
                "video.is_depth_map": False,
                "video.fps": robot.rate_hz,
                "video.channels": 3,
                "has_audio": False,
            },
        }
    single: dict[str, object] = {"shape": [1], "names": None}
    found[MISTAKE] = {"dtype": "bool", **single}
    found["timestamp"] = {"dtype": "float32", **single}
    return found | {name: {"dtype": "int64", **single} for name in INDICES}


def part_of(path: Path) -> Path:
    """Return the name under which this process writes `path` before it renames it into place."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def sweep_parts(folder: Path) -> None:
    """Remove what processes that are no more left half written below `folder`."""
    for part in folder.rglob(".*.part"):
        if not is_alive(int(part.name.split(".")[-2])):
            part.unlink(missing_ok=True)


def is_alive(process: int) -> bool:
    """Does a process of this number run?"""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
