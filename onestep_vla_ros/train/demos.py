# SPDX-License-Identifier: Apache-2.0
"""Demonstrations by the scripted experts, written as a LeRobot dataset."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tqdm

from onestep_vla_ros.core.errors import ConfigError, DatasetError
from onestep_vla_ros.sim.tasks import task_named
from onestep_vla_ros.sim.yam_station import CAMERAS
from onestep_vla_ros.train.attempts import REQUEST, is_done, load_attempt
from onestep_vla_ros.train.crew import share
from onestep_vla_ros.train.grid import fingerprint
from onestep_vla_ros.train.lerobot_layout import sweep_parts
from onestep_vla_ros.train.lerobot_writer import DatasetFacts, assemble, replace_file
from onestep_vla_ros.train.recorder import Recorder


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
    folder: Path,
    task: str,
    episodes: int,
    seed: int,
    *,
    lead: str = "",
    jobs: int = 1,
    progress: bool = True,
) -> DemoSummary:
    """Write demonstrations of `task`; what is there already is kept, so a run can go on.

    Attempt i uses seed + i, whatever `jobs` is and whatever was interrupted before; the dataset
    becomes readable when all have been made.

    Args:
        folder: Made when missing; must hold nothing, or the same request.
        task: A name in `sim.tasks.TASKS`.
        episodes: How many seeds to try, >= 1.
        seed: Seed of attempt 0, >= 0.
        lead: Checkpoint folder of a policy that drives first; see `policy_lead`.
        jobs: Processes, >= 1.
        progress: Show a progress bar.

    Raises:
        ConfigError: Unknown task or a number out of range.
        DatasetError: The folder holds demonstrations of another request.
    """
    task_named(task)
    _check_numbers(episodes, seed, jobs)
    weights = fingerprint(lead) if lead else ""
    expert = "scripted privileged-state" + f" after policy {weights}" * bool(lead)
    facts = DatasetFacts(task=task, seed=seed, cameras=CAMERAS, expert=expert, state="measured")
    start = partial(Recorder, folder, task, seed, lead)
    return collect(
        folder, facts, start, episodes, {"lead": weights} if lead else {}, jobs, progress
    )


def collect(
    folder: Path,
    facts: DatasetFacts,
    start: Callable[[], Callable[[int], bool]],
    episodes: int,
    options: Mapping[str, object],
    jobs: int = 1,
    progress: bool = True,
) -> DemoSummary:
    """Make the attempts that `folder` does not have yet, then the dataset of all that succeeded.

    Args:
        folder: As in `write_demos`.
        facts: Of the dataset.
        start: Makes, in each process, what runs and stores an attempt by its number.
        episodes: Attempts.
        options: What else tells this request from another.
        jobs: Processes.
        progress: Show a progress bar.
    """
    _check_numbers(episodes, facts.seed, jobs)
    _claim(folder, facts, options)
    sweep_parts(folder)
    todo = [i for i in range(episodes) if not is_done(folder, i)]
    failed = sum(
        not load_attempt(folder, i).success for i in range(episodes) if is_done(folder, i)
    )
    with tqdm.tqdm(
        total=episodes,
        initial=episodes - len(todo),
        unit="episode",
        desc=facts.task,
        disable=not progress,
    ) as bar:
        bar.set_postfix(failed=failed)
        for _, is_success in share(todo, jobs, start):
            failed += not is_success
            bar.set_postfix(failed=failed, refresh=False)
            bar.update()
    written, frames = assemble(folder, facts, episodes)
    return DemoSummary(folder, written, episodes - written, frames)


def _check_numbers(episodes: int, seed: int, jobs: int) -> None:
    for name, value, low in (("episodes", episodes, 1), ("seed", seed, 0), ("jobs", jobs, 1)):
        if value < low:
            raise ConfigError(f"{name} is out of range", got=value, allowed=f">= {low}")


def _claim(folder: Path, facts: DatasetFacts, options: Mapping[str, object]) -> None:
    """Write the request into an empty folder, or check that it is the one there."""
    robot = facts.robot
    wanted: dict[str, object] = {"task": facts.task, "seed": facts.seed, "fps": robot.rate_hz}
    wanted |= {"joints": list(robot.action_names), **options}
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
        keys = {**wanted, "lead": None}  # that of a folder without one is not there
        different = {key: found.get(key) for key in keys if found.get(key) != wanted.get(key)}
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise DatasetError(f"{path} is damaged", got=str(error), do="name a new folder") from None
    if different:
        raise DatasetError(
            f"{folder} holds demonstrations of another request",
            got=", ".join(f"{key}={value!r}" for key, value in different.items()),
            allowed=", ".join(f"{key}={wanted.get(key)!r}" for key in different),
            do="name another folder, or the request that made this one",
        )
