# SPDX-License-Identifier: Apache-2.0
"""Demonstrations by the scripted experts, written as a LeRobot dataset."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import tqdm
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ConfigError, DatasetError
from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.sim.demonstration import Demonstration, demonstrate
from onestep_vla_ros.sim.motion import PERIOD_S
from onestep_vla_ros.sim.tasks import task_named
from onestep_vla_ros.sim.yam_station import CAMERAS, YamStation
from onestep_vla_ros.train.attempts import (
    REQUEST,
    Attempt,
    failed_attempt,
    is_done,
    load_attempt,
    save_attempt,
)
from onestep_vla_ros.train.crew import share
from onestep_vla_ros.train.lerobot_layout import FPS, VIDEO_PATH, numbered, sweep_parts, video_key
from onestep_vla_ros.train.lerobot_stats import histogram
from onestep_vla_ros.train.lerobot_video import read_videos, write_videos
from onestep_vla_ros.train.lerobot_writer import DatasetFacts, assemble, replace_file

RECORD_EVERY = round(1.0 / (FPS * PERIOD_S))
"""Planned moments from one recorded frame to the next."""


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What a folder of demonstrations holds.

    Attributes:
        written: Episodes in the dataset.
        failed: Seeds the expert did not solve; they leave no episode.
        frames: Recorded moments of all episodes.
    """

    folder: Path
    written: int
    failed: int
    frames: int


def write_demos(
    folder: Path, task: str, episodes: int, seed: int, *, jobs: int = 1, progress: bool = True
) -> DemoSummary:
    """Write demonstrations of `task`; what is there already is kept, so a run can go on.

    Attempt i uses seed + i, whatever `jobs` is and whatever was interrupted before; the dataset
    becomes readable when all have been made.

    Args:
        folder: Made when missing; must hold nothing, or the same request.
        task: A name in `sim.tasks.TASKS`.
        episodes: How many seeds to try, >= 1.
        seed: Seed of attempt 0, >= 0.
        jobs: Processes, >= 1.
        progress: Show a progress bar.

    Raises:
        ConfigError: Unknown task or a number out of range.
        DatasetError: The folder holds demonstrations of another request.
    """
    _check(task, episodes, seed, jobs)
    facts = DatasetFacts(
        task=task, seed=seed, cameras=CAMERAS, expert="scripted privileged-state", state="measured"
    )
    _claim(folder, facts)
    sweep_parts(folder)
    todo = [i for i in range(episodes) if not is_done(folder, i)]
    failed = sum(
        not load_attempt(folder, i).success for i in range(episodes) if is_done(folder, i)
    )
    start = partial(Recorder, folder, task, seed)
    with tqdm.tqdm(
        total=episodes,
        initial=episodes - len(todo),
        unit="episode",
        desc=task,
        disable=not progress,
    ) as bar:
        bar.set_postfix(failed=failed)
        for _, is_success in share(todo, jobs, start):
            failed += not is_success
            bar.set_postfix(failed=failed, refresh=False)
            bar.update()
    written, frames = assemble(folder, facts, episodes)
    return DemoSummary(folder, written, episodes - written, frames)


def _check(task: str, episodes: int, seed: int, jobs: int) -> None:
    task_named(task)
    for name, value, low in (("episodes", episodes, 1), ("seed", seed, 0), ("jobs", jobs, 1)):
        if value < low:
            raise ConfigError(f"{name} is out of range", got=value, allowed=f">= {low}")


def _claim(folder: Path, facts: DatasetFacts) -> None:
    """Write the request into an empty folder, or check that it is the one there."""
    wanted = {"task": facts.task, "seed": facts.seed, "fps": FPS, "joints": list(JOINT_NAMES)}
    wanted["cameras"] = {c.name: [c.height, c.width] for c in facts.cameras}
    path = folder / REQUEST
    if not path.is_file():
        strangers = [p.name for p in folder.iterdir()] if folder.is_dir() else []
        if strangers:
            raise DatasetError(
                f"{folder} holds something else",
                got=", ".join(sorted(strangers)[:5]),
                allowed="an empty folder, or demonstrations to continue",
                do="name another folder",
            )
        replace_file(path, json.dumps(wanted, indent=2).encode())
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        different = {key: found.get(key) for key in wanted if found.get(key) != wanted[key]}
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise DatasetError(f"{path} is damaged", got=str(error), do="name a new folder") from None
    if different:
        raise DatasetError(
            f"{folder} holds demonstrations of another request",
            got=", ".join(f"{key}={value!r}" for key, value in different.items()),
            allowed=", ".join(f"{key}={wanted[key]!r}" for key in different),
            do="name another folder, or the request that made this one",
        )


class Recorder:
    """Runs the expert of a task, seed by seed, and stores what it did.

    Args:
        folder: The dataset.
        task: A name in `sim.tasks.TASKS`.
        seed: Seed of attempt 0.
    """

    def __init__(self, folder: Path, task: str, seed: int) -> None:
        self._folder, self._seed = folder, seed
        self._world = YamStation(task)

    def __call__(self, number: int) -> bool:
        """Run and store one attempt; return whether it succeeded."""
        seed = self._seed + number
        demo = demonstrate(self._world, seed)
        if demo.success:
            attempt = self._record(number, seed, demo)
        else:
            attempt = failed_attempt(number, seed, self._world.instruction)
        save_attempt(self._folder, attempt)
        return attempt.success

    def _record(self, number: int, seed: int, demo: Demonstration) -> Attempt:
        rows = np.arange(0, len(demo.plan), RECORD_EVERY)
        due = np.minimum(rows + RECORD_EVERY, len(demo.plan) - 1)
        # a target is a mistake when the way to it is
        wrong = [demo.is_mistake[a + 1 : b + 1].any() for a, b in zip(rows, due, strict=True)]
        return Attempt(
            number=number,
            seed=seed,
            instruction=self._world.instruction,
            success=True,
            state=demo.q[rows].astype(np.float32),
            action=demo.plan[due].astype(np.float32),
            is_mistake=np.array(wrong, dtype=np.bool_),
            pixels=self._film(number, demo.physics[rows]),
        )

    def _film(self, number: int, physics: NDArray[np.float64]) -> dict[str, NDArray[np.int64]]:
        """Write the cameras' videos of these moments, (N, nq); return histograms of what is read.

        The videos are read back: what counts is what a reader will see, to the frame.
        """
        images: dict[str, list[NDArray[np.uint8]]] = {c.name: [] for c in self._world.cameras}
        for moment in physics:
            self._world.stage.show(moment)
            for camera in self._world.cameras:
                images[camera.name].append(self._world.render(camera))
        names = list(images)
        paths = [self._folder / numbered(VIDEO_PATH, number, video_key(name)) for name in names]
        stacks = [np.stack(images[name]) for name in names]
        write_videos(dict(zip(paths, stacks, strict=True)))
        pixels = {}
        for name, path, (shown, _) in zip(names, paths, read_videos(paths), strict=True):
            if len(shown) != len(physics):
                raise DatasetError(f"{path} lost frames", got=len(shown), allowed=len(physics))
            pixels[name] = histogram(shown)
        return pixels
