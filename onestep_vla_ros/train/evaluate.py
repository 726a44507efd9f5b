# SPDX-License-Identifier: Apache-2.0
"""Closed-loop success rate of a checkpoint (or the expert) in a simulated world."""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.files import read_parameters
from onestep_vla_ros.policy.policy import load_policy
from onestep_vla_ros.report import percentiles_ms
from onestep_vla_ros.sim.expert import ExpertPolicy
from onestep_vla_ros.sim.rollout import Episode, Infer, Timing, run_episode
from onestep_vla_ros.sim.yam_station import YamStation
from onestep_vla_ros.trials import wilson

WORLDS = ("yam",)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What to evaluate; the same request gives the same episodes.

    Attributes:
        policy: Checkpoint folder, or "expert" for the scripted demonstrator.
        steps: Euler steps K; None takes the checkpoint's own.
        noise: Noise mode; None takes the checkpoint's own.
        seed: Episode i runs seed + i.
        jobs: Processes that share the episodes; the result does not depend on it.
    """

    world: str
    task: str
    policy: str
    steps: int | None = None
    noise: str | None = None
    episodes: int = 100
    seed: int = 0
    jobs: int = 1
    timing: Timing = dataclasses.field(default_factory=Timing)

    def __post_init__(self) -> None:
        """Refuse a request that cannot be run, before any process starts."""
        if self.world not in WORLDS:
            raise ConfigError("unknown world", got=repr(self.world), allowed=list(WORLDS))
        for name in ("episodes", "jobs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is too small", got=getattr(self, name), allowed=">= 1")
        if self.policy == "expert" and (self.steps is not None or self.noise is not None):
            raise ConfigError("the expert has no decoder", do="leave out --steps and --noise")


def evaluate(request: Evaluation) -> tuple[list[Episode], dict[str, object]]:
    """Run the episodes and return them with the figures of `eval`'s JSON.

    Raises:
        CheckpointError: The checkpoint is missing, damaged or does not fit the world.
        ConfigError: The task is unknown.
    """
    episodes = list(tqdm(_episodes(request), total=request.episodes, unit="episode", desc="eval"))
    return episodes, figures(request, episodes)


def figures(request: Evaluation, episodes: list[Episode]) -> dict[str, object]:
    """Sum episodes up: success rate, Wilson 95 % interval, per task, latency."""
    successes = sum(e.success for e in episodes)
    rejected: Counter[str] = Counter()
    for episode in episodes:
        rejected.update(episode.rejected)
    by_sentence: dict[str, list[bool]] = {}
    for episode in episodes:
        by_sentence.setdefault(episode.instruction, []).append(episode.success)
    done_s = sorted(e.time_s for e in episodes if e.success)
    return {
        "world": request.world,
        "policy": request.policy,
        "steps": request.steps,
        "noise": request.noise,
        "timing": dataclasses.asdict(request.timing),
        "success_rate": successes / len(episodes),
        "episodes": len(episodes),
        "successes": successes,
        "interval": list(wilson(successes, len(episodes))),
        "per_task": {
            request.task: {"successes": successes, "episodes": len(episodes)},
            **{
                s: {"successes": sum(r), "episodes": len(r)}
                for s, r in sorted(by_sentence.items())
            },
        },
        "wrong_object": sum(e.wrong_object for e in episodes),
        "episode_s": {"median": done_s[len(done_s) // 2]} if done_s else None,
        "latency_ms": percentiles_ms([s for e in episodes for s in e.inference_s]),
        "chunks": {
            "accepted": sum(e.chunks for e in episodes) - sum(rejected.values()),
            "rejected": dict(rejected),
        },
        "governor_active": sum(e.governed_ticks for e in episodes)
        / max(1, sum(e.ticks for e in episodes)),
        "faults": dict(Counter(e.fault for e in episodes if e.fault)),
        "failed_seeds": [e.seed for e in episodes if not e.success],
    }


def _episodes(request: Evaluation) -> Iterator[Episode]:
    seeds = range(request.seed, request.seed + request.episodes)
    _open_runner(request)  # every fault of the request shows here, before any process starts
    if request.jobs == 1:
        yield from map(_run_seed, seeds)
        return
    context = multiprocessing.get_context("spawn")  # a GL context must not cross a fork
    jobs = min(request.jobs, request.episodes)
    with context.Pool(jobs, initializer=_open_runner, initargs=(request,)) as pool:
        yield from pool.imap(_run_seed, seeds)


_run: Callable[[int], Episode] | None = None
"""This process's episode runner: one world and one policy, opened once."""


def _open_runner(request: Evaluation) -> None:
    global _run
    torch.set_num_threads(1)
    world = YamStation(request.task)
    config = from_mapping(BridgeConfig, read_parameters("bridge.yaml"), "config/bridge.yaml")
    make_infer = _expert(world) if request.policy == "expert" else _checkpoint(request, world)
    _run = lambda seed: run_episode(  # noqa: E731 - the closure is the runner
        world, make_infer(seed), config, seed, request.timing
    )


def _expert(world: YamStation) -> Callable[[int], Infer]:
    return lambda seed: ExpertPolicy(world).infer


def _checkpoint(request: Evaluation, world: YamStation) -> Callable[[int], Infer]:
    policy = load_policy(
        Path(request.policy), steps=request.steps, noise=request.noise, seed=request.seed
    )
    policy.contract.check(
        joint_names=JOINT_NAMES, cameras=world.cameras, period_s=policy.contract.period_s
    )
    policy.warm_up()

    def for_seed(seed: int) -> Infer:
        policy.reseed(seed)  # the noise belongs to the episode, so cells of a study are paired
        return policy.infer

    return for_seed


def _run_seed(seed: int) -> Episode:
    assert _run is not None  # noqa: S101 - set by the initializer
    return _run(seed)
