# SPDX-License-Identifier: Apache-2.0
"""Demonstration files: one folder, one meta.json, one npz an episode, never a pickle."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import tqdm

from onestep_vla_ros.core.errors import ConfigError, DatasetError
from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.policy.images import resize_uint8
from onestep_vla_ros.sim.demonstration import Demonstration, demonstrate
from onestep_vla_ros.sim.motion import PERIOD_S
from onestep_vla_ros.sim.tasks import check_task
from onestep_vla_ros.sim.yam_station import CAMERAS, YamStation

FORMAT = "onestep-vla-demos/0"
STORED_SIZE: dict[str, tuple[int, int]] = {
    "top": (96, 96),
    "left_wrist": (64, 64),
    "right_wrist": (64, 64),
}
"""Camera to (height, width) in the file: the size the model reads [pixels]."""
_FAILURES = "failures"


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What a folder of demonstrations holds.

    Attributes:
        written: Episodes with a file.
        failed: Episodes whose seed the expert did not solve; they leave no file.
        frames: Recorded moments in all written episodes.
    """

    folder: Path
    written: int
    failed: int
    frames: int


def write_demos(
    folder: Path,
    task: str,
    episodes: int,
    seed: int,
    *,
    jobs: int = 1,
    frame_stride: int = 3,
    progress: bool = True,
) -> DemoSummary:
    """Write demonstrations of `task`; episodes that are there already are kept.

    Episode i uses seed + i, whatever `jobs` is and whatever was interrupted before.

    Args:
        folder: Made when missing; must hold nothing, or the same request.
        task: A name in `sim.tasks.TASKS`.
        episodes: How many episodes to try, >= 1.
        seed: Seed of episode 0, >= 0.
        jobs: Processes, >= 1.
        frame_stride: Record every so-many-th planned moment, >= 1.
        progress: Show a progress bar.

    Raises:
        ConfigError: Unknown task or a number out of range.
        DatasetError: The folder holds demonstrations of another request.
    """
    _check(task, episodes, seed, jobs, frame_stride)
    folder.mkdir(parents=True, exist_ok=True)
    meta = _meta(task, seed, frame_stride)
    _check_same_request(folder, meta)
    todo = [i for i in range(episodes) if not _is_done(folder, i)]
    _write_meta(folder, meta, episodes)
    work = partial(_episode, folder, seed, frame_stride)
    with tqdm.tqdm(
        total=episodes, initial=episodes - len(todo), unit="episode", disable=not progress
    ) as bar:
        failed = 0
        for is_written in _map(work, task, todo, jobs):
            failed += not is_written
            bar.update()
            bar.set_postfix(failed=failed)
    return _write_meta(folder, meta, episodes)


def _check(task: str, episodes: int, seed: int, jobs: int, frame_stride: int) -> None:
    check_task(task)
    least = {"episodes": (episodes, 1), "seed": (seed, 0), "jobs": (jobs, 1)}
    least["frame_stride"] = (frame_stride, 1)
    for name, (value, low) in least.items():
        if value < low:
            raise ConfigError(f"{name} is out of range", got=value, allowed=f">= {low}")


def _meta(task: str, seed: int, frame_stride: int) -> dict[str, object]:
    cameras = {
        spec.name: {"native": [spec.height, spec.width], "stored": list(STORED_SIZE[spec.name])}
        for spec in CAMERAS
    }
    return {
        "format": FORMAT,
        "task": task,
        "joint_names": list(JOINT_NAMES),
        "period_s": PERIOD_S,
        "cameras": cameras,
        "frame_stride": frame_stride,
        "state": "measured",
        "seed": seed,
        "expert": "scripted privileged-state",
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("mujoco", "numpy", "dreamscale-i2rt")},
        },
    }


def _check_same_request(folder: Path, meta: dict[str, object]) -> None:
    path = folder / "meta.json"
    if not path.is_file():
        return
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} is damaged", got=str(error), do="name a new folder") from None
    different = [
        f"{key}={old.get(key)!r}"
        for key in meta
        if key != "versions" and old.get(key) != meta[key]
    ]
    if different:
        raise DatasetError(
            f"{folder} holds demonstrations of another request",
            got=", ".join(different),
            allowed=", ".join(f"{key}={meta[key]!r}" for key in ("task", "seed", "frame_stride")),
            do="name another folder, or the request that made this one",
        )


def _episode_path(folder: Path, index: int) -> Path:
    return folder / f"episode_{index:06d}.npz"


def _failure_path(folder: Path, index: int) -> Path:
    return folder / _FAILURES / f"episode_{index:06d}"


def _is_done(folder: Path, index: int) -> bool:
    return _episode_path(folder, index).is_file() or _failure_path(folder, index).is_file()


def _write_meta(folder: Path, meta: dict[str, object], episodes: int) -> DemoSummary:
    written = [i for i in range(episodes) if _episode_path(folder, i).is_file()]
    failed = sum(_failure_path(folder, i).is_file() for i in range(episodes))
    frames = 0
    for i in written:
        with np.load(_episode_path(folder, i), allow_pickle=False) as data:
            frames += len(data["frame"])
    counts = {"episodes": len(written), "failed_episodes": failed, "frames": frames}
    text = json.dumps({**meta, **counts}, indent=2)
    part = folder / "meta.json.part"
    part.write_text(text + "\n", encoding="utf-8")
    os.replace(part, folder / "meta.json")
    return DemoSummary(folder, len(written), failed, frames)


_world: YamStation | None = None  # one a process: made by _start, used by _episode


def _start(task: str) -> None:
    global _world  # noqa: PLW0603 - a pool's processes keep their world this way
    _world = YamStation(task)


def _map(work: partial[bool], task: str, todo: list[int], jobs: int) -> Iterator[bool]:
    if jobs == 1 or len(todo) < 2:
        _start(task)
        try:
            yield from map(work, todo)
        finally:
            if _world is not None:
                _world.close()
        return
    # One thread a process: software GL and torch would else fight for the same cores.
    for name in ("LP_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "0" if name.startswith("LP") else "1")
    with multiprocessing.get_context("spawn").Pool(jobs, _start, (task,)) as pool:
        yield from pool.imap_unordered(work, todo)


def _episode(folder: Path, seed: int, frame_stride: int, index: int) -> bool:
    """Run and store one episode; return whether it succeeded."""
    world = _world
    if world is None:
        raise DatasetError("the demonstration process has no world")
    demo = demonstrate(world, seed + index)
    if not demo.success:
        path = _failure_path(folder, index)
        path.parent.mkdir(exist_ok=True)
        path.touch()
        return False
    frames = np.flatnonzero(demo.is_usable)
    frames = frames[frames % frame_stride == 0].astype(np.int32)
    path = _episode_path(folder, index)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(
            file,
            **_images(world, demo, frames),
            q=demo.q[frames].astype(np.float32),
            frame=frames,
            plan=demo.plan.astype(np.float32),
            instruction=np.array(world.instruction),
            seed=np.array(seed + index),
            success=np.array(demo.success),
        )
    os.replace(part, path)
    return True


def _images(world: YamStation, demo: Demonstration, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Render the recorded moments, (N, height, width, 3) uint8 a camera, at stored size."""
    native: dict[str, list[np.ndarray]] = {spec.name: [] for spec in world.cameras}
    for frame in frames:
        world.stage.show(demo.physics[frame])
        for spec in world.cameras:
            native[spec.name].append(world.render(spec))
    return {
        name: resize_uint8(np.stack(stack), STORED_SIZE[name]) for name, stack in native.items()
    }
