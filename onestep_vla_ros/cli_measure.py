# SPDX-License-Identifier: Apache-2.0
"""The sub-commands that break or time the bridge: `faults`, `soak` and `bench`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from onestep_vla_ros.core.errors import ConfigError


def add_faults(sub: argparse.ArgumentParser) -> None:
    """Declare the arguments of `faults`."""
    sub.add_argument("--rows", help="rows of the matrix, as 1,2,11 (default: all)")
    sub.add_argument(
        "--processes", action="store_true", help="real processes instead of an injected clock"
    )
    sub.add_argument("--repetitions", type=int, default=20, help="of each process row")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--json", type=Path, help="write the result here")
    sub.add_argument("--readme", type=Path, help="also write the tables into this file's marks")


def run_faults(options: argparse.Namespace) -> int:
    """Break everything the bridge depends on and check bounds and invariants, row by row."""
    from onestep_vla_ros.faults.command import FaultsRequest
    from onestep_vla_ros.faults.command import run_faults as run

    return run(
        FaultsRequest(
            rows=_rows(options.rows),
            processes=options.processes,
            repetitions=options.repetitions,
            seed=options.seed,
            json=options.json,
            readme=options.readme,
        )
    )


def add_soak(sub: argparse.ArgumentParser) -> None:
    """Declare the arguments of `soak`."""
    sub.add_argument(
        "what", choices=("limits", "graph"), help="limits: numbers only; graph: real processes"
    )
    sub.add_argument("--samples", type=float, default=1e8, help="limits: joint-samples")
    sub.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="limits: processes")
    sub.add_argument("--minutes", type=float, default=30.0, help="graph: how long")
    sub.add_argument("--every", type=float, default=10.0, help="graph: mean time to a fault [s]")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--json", type=Path, help="write the result here")


def run_soak(options: argparse.Namespace) -> int:
    """Look for one violated limit, or one leak, for as long as you like."""
    if options.what == "limits":
        from onestep_vla_ros.bench.limits import run_limits

        return run_limits(int(options.samples), options.seed, options.jobs, options.json)
    from onestep_vla_ros.soak.graph import run_soak as run

    return run(options.minutes, options.every, options.seed, options.json)


def add_bench(sub: argparse.ArgumentParser) -> None:
    """Declare the arguments of `bench`."""
    sub.add_argument(
        "what",
        choices=("bridge", "governor", "seams", "libero", "libero-ros"),
        help="bridge: the node's tick; governor: beside ruckig; seams: chunk hand-overs; "
        "libero: episodes a minute beside the package's own runner (pip extra libero); "
        "libero-ros: episodes through ROS beside the same in-process",
    )
    sub.add_argument("--policy", help="libero-ros: checkpoint folder")
    sub.add_argument("--rendering", default="full", help="libero-ros: full or fast")
    sub.add_argument("--plot", type=Path, help="seams: also draw some hand-overs here")
    sub.add_argument("--seconds", type=float, default=60.0, help="bridge: of each row")
    sub.add_argument("--suite", default="libero_object", help="libero, libero-ros: whose tasks")
    sub.add_argument(
        "--tasks",
        type=int,
        nargs="+",
        default=[0, 1],
        help="libero: of the suite (-ros: one)",
    )
    sub.add_argument("--episodes", type=int, default=5, help="libero, libero-ros: of each task")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--json", type=Path, help="write the result here")


def run_bench(options: argparse.Namespace) -> int:
    """Measure beside an alternative, in one run."""
    if options.what == "bridge":
        from onestep_vla_ros.bench.bridge import run_bench_bridge

        return run_bench_bridge(options.seconds, options.json)
    if options.what == "libero-ros":
        return _run_libero(options)
    if options.what == "governor":
        from onestep_vla_ros.bench.governor import run_bench_governor

        return run_bench_governor(options.json)
    if options.what == "libero":
        from onestep_vla_ros.bench.libero import run_bench_libero

        return run_bench_libero(options.suite, options.tasks, options.episodes, options.json)
    from onestep_vla_ros.bench.seams import run_bench_seams

    return run_bench_seams(options.seed, options.json, options.plot)


def _run_libero(options: argparse.Namespace) -> int:
    from onestep_vla_ros.bench.libero_ros import LiberoBenchRequest, run_libero_bench

    if options.policy is None:
        raise ConfigError("no policy", do="name a checkpoint for LIBERO with --policy FOLDER")
    return run_libero_bench(
        LiberoBenchRequest(
            policy=options.policy,
            suite=options.suite,
            task=options.tasks[0],
            episodes=options.episodes,
            seed=options.seed,
            rendering=options.rendering,
            json=options.json,
        )
    )


def _rows(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise ConfigError("rows cannot be read", got=repr(text), allowed="1,2,11") from None
