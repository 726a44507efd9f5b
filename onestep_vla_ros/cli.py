# SPDX-License-Identifier: Apache-2.0
"""The one command, `onestep-vla`: its sub-commands call the layers below.

Imports stay inside the sub-commands: `--help` answers at once, and a machine without ROS or
without MuJoCo can still use the part it has.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from onestep_vla_ros.cli_convert import add_convert, run_convert
from onestep_vla_ros.cli_data import add_demos, add_look, run_demos, run_look
from onestep_vla_ros.cli_measure import (
    add_bench,
    add_faults,
    add_soak,
    run_bench,
    run_faults,
    run_soak,
)
from onestep_vla_ros.cli_study import (
    add_digits,
    add_eval,
    add_study,
    run_digits,
    run_eval,
    run_study,
    steps,
)
from onestep_vla_ros.core.errors import ConfigError, OneStepError
from onestep_vla_ros.files import share_dir, shipped_checkpoint

BAR_MET, BAR_MISSED, WRONG_CALL = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; return 0 when its bar was met, 1 when not, 2 for a wrong call."""
    options = _parser().parse_args(arguments)
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # who read it has seen enough, as `| head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
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


def _add_demo(sub: argparse.ArgumentParser) -> None:
    _add_policy(sub)
    sub.add_argument(
        "--task", default="all", help="one, several with commas between, or all: they take turns"
    )
    sub.add_argument("--episodes", type=int, default=4)
    sub.add_argument("--seed", type=int, default=20, help="episode i runs seed + i")
    sub.add_argument(
        "--mode",
        default="lockstep",
        choices=("lockstep", "realtime"),
        help="lockstep waits for bridge and policy; realtime is paced to the wall clock",
    )
    sub.add_argument("--out", type=Path, default=Path("out/demo"))
    sub.add_argument("--bar", type=float, default=0.75, help="success rate that counts as met")
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


def _add_train(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--config", type=Path, help="YAML (default: config/train_nano.yaml)")
    sub.add_argument(
        "--data", type=Path, nargs="+", help="datasets (default: every folder in data/)"
    )
    sub.add_argument("--out", type=Path, default=Path("out/train"))
    sub.add_argument("--fresh", action="store_true", help="start over instead of resuming")


def _run_train(options: argparse.Namespace) -> int:
    """Train a checkpoint on demonstrations; run again to continue."""
    from onestep_vla_ros.train.dataset_meta import read_folder_meta
    from onestep_vla_ros.train.rollouts import rollouts_of
    from onestep_vla_ros.train.trainer import load_train_config, train

    config = load_train_config(options.config or share_dir() / "config" / "train_nano.yaml")
    data = options.data or sorted(p for p in Path("data").glob("*") if (p / "meta").is_dir())
    if not data:
        raise ConfigError(
            "no demonstrations", got="no dataset in data/", do="onestep-vla demos, or name --data"
        )
    metas = [read_folder_meta(folder, []) for folder in data]
    rollout = rollouts_of([meta.task for meta in metas if meta], config.processes)
    train(config, data, options.out, resume=not options.fresh, rollout=rollout)
    return BAR_MET


def _add_check(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("checkpoint", type=Path, nargs="?", help="folder (default: the shipped one)")
    sub.add_argument(
        "--calibrate",
        type=Path,
        nargs="+",
        metavar="DATA",
        help="measure the ambiguity on these datasets and write the threshold of --steps auto",
    )
    sub.add_argument(
        "--quantile", type=float, default=0.95, help="part of the frames one step shall answer"
    )


def _run_check(options: argparse.Namespace) -> int:
    """Load a checkpoint, verify every hash and print its contract and K table."""
    from onestep_vla_ros.policy.policy import load_policy

    folder = options.checkpoint or shipped_checkpoint()
    if options.calibrate:
        from onestep_vla_ros.train.calibrate import calibrate

        _, words = calibrate(folder, options.calibrate, options.quantile)
        print(f"calibrated on {words}")
    print(load_policy(folder).describe())
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
    sub.add_argument("--steps", type=steps, help="K, or auto (default: the checkpoint's own)")
    sub.add_argument("--noise", help="zero, seeded, sampled or mean_k (default: the checkpoint's)")


def _policy(options: argparse.Namespace) -> Path:
    return Path(options.policy) if options.policy else shipped_checkpoint()


_COMMANDS = {
    "demo": (_add_demo, _run_demo),
    "up": (_add_up, _run_up),
    "demos": (add_demos, run_demos),
    "look": (add_look, run_look),
    "train": (_add_train, _run_train),
    "eval": (add_eval, run_eval),
    "study": (add_study, run_study),
    "digits": (add_digits, run_digits),
    "check": (_add_check, _run_check),
    "convert": (add_convert, run_convert),
    "faults": (add_faults, run_faults),
    "soak": (add_soak, run_soak),
    "bench": (add_bench, run_bench),
    "doctor": (_add_doctor, _run_doctor),
}

if __name__ == "__main__":
    sys.exit(main())
