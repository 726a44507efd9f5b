# SPDX-License-Identifier: Apache-2.0
"""Closed-loop success of a snapshot while training goes on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from onestep_vla_ros.train.evaluate import Evaluation, evaluate

SEED = 900_000
"""First episode: neither demonstrations nor the evaluation use these."""


def rollouts_of(tasks: Sequence[str], jobs: int) -> Callable[[Path, int], dict[str, float]]:
    """Return what `train` asks for rollouts: the same episodes of `tasks` every time.

    Args:
        tasks: Tasks of the simulated station.
        jobs: Processes that share the episodes.
    """
    return functools.partial(_success, tuple(tasks), jobs)


def _success(tasks: tuple[str, ...], jobs: int, folder: Path, episodes: int) -> dict[str, float]:
    rates = {}
    for task in tasks:
        request = Evaluation(
            world="yam", task=task, policy=str(folder), episodes=episodes, seed=SEED, jobs=jobs
        )
        rates[task] = float(str(evaluate(request, progress=False)[1]["success_rate"]))
    return rates
