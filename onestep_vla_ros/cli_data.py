# SPDX-License-Identifier: Apache-2.0
"""The sub-commands that make demonstrations and look at them: `demos` and `look`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onestep_vla_ros.train.demos import DemoSummary

BAR_MET, BAR_MISSED = 0, 1


def add_demos(sub: argparse.ArgumentParser) -> None:
    """Declare the arguments of `demos`."""
    sub.add_argument(
        "--task",
        nargs="+",
        default=["place"],
        metavar="NAME",
        help="or all; one folder of OUT each",
    )
    sub.add_argument("--episodes", type=int, default=1200, help="seeds to try, of each task")
    sub.add_argument("--seed", type=int, default=100_000, help="episode i runs seed + i")
    sub.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    sub.add_argument(
        "--lead",
        default="",
        metavar="CHECKPOINT",
        help="this policy drives first, the expert goes on from where it got to (DAgger)",
    )
    sub.add_argument("--out", type=Path, default=Path("data"))
    libero = sub.add_argument_group("--world libero: takes all of these but --task and --lead")
    libero.add_argument("--world", default="yam", choices=("yam", "libero"))
    libero.add_argument("--suite", default="libero_object", help="libero_object or libero_spatial")
    libero.add_argument(
        "--tasks", nargs="+", type=int, default=[], help="places in the suite (default: all)"
    )
    libero.add_argument(
        "--rendering", default="fast", help="full, as the package renders, or fast"
    )
    libero.add_argument(
        "--unsteady", default="always", help="when the hand errs: always, or while it is empty"
    )


def run_demos(options: argparse.Namespace) -> int:
    """Write scripted demonstrations as LeRobot datasets; run again to continue."""
    if options.world == "libero":
        return _run_libero(options)
    from onestep_vla_ros.sim.stations import task_names
    from onestep_vla_ros.train.demos import write_demos

    # all names first: a misspelt last one should not show after hours of the others
    names = dict.fromkeys(name for given in options.task for name in task_names(given))
    is_met = True
    for name in names:
        summary = write_demos(
            options.out / name,
            task=name,
            episodes=options.episodes,
            seed=options.seed,
            lead=options.lead,
            jobs=options.jobs,
        )
        _tell(summary)
        is_met = is_met and summary.written > 0
    return BAR_MET if is_met else BAR_MISSED


def _run_libero(options: argparse.Namespace) -> int:
    from onestep_vla_ros.sim.libero_suites import task_count
    from onestep_vla_ros.train.libero_demos import LiberoScene, write_libero_demos

    is_met = True
    for task in options.tasks or range(task_count(options.suite)):
        summary = write_libero_demos(
            options.out / f"{options.suite}_{task}",
            LiberoScene(options.suite, task, options.rendering, options.unsteady),
            options.episodes,
            options.seed,
            jobs=options.jobs,
        )
        _tell(summary)
        is_met = is_met and summary.written > 0
    return BAR_MET if is_met else BAR_MISSED


def _tell(summary: DemoSummary) -> None:
    print(
        f"{summary.folder}: {summary.written} episodes, {summary.frames} frames; "
        f"{summary.failed} seeds failed"
    )


def add_look(sub: argparse.ArgumentParser) -> None:
    """Declare the arguments of `look`."""
    sub.add_argument("folder", type=Path, help="a dataset, for example data/place")
    sub.add_argument("--episode", type=int, default=0)
    sub.add_argument("--out", type=Path, default=Path("out/look/sheet.png"))


def run_look(options: argparse.Namespace) -> int:
    """Draw an episode of a dataset: all cameras over time, and the joints that moved most."""
    from onestep_vla_ros.train.contact_sheet import write_contact_sheet

    write_contact_sheet(options.folder, options.episode, options.out)
    print(options.out)
    return BAR_MET
