# SPDX-License-Identifier: Apache-2.0
"""How many episodes of LIBERO a minute: ours beside the package's own runner, same actions."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from onestep_vla_ros.bench.libero_replay import BASELINE, PIXELS, WAYS, Played, Way, record, write
from onestep_vla_ros.core.errors import ConfigError, OneStepError
from onestep_vla_ros.report import percentiles_ms, write_json

_LIMIT_S = 3600.0


class ReplayFailed(OneStepError):  # noqa: N818 - says what happened
    """A measured process ended early."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one way did.

    Attributes:
        name: Of the way.
        episodes: How many it played.
        successes: How many ended in success.
        per_minute: Episodes a minute, by the wall; opening the tasks is not counted.
        cpu_s: Processor time of an episode [s].
        start_s: Median of a reset with its ten steps of settling [s].
        step_ms: p50 and p99 of a control step and its pictures [ms].
        ratio: Episodes a minute to the baseline's.
        off_by: Largest difference of the final physics states from the baseline's.
    """

    name: str
    episodes: int
    successes: int
    per_minute: float
    cpu_s: float
    start_s: float
    step_ms: dict[str, float]
    ratio: float
    off_by: float

    @property
    def holds(self) -> bool:
        """Did the same actions end in the same states, bit for bit?"""
        return self.off_by == 0.0


def run_bench_libero(
    suite: str,
    tasks: Sequence[int],
    states: int,
    json_path: Path | None,
    ways: Sequence[Way] = WAYS,
) -> int:
    """Record the scripted expert once, replay it in every way, print the table.

    Args:
        suite: Of `libero_suites.SUITES`.
        tasks: Places in the suite.
        states: How many initial states of each task, from the first.
        json_path: File for the result, or None.
        ways: The baseline first.

    Returns:
        1 when a way ended otherwise than the baseline, else 0.

    Raises:
        ConfigError: LIBERO is not installed, or something is out of range.
        ReplayFailed: A process ended early.
    """
    if states < 1:
        raise ConfigError("episodes of each task", got=states, allowed=">= 1")
    recordings = record(suite, tasks, range(states))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "actions.json"
        write(recordings, path)
        measured = [_measure(way, path) for way in ways]
    rows = [_row(way.name, one, measured[0]) for way, one in zip(ways, measured, strict=True)]
    _print(rows)
    holds = all(row.holds for row in rows)
    if json_path is not None:
        figures = {
            "suite": suite,
            "tasks": list(tasks),
            "states": states,
            "steps": sum(len(one.actions) for one in recordings),
            "pixels": PIXELS,
            "holds": holds,
            "rows": [{**asdict(row), "holds": row.holds} for row in rows],
        }
        write_json(json_path, "bench libero", 0, figures)
    return 0 if holds else 1


def _measure(way: Way, path: Path) -> Played:
    """Replay in a process of its own: robosuite's OpenGL contexts do not bear company."""
    command = [sys.executable, "-m", "onestep_vla_ros.bench.libero_replay", way.name, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S)  # noqa: S603 - this package
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        raise ReplayFailed(f"{way.name!r} ended early", got=done.stderr.splitlines()[-3:])
    return Played(**json.loads(lines[-1]))


def _row(name: str, own: Played, base: Played) -> Row:
    pairs = zip(own.states, base.states, strict=True)
    return Row(
        name=name,
        episodes=len(own.states),
        successes=sum(own.successes),
        per_minute=60.0 * len(own.states) / own.wall_s,
        cpu_s=own.cpu_s / len(own.states),
        start_s=float(np.median(own.start_s)),
        step_ms=percentiles_ms(own.step_s) or {},
        ratio=base.wall_s / own.wall_s,
        off_by=max(float(np.abs(np.subtract(a, b)).max()) for a, b in pairs),
    )


def _print(rows: Sequence[Row]) -> None:
    head = ("episodes/min", "ratio", "CPU s/ep.", "start [s]", "step p50", "p99 [ms]", "success")
    print(f"{'':26}" + "".join(f"{word:>13}" for word in head))
    for row in rows:
        cells = (row.per_minute, row.ratio, row.cpu_s, row.start_s, *row.step_ms.values())
        end = "" if row.holds else f"  ended elsewhere, by {row.off_by:.2g}"
        done = f"{row.successes}/{row.episodes}"
        print(f"{row.name:26}" + "".join(f"{cell:13.3g}" for cell in cells) + f"{done:>13}{end}")
    print(f"the same actions in each row; ratio: episodes a minute to {BASELINE}'s")
