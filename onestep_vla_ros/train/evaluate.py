# SPDX-License-Identifier: Apache-2.0
"""Closed-loop success rate of one cell, and the figures of its episodes."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.report import percentiles_ms
from onestep_vla_ros.sim.perturbation import NO_AXIS
from onestep_vla_ros.sim.rollout import Episode, Timing
from onestep_vla_ros.sim.tasks import task_named
from onestep_vla_ros.train.cells import NO_ABLATION, Cell
from onestep_vla_ros.train.grid import Grid, resolved, run_grid
from onestep_vla_ros.trials import wilson

WORLDS = ("yam",)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What to evaluate; the same request gives the same episodes.

    Attributes:
        policy: Checkpoint folder, or "expert" for the scripted demonstrator.
        steps: Euler steps K, or "auto"; None takes the checkpoint's own.
        noise: Noise mode; None takes the checkpoint's own.
        seed: Episode i runs seed + i.
        jobs: Processes that share the episodes; the result does not depend on it.
        timing: When chunks are asked for; None takes the usual one with the task's own limit.
        axis: Along which scenes differ more than the demonstrations' do.
        ablation: What the policy goes without.
    """

    world: str
    task: str
    policy: str
    steps: int | str | None = None
    noise: str | None = None
    episodes: int = 100
    seed: int = 0
    jobs: int = 1
    timing: Timing | None = None
    axis: str = NO_AXIS
    ablation: str = NO_ABLATION

    def __post_init__(self) -> None:
        """Refuse a request that cannot be run, before any process starts."""
        check_world(self.world)
        self.grid()

    def grid(self) -> Grid:
        """Return the grid of this one cell."""
        timing = self.timing or Timing(timeout_s=task_named(self.task).timeout_s)
        cell = Cell(
            policy=self.policy,
            task=self.task,
            steps=self.steps,
            noise=self.noise,
            replan_s=timing.replan_period_s,
            latency_s=timing.latency_s,
            timeout_s=timing.timeout_s,
            axis=self.axis,
            ablation=self.ablation,
        )
        return Grid((cell,), self.episodes, self.seed, self.jobs)


def check_world(world: str) -> None:
    """Raise `ConfigError` on a world that is not there."""
    if world not in WORLDS:
        raise ConfigError("unknown world", got=repr(world), allowed=list(WORLDS))


def evaluate(
    request: Evaluation, *, progress: bool = True
) -> tuple[list[Episode], dict[str, object]]:
    """Run the episodes and return them with the figures of `eval`'s JSON.

    Raises:
        CheckpointError: The checkpoint is missing, damaged or does not fit the world.
    """
    ((cell, episodes),) = run_grid(resolved(request.grid()), progress=progress).items()
    return episodes, figures(cell, episodes)


def figures(cell: Cell, episodes: Sequence[Episode]) -> dict[str, object]:
    """Sum the episodes of a cell up: success rate, Wilson 95 % interval, sentences, latency."""
    successes = sum(e.success for e in episodes)
    rejected: Counter[str] = Counter()
    for episode in episodes:
        rejected.update(episode.rejected)
    done_s = sorted(e.time_s for e in episodes if e.success)
    return {
        "world": WORLDS[0],
        "policy": cell.policy,
        "steps": cell.steps,
        "noise": cell.noise,
        "mean_steps": mean_steps(episodes),
        "more_steps": sum(e.more_steps for e in episodes),
        "timing": dataclasses.asdict(cell.timing),
        "axis": cell.axis,
        "ablation": cell.ablation,
        "success_rate": successes / len(episodes),
        "episodes": len(episodes),
        "successes": successes,
        "interval": list(wilson(successes, len(episodes))),
        "per_task": {
            cell.task: {"successes": successes, "episodes": len(episodes)},
            **by_sentence(episodes),
        },
        "wrong_object": sum(e.wrong_object for e in episodes),
        "episode_s": {"median": done_s[len(done_s) // 2]} if done_s else None,
        "latency_ms": percentiles_ms([s for e in episodes for s in e.inference_s]),
        "chunks": {
            "accepted": sum(e.chunks for e in episodes) - sum(rejected.values()),
            "rejected": dict(sorted(rejected.items())),
        },
        "governor_active": sum(e.governed_ticks for e in episodes)
        / max(1, sum(e.ticks for e in episodes)),
        "faults": dict(sorted(Counter(e.fault for e in episodes if e.fault).items())),
        "failed_seeds": [e.seed for e in episodes if not e.success],
    }


def mean_steps(episodes: Sequence[Episode]) -> float | None:
    """Return evaluations of the head a chunk, those of the ambiguity included; None uncounted."""
    evaluations = sum(e.evaluations for e in episodes)
    return evaluations / sum(len(e.inference_s) for e in episodes) if evaluations else None


def by_sentence(episodes: Sequence[Episode]) -> dict[str, dict[str, int]]:
    """Return successes and episodes of every sentence that was asked."""
    found: dict[str, list[bool]] = {}
    for episode in episodes:
        found.setdefault(episode.instruction, []).append(episode.success)
    return {s: {"successes": sum(r), "episodes": len(r)} for s, r in sorted(found.items())}
