# SPDX-License-Identifier: Apache-2.0
"""Films of evaluated episodes, failures first: each is run once more and drawn afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.command import Command
from onestep_vla_ros.film import draw, encode, write_text
from onestep_vla_ros.recording import Moment
from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.study.summary import Summary
from onestep_vla_ros.train.cells import Cell, label
from onestep_vla_ros.train.runner import Runner

RATE_HZ = 25.0
HEIGHT_PX = 256
_TAIL_S = 1.0  # the last picture stays that long
_GOOD, _BAD, _WHITE, _SHADE = (120, 230, 120), (255, 90, 90), (245, 245, 245), (20, 20, 20)


@dataclass(frozen=True, slots=True)
class Shot:
    """One episode to film."""

    cell: Cell
    episode: Episode
    words: str


def choose(summaries: Sequence[Summary], count: int) -> list[Shot]:
    """Return the first `count` failed episodes, in the order of cells and seeds.

    Where none failed, the first that succeeded.
    """
    cells = [s.cell for s in summaries]
    every = [Shot(s.cell, e, label(s.cell, cells)) for s in summaries for e in s.episodes]
    return ([s for s in every if not s.episode.success] or every)[:count]


def write_films(shots: Sequence[Shot], folder: Path) -> list[Path]:
    """Run every shot's episode again and write it to `folder`; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    runner = Runner()
    written = []
    try:
        for shot in shots:
            path = folder / f"{_name(shot)}.mp4"
            encode(_pictures(runner, shot), path, RATE_HZ)
            written.append(path)
    finally:
        runner.close()
    return written


def outcome(episode: Episode) -> str:
    """Return in a few words how an episode ended."""
    if episode.success:
        return f"success after {episode.time_s:.1f} s"
    why = episode.fault or f"not done after {episode.time_s:.0f} s"
    return f"failed: {'wrong object, ' if episode.wrong_object else ''}{why}"


def _pictures(runner: Runner, shot: Shot) -> Iterator[NDArray[np.uint8]]:
    """Yield the episode's pictures.

    They are drawn after its end from the poses it went through: pictures taken on the way
    would shift the stream of a noisy camera, and with it the episode.
    """
    kept: list[tuple[float, str, NDArray[np.float64]]] = []

    def keep(command: Command) -> None:
        world = runner.world
        if world.time_s >= len(kept) / RATE_HZ - 1e-9:
            kept.append((world.time_s, command.mode.name, world.data.qpos.copy()))

    again = runner.run(shot.cell, shot.episode.seed, keep)
    world = runner.world
    kept.append((world.time_s, kept[-1][1], world.data.qpos.copy()))
    kept += kept[-1:] * round(_TAIL_S * RATE_HZ)
    for time_s, mode, physics in kept:
        world.stage.show(physics)
        moment = Moment(
            time_s=time_s,
            images=tuple(world.render(spec) for spec in world.cameras),
            mode=mode,
            seed=str(again.seed),
            instruction=again.instruction,
            episode=0,
            episode_time_s=time_s,
            is_done=again.success and time_s >= again.time_s,
        )
        frame = draw(moment, HEIGHT_PX)
        end = _GOOD if again.success else _BAD
        write_text(frame, outcome(again), (HEIGHT_PX + 170, 60), 0.5, end)
        write_text(frame, shot.words, (10, 90), 0.45, _SHADE)
        write_text(frame, shot.words, (9, 89), 0.45, _WHITE)
        yield frame


def _name(shot: Shot) -> str:
    cell, episode = shot.cell, shot.episode
    end = "done" if episode.success else "failed"
    words = re.sub(r"[^\w.=]+", "_", f"{cell.task}_{shot.words}")
    return f"{end}_seed{episode.seed}_{words}".rstrip("_")
