# SPDX-License-Identifier: Apache-2.0
"""`onestep-vla bench libero-ros`: the same episodes through ROS and in-process, bit by bit."""

from __future__ import annotations

import json as json_format
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ConfigError, OneStepError
from onestep_vla_ros.report import percentiles_ms, write_json
from onestep_vla_ros.sim.libero_world import PERIOD_S, LiberoWorld
from onestep_vla_ros.train.libero_cells import REPLAN, LiberoCell, check_states, resolve
from onestep_vla_ros.train.libero_runner import LiberoRunner
from onestep_vla_ros.transport import free_domain
from onestep_vla_ros.up import run_graph


@dataclass(frozen=True, slots=True)
class LiberoBenchRequest:
    """What to run twice; episode i starts from initial state seed + i.

    Attributes:
        policy: Checkpoint folder.
        suite: Of `libero_suites.SUITES`.
        task: Its place in the suite.
        rendering: Of `libero_world.RENDERINGS`.
        json: Where else to write the result.
    """

    policy: str
    suite: str = "libero_object"
    task: int = 0
    episodes: int = 5
    seed: int = 0
    rendering: str = "full"
    json: Path | None = None


@dataclass(frozen=True, slots=True)
class Played:
    """One episode as it went.

    Attributes:
        actions: (N, 7), up to success or the step limit.
        success: By LIBERO's own predicates.
        chunks_s: What each chunk has cost, wall time [s]; in-process the inference alone.
        answers_s: Through ROS, how much of it until the chunk had come and was judged [s].
    """

    actions: NDArray[np.float64]
    success: bool
    chunks_s: tuple[float, ...]
    answers_s: tuple[float, ...] = ()


class BenchError(OneStepError):
    """The graph did not play the episodes."""


def run_libero_bench(request: LiberoBenchRequest) -> int:
    """Run the episodes both ways; return 0 when every action is the same bit for bit, else 1.

    Raises:
        ConfigError: The request cannot be run, or LIBERO is not installed.
        CheckpointError: The checkpoint is missing, damaged or of another robot.
        BenchError: The graph did not play the episodes.
    """
    if request.episodes < 1:
        raise ConfigError("episodes", got=request.episodes, allowed="1 or more")
    # zero noise: sampled noise goes on from chunk to chunk, and the node draws some before
    cell = resolve(
        LiberoCell(request.suite, request.task, request.policy, request.rendering, noise="zero")
    )
    seeds = range(request.seed, request.seed + request.episodes)
    check_states([cell], seeds)
    wired, node_ms = play_through_ros(request)
    here = play_in_process(cell, seeds)
    figures = {**compare(wired, here), "inference_in_node_ms": node_ms}
    _print(figures, seeds)
    if request.json is not None:
        request_figures = {"suite": request.suite, "task": request.task, "policy": request.policy}
        write_json(request.json, "bench libero-ros", request.seed, {**request_figures, **figures})
    return 0 if figures["is_same"] else 1


def play_in_process(cell: LiberoCell, seeds: Sequence[int]) -> list[Played]:
    """Return the episodes of a resolved cell as `eval` plays them."""
    runner, played = LiberoRunner(), []
    try:
        for seed in seeds:
            actions: list[NDArray[np.float64]] = []

            def keep(world: LiberoWorld, to: list[NDArray[np.float64]] = actions) -> None:
                if world.time_s > 0.5 * PERIOD_S:  # not at its start
                    to.append(np.array(world.last_action))

            episode = runner.run(cell, seed, keep)
            played.append(Played(np.array(actions), episode.success, tuple(episode.inference_s)))
    finally:
        runner.close()
    return played


def play_through_ros(
    request: LiberoBenchRequest,
) -> tuple[list[Played], dict[str, float]]:
    """Return the same episodes as they go in the graph "libero", in real processes, in lockstep.

    Also percentiles of what the inference alone took there [ms], by policy_node.

    Raises:
        BenchError: It ended with an error.
    """
    with tempfile.TemporaryDirectory() as folder, free_domain() as domain:
        arguments = {
            "suite": request.suite,
            "task": str(request.task),
            "seed": str(request.seed),
            "episodes": str(request.episodes),
            "rendering": request.rendering,
            "checkpoint": request.policy,
            "noise": "zero",
            "mode": "lockstep",
            "out": folder,
        }
        if run_graph("libero", arguments, {"ROS_DOMAIN_ID": str(domain)}):
            raise BenchError("the graph did not play the episodes", do="read its lines above")
        told = json_format.loads((Path(folder) / "actions.json").read_text(encoding="utf-8"))
        ends = json_format.loads((Path(folder) / "episodes.json").read_text(encoding="utf-8"))
    played = [read_episode(heard, end) for heard, end in zip(told, ends["episodes"], strict=True)]
    policy = ends["policy"]
    return played, {key: float(policy[f"inference_{key}_ms"]) for key in ("p50", "p99")}


def read_episode(heard: dict[str, object], end: dict[str, object]) -> Played:
    """Return an episode of actions.json, which ends as the same of episodes.json says."""
    steps = round(float(str(end["time_s"])) / PERIOD_S)
    actions = np.array(heard["actions"], dtype=np.float64).reshape(-1, 7)[:steps]
    exchanges = np.array(heard["exchanges"], dtype=np.float64).reshape(-1, 3)
    whole = exchanges[exchanges[:, 2] == REPLAN]
    ways, answers = whole[:, 0] + whole[:, 1], whole[:, 0]
    return Played(actions, bool(end["success"]), tuple(ways.tolist()), tuple(answers.tolist()))


def compare(wired: Sequence[Played], here: Sequence[Played]) -> dict[str, object]:
    """Return how alike the episodes are, and what a chunk costs more through ROS.

    The tax of a chunk is its whole way, from the sending of the observation over inference and
    its actions, one a control step, less the inference of the same chunk in-process. The two are
    not measured at the same time: on a machine with other work look at `inference_in_node_ms`.
    """
    rows, taxes, ways, inferences = [], [], [], []
    for one, other in zip(wired, here, strict=True):
        is_same = one.actions.tobytes() == other.actions.tobytes() and (
            one.success == other.success
        )
        pairs = list(zip(one.chunks_s, other.chunks_s, strict=False))
        ways += [way for way, _ in pairs]
        inferences += [inference for _, inference in pairs]
        taxes += [way - inference for way, inference in pairs]
        rows.append(
            {
                "is_same": is_same,
                "steps": len(one.actions),
                "steps_in_process": len(other.actions),
                "first_difference": _first_difference(one.actions, other.actions),
                "success": one.success,
                "chunks": len(pairs),
            }
        )
    return {
        "is_same": all(row["is_same"] for row in rows),
        "episodes": rows,
        "chunk_through_ros_ms": percentiles_ms(ways),
        "observation_to_verdict_ms": percentiles_ms([a for one in wired for a in one.answers_s]),
        "inference_in_process_ms": percentiles_ms(inferences),
        "ros_tax_ms": percentiles_ms(taxes),
        "ticks_a_chunk": REPLAN,
    }


def _first_difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> int | None:
    """Return the first step whose actions differ in any bit; None when there is none."""
    count = min(len(one), len(other))
    differs = (one[:count].view(np.uint64) != other[:count].view(np.uint64)).any(axis=1)
    if differs.any():
        return int(differs.argmax())
    return None if len(one) == len(other) else count


def _print(figures: dict[str, object], seeds: Sequence[int]) -> None:
    rows = figures["episodes"]
    assert isinstance(rows, list)  # noqa: S101 - of compare; narrows the type
    for seed, row in zip(seeds, rows, strict=True):
        end = "success" if row["success"] else "no success"
        words = (
            "the same bit for bit"
            if row["is_same"]
            else (
                f"NOT the same, from step {row['first_difference']} on "
                f"({row['steps_in_process']} steps in-process)"
            )
        )
        print(f"initial state {seed}: {row['steps']} actions, {end}: {words}")
    for name, value in figures.items():
        if name.endswith("_ms"):
            print(f"{name} {value}")
