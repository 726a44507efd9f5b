# SPDX-License-Identifier: Apache-2.0
"""The one command, `onestep-vla`: its sub-commands call the layers below.

Imports stay inside the sub-commands: `--help` answers at once, and a machine without ROS or
without MuJoCo can still use the part it has.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from onestep_vla_ros.cli_measure import (
    add_bench,
    add_faults,
    add_soak,
    run_bench,
    run_faults,
    run_soak,
)
from onestep_vla_ros.core.errors import ConfigError, OneStepError
from onestep_vla_ros.files import share_dir

BAR_MET, BAR_MISSED, WRONG_CALL = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; return 0 when its bar was met, 1 when not, 2 for a wrong call."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except OneStepError as error:
        print(f"onestep-vla {options.command}: {error}", file=sys.stderr)
        return WRONG_CALL
    except KeyboardInterrupt:
        print(f"onestep-vla {options.command}: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="onestep-vla", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (add, run) in _COMMANDS.items():
        sub = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        add(sub)
        sub.set_defaults(run=run)
    return parser


def _shipped() -> Path:
    return share_dir() / "resource" / "nano_place"


def _add_demo(sub: argparse.ArgumentParser) -> None:
    _add_policy(sub)
    sub.add_argument("--task", default="place")
    sub.add_argument("--episodes", type=int, default=10)
    # ten seeds from 18 on are the first in which every colour comes three times, each arm four
    sub.add_argument("--seed", type=int, default=18, help="episode i runs seed + i")
    sub.add_argument(
        "--mode",
        default="lockstep",
        choices=("lockstep", "realtime"),
        help="lockstep waits for bridge and policy; realtime is paced to the wall clock",
    )
    sub.add_argument("--out", type=Path, default=Path("out/demo"))
    sub.add_argument("--bar", type=float, default=0.8, help="success rate that counts as met")
    sub.add_argument("--json", type=Path, help="also write the result here")


def _run_demo(options: argparse.Namespace) -> int:
    """Bring the whole graph up in real processes and run seeded episodes; make the video."""
    from onestep_vla_ros.demo import DemoRequest, run_demo

    return run_demo(
        DemoRequest(
            task=options.task,
            checkpoint=_policy(options),
            steps=options.steps,
            noise=options.noise,
            episodes=options.episodes,
            seed=options.seed,
            out=options.out,
            bar=options.bar,
            json=options.json,
            mode=options.mode,
        )
    )


def _add_up(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("graph", help="which deployment; `list` prints all with their arguments")
    sub.add_argument("arguments", nargs="*", metavar="name:=value")


def _run_up(options: argparse.Namespace) -> int:
    """Run a deployment as plain processes: what `ros2 launch` does where launch exists."""
    from onestep_vla_ros import up

    if options.graph == "list":
        print(up.describe_graphs())
        return BAR_MET
    pairs: dict[str, str] = {}
    for argument in options.arguments:
        name, sign, value = argument.partition(":=")
        if not sign or not name:
            raise ConfigError(
                "argument has the wrong form", got=repr(argument), allowed="name:=value"
            )
        pairs[name] = value
    return up.run_graph(options.graph, pairs)


def _add_demos(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--task", default="place")
    sub.add_argument("--episodes", type=int, default=1200)
    sub.add_argument("--seed", type=int, default=100_000, help="episode i runs seed + i")
    sub.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    sub.add_argument("--out", type=Path, default=Path("data/place"))


def _run_demos(options: argparse.Namespace) -> int:
    """Write scripted privileged-state demonstrations; run again to continue."""
    from onestep_vla_ros.train.demos import write_demos

    write_demos(
        options.out,
        task=options.task,
        episodes=options.episodes,
        seed=options.seed,
        jobs=options.jobs,
    )
    return BAR_MET


def _add_train(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--config", type=Path, help="YAML (default: config/train_nano_place.yaml)")
    sub.add_argument("--data", type=Path, default=Path("data/place"))
    sub.add_argument("--out", type=Path, default=Path("out/train"))
    sub.add_argument("--fresh", action="store_true", help="start over instead of resuming")


def _run_train(options: argparse.Namespace) -> int:
    """Train a checkpoint on demonstrations; run again to continue."""
    from onestep_vla_ros.train.trainer import load_train_config, train

    path = options.config or share_dir() / "config" / "train_nano_place.yaml"
    train(load_train_config(path), options.data, options.out, resume=not options.fresh)
    return BAR_MET


def _add_eval(sub: argparse.ArgumentParser) -> None:
    _add_policy(sub)
    sub.add_argument("--world", default="yam")
    sub.add_argument("--task", default="place")
    sub.add_argument("--episodes", type=int, default=100)
    sub.add_argument("--seed", type=int, default=0, help="episode i runs seed + i")
    sub.add_argument("--jobs", type=int, default=1, help="processes sharing the episodes")
    sub.add_argument("--replan", type=float, default=0.24, help="time between chunks [s]")
    sub.add_argument("--latency", type=float, default=0.06, help="observation to chunk [s]")
    sub.add_argument("--timeout", type=float, default=15.0, help="episode limit [s]")
    sub.add_argument("--bar", type=float, default=0.0, help="success rate that counts as met")
    sub.add_argument("--json", type=Path, help="write the result here")


def _run_eval(options: argparse.Namespace) -> int:
    """Measure closed-loop success in-process, in lockstep, with its Wilson interval."""
    from onestep_vla_ros.report import write_json
    from onestep_vla_ros.sim.rollout import Timing
    from onestep_vla_ros.train.evaluate import Evaluation, evaluate

    request = Evaluation(
        world=options.world,
        task=options.task,
        policy="expert" if options.policy == "expert" else str(_policy(options)),
        steps=options.steps,
        noise=options.noise,
        episodes=options.episodes,
        seed=options.seed,
        jobs=options.jobs,
        timing=Timing(options.replan, options.latency, options.timeout),
    )
    _, figures = evaluate(request)
    low, high = figures["interval"]
    print(
        f"{options.task}, K={options.steps or 'checkpoint'}: "
        f"{figures['successes']}/{figures['episodes']} = {figures['success_rate']:.1%} "
        f"(95 % {low:.1%} to {high:.1%}), wrong object {figures['wrong_object']}, "
        f"inference ms {figures['latency_ms']}"
    )
    if options.json:
        write_json(options.json, "eval", options.seed, figures)
    return BAR_MET if figures["success_rate"] >= options.bar else BAR_MISSED


def _add_check(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("checkpoint", type=Path, nargs="?", help="folder (default: the shipped one)")


def _run_check(options: argparse.Namespace) -> int:
    """Load a checkpoint, verify every hash and print its contract and K table."""
    from onestep_vla_ros.policy.policy import load_policy

    print(load_policy(options.checkpoint or _shipped()).describe())
    return BAR_MET


def _add_doctor(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--json", type=Path, help="also write the findings here")


def _run_doctor(options: argparse.Namespace) -> int:
    """Check this machine part by part; each failure names the command that fixes it."""
    from onestep_vla_ros.doctor import run_doctor

    return run_doctor(json_path=options.json)


def _add_policy(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--policy", help="checkpoint folder (default: the shipped one); eval: or expert"
    )
    sub.add_argument("--steps", type=int, help="Euler steps K (default: the checkpoint's own)")
    sub.add_argument("--noise", help="zero, seeded, sampled or mean_k (default: the checkpoint's)")


def _policy(options: argparse.Namespace) -> Path:
    return Path(options.policy) if options.policy else _shipped()


_COMMANDS = {
    "demo": (_add_demo, _run_demo),
    "up": (_add_up, _run_up),
    "demos": (_add_demos, _run_demos),
    "train": (_add_train, _run_train),
    "eval": (_add_eval, _run_eval),
    "check": (_add_check, _run_check),
    "faults": (add_faults, run_faults),
    "soak": (add_soak, run_soak),
    "bench": (add_bench, run_bench),
    "doctor": (_add_doctor, _run_doctor),
}

if __name__ == "__main__":
    sys.exit(main())
