# SPDX-License-Identifier: Apache-2.0
"""The vector soak: many joints with limits at random, driven by an adversary, every one checked.

A joint-sample is one commanded position of one joint. With 0 violations in n of them the
95 % upper bound of the rate is 3/n (the rule of three).
"""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from onestep_vla_ros.bench.adversary import PERIODS_S, Adversary, PlanAttack, draw_limits
from onestep_vla_ros.bench.motion_check import KINDS, MotionCheck
from onestep_vla_ros.core.governor import Governor
from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.report import write_json

_JOINTS, _TICKS = 1000, 500
_PLAN_SHARE = 0.25
"""Share of the blocks whose references come from plans that chunks are spliced into."""

_BRAKE_SHARE = 0.01
_BRAKE_PERIODS = (1, 1, 2, 5, 20, 100)
_TAIL_SHARE = 0.01
"""Shares of the periods after which the joints brake, and from which the tail is followed."""


@dataclass(slots=True)
class Tally:
    """What blocks came to."""

    samples: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    worst: dict[str, float] = field(default_factory=dict)
    broken: list[list[int]] = field(default_factory=list)
    """Keys of the blocks with violations."""

    def add(self, other: Tally) -> None:
        """Take `other` in."""
        self.samples += other.samples
        self.violations.update(other.violations)
        for kind, share in other.worst.items():
            self.worst[kind] = max(self.worst.get(kind, 0.0), share)
        self.broken += other.broken


def run_limits(samples: int, seed: int, jobs: int, json: Path | None = None) -> int:
    """Soak at least `samples` joint-samples; print, write and return 1 on any violation.

    Args:
        samples: Joint-samples asked for; whole blocks of half a million are run.
        seed: Block i is seeded with (seed, i) and can be run alone with `run_block`.
        jobs: Processes.
        json: Where the result goes; None for nowhere.
    """
    blocks = max(-(-samples // (_JOINTS * _TICKS)), 1)
    total, started = Tally(), time.monotonic()
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("joint-samples", total=blocks * _JOINTS * _TICKS)
        for tally in _run_blocks(blocks, seed, jobs):
            total.add(tally)
            progress.update(bar, completed=total.samples)
    figures = _figures(total, time.monotonic() - started, jobs)
    _print(figures)
    if json is not None:
        write_json(json, "soak limits", seed, figures)
    return int(figures["violations"] != 0)


def _run_blocks(blocks: int, seed: int, jobs: int) -> Iterator[Tally]:
    work = [(seed, i) for i in range(blocks)]
    if jobs <= 1:
        yield from map(run_block, work)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(run_block, work)


def run_block(key: tuple[int, int]) -> Tally:
    """Drive one block of joints from a random start and check every period.

    Args:
        key: Seed and number of the block; the same key gives the same block.
    """
    rng = np.random.default_rng(key)
    period_s = float(rng.choice(PERIODS_S))
    limits = draw_limits(rng, _JOINTS, period_s)
    governor = Governor(limits, period_s)
    governor.reset(_draw_start(rng, limits))
    check = MotionCheck(limits, period_s, governor.state[0])
    is_planned = rng.random() < _PLAN_SHARE
    attack = (PlanAttack if is_planned else Adversary)(rng, limits, period_s)
    tally, tick = Tally(), 0
    with np.errstate(all="ignore"):
        while tick < _TICKS:
            states = _advance(rng, governor, attack, tick, period_s)
            check.take(states)
            tick += len(states)
            if rng.random() < _TAIL_SHARE:
                times = np.linspace(0.0, governor.stop.duration_s, 50)
                check.take_tail(governor.stop.sample(times[:, None]))
    tally.samples = tick * _JOINTS
    tally.violations.update(check.violations)
    tally.worst = check.worst
    tally.broken = [list(key)] if any(check.violations.values()) else []
    return tally


def _advance(
    rng: np.random.Generator,
    governor: Governor,
    attack: Adversary | PlanAttack,
    tick: int,
    period_s: float,
) -> list[NDArray[np.float64]]:
    """Take a step, or brake for a while; return the states of the periods it took."""
    if rng.random() > _BRAKE_SHARE:
        governor.step(attack.reference(tick, governor.state))
        return [governor.state]
    periods = int(rng.choice(_BRAKE_PERIODS))
    if rng.random() < 0.5:  # one after the other
        states = []
        for _ in range(periods):
            governor.brake()
            states.append(governor.state)
        return states
    times = period_s * np.arange(1.0, periods)  # as when a controller ran along the tail
    states = list(np.moveaxis(governor.stop.sample(times[:, None]), 1, 0))
    governor.brake(periods * period_s)
    return [*states, governor.state]


def _draw_start(rng: np.random.Generator, limits: Limits) -> NDArray[np.float64]:
    """Return where the joints start: inside, exactly on a limit, or outside."""
    inside = rng.uniform(limits.low, limits.high)
    outside = rng.uniform(limits.low - 0.1, limits.high + 0.1)
    where = rng.random(len(inside))
    return np.select(
        [where < 0.5, where < 0.65, where < 0.8], [inside, limits.low, limits.high], outside
    )


def _figures(total: Tally, wall_s: float, jobs: int) -> dict[str, object]:
    violations = sum(total.violations.values())
    return {
        "joint_samples": total.samples,
        "violations": violations,
        "by_kind": {kind: total.violations[kind] for kind in KINDS},
        "rate_upper_bound_95": 3.0 / total.samples if violations == 0 else None,
        "worst_share_of_limit": {kind: round(x, 9) for kind, x in total.worst.items()},
        "control_periods_s": list(PERIODS_S),
        "broken_blocks": total.broken[:20],
        "jobs": jobs,
        "wall_s": round(wall_s, 1),
        "joint_samples_per_s": round(total.samples / wall_s),
    }


def _print(figures: dict[str, object]) -> None:
    console = Console(highlight=False)
    bound = figures["rate_upper_bound_95"]
    console.print(
        f"{figures['joint_samples']:,} joint-samples in {figures['wall_s']} s: "
        f"{figures['violations']} violations {figures['by_kind']}"
    )
    console.print(f"largest share of a limit: {figures['worst_share_of_limit']}")
    if bound is None:
        console.print(f"broken blocks (seed, number): {figures['broken_blocks']}")
    else:
        console.print(f"95 % upper bound of the rate of violations: {bound:.1e} (3/n)")
