# SPDX-License-Identifier: Apache-2.0
"""The policy's node and its arguments, the same in every graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.deployment import Argument, Arguments, Node
from onestep_vla_ros.files import shipped_checkpoint

_Number = TypeVar("_Number", int, float)

STEPS = Argument(
    "steps",
    "-1",
    "Euler steps K of the decoder, 1 to 100; auto: one, ten where the scene is ambiguous; "
    "-1: the checkpoint's own",
)
NOISE = Argument(
    "noise",
    "checkpoint",
    "Starting noise of the decoder; checkpoint: the checkpoint's own",
    ("checkpoint", "zero", "seeded", "sampled", "mean_k"),
)


def integer(arguments: Arguments, name: str) -> int:
    """Return an argument as a number; raise `ConfigError` when it is no integer."""
    return _read(int, arguments, name, "integer", "1")


def number(arguments: Arguments, name: str) -> float:
    """Return an argument as a number; raise `ConfigError` when it is none."""
    return _read(float, arguments, name, "number", "0.5")


def _read(
    kind: Callable[[str], _Number], arguments: Arguments, name: str, word: str, example: str
) -> _Number:
    try:
        return kind(arguments[name])
    except ValueError:
        raise ConfigError(
            f"argument {name!r} is no {word}",
            got=repr(arguments[name]),
            allowed=f"for example {example}",
        ) from None


def policy(
    arguments: Arguments,
    *,
    use_sim_time: bool,
    config: tuple[str, ...] = (),
    checkpoint: Path | None = None,
) -> Node:
    """Return the policy's node.

    Args:
        arguments: With checkpoint, steps, noise and replan.
        use_sim_time: Does time come from /clock?
        config: Files that are read after policy.yaml.
        checkpoint: Taken when none is given; None for the shipped one.
    """
    given = arguments["checkpoint"]
    folder = Path(given).resolve() if given else checkpoint or shipped_checkpoint()
    return Node(
        "policy_node",
        "policy",
        config=("policy.yaml", *config),
        parameters={
            "checkpoint": str(folder),
            "steps": 0 if arguments["steps"] == "auto" else integer(arguments, "steps"),
            "replan_period_s": number(arguments, "replan"),
            "noise": arguments["noise"],
            "autostart": True,
            "use_sim_time": use_sim_time,
        },
    )
