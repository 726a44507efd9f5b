# SPDX-License-Identifier: Apache-2.0
"""Cells: what is the same in every episode of one figure; a grid is their product."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from onestep_vla_ros.core.errors import ConfigError, raise_all
from onestep_vla_ros.sim.perturbation import AXES, NO_AXIS
from onestep_vla_ros.sim.rollout import REPLAN_S, Timing
from onestep_vla_ros.sim.stations import task_names
from onestep_vla_ros.sim.tasks import TASKS, task_named

EXPERT = "expert"
"""The `policy` of a cell that the scripted demonstrator runs."""
NO_ABLATION = "none"
ABLATIONS: tuple[str, ...] = (NO_ABLATION, "image", "state", "prompt")
"""What can be taken from the policy; see `ablation.py`."""
SPLICE, PREFIX = "splice", "prefix"
HANDOVERS: tuple[str, ...] = (SPLICE, "blend", "ensemble", PREFIX)
"""The bridge's, and prefix: splice chunks that go on from the waypoints decided already."""
_LATER = {"handover", "max_age_s"}
"""What a cell says that those of older logs do not; they mean its default."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of an evaluation; its episodes differ by seed alone.

    Attributes:
        policy: Checkpoint folder, or `EXPERT`.
        task: Name in `TASKS`.
        steps: Euler steps K, or "auto"; None takes the checkpoint's own.
        noise: Noise mode of the decoder; None takes the checkpoint's own.
        replan_s: Time between two observations handed to the policy [s].
        latency_s: Time from an observation to its chunk reaching the bridge [s].
        timeout_s: Time an episode has [s].
        axis: `NO_AXIS`, or one of `AXES`: how far scenes lie from the demonstrations'.
        ablation: One of `ABLATIONS`.
        handover: How a chunk takes over, one of `HANDOVERS`.
        max_age_s: Oldest observation the bridge takes [s]; None is config/bridge.yaml's.
    """

    policy: str
    task: str
    steps: int | str | None = None
    noise: str | None = None
    replan_s: float = REPLAN_S
    latency_s: float = 0.06
    timeout_s: float = 15.0
    axis: str = NO_AXIS
    ablation: str = NO_ABLATION
    handover: str = SPLICE
    max_age_s: float | None = None

    def __post_init__(self) -> None:
        """Raise `ConfigError` listing everything that cannot be evaluated."""
        allowed = {
            "task": TASKS,
            "axis": (NO_AXIS, *AXES),
            "ablation": ABLATIONS,
            "handover": HANDOVERS,
        }
        faults = [
            f"{name}: got: {getattr(self, name)!r}; allowed: {list(known)}"
            for name, known in allowed.items()
            if getattr(self, name) not in known
        ]
        if not self.replan_s > 0.0 or not self.timeout_s > 0.0 or not self.latency_s >= 0.0:
            got = f"{self.replan_s}, {self.timeout_s}, {self.latency_s} s"
            faults.append(f"replan, timeout, latency: got: {got}; allowed: > 0, > 0, >= 0 s")
        if self.is_expert and (self.steps, self.noise, self.ablation) != (None, None, NO_ABLATION):
            faults.append("the expert has no decoder and no network: leave out steps and ablation")
        if self.handover == PREFIX and (self.is_expert or self.ablation != NO_ABLATION):
            faults.append("handover prefix: allowed: a checkpoint as it is, without ablation")
        if self.max_age_s is not None and not self.max_age_s > 0.0:
            faults.append(f"max_age: got: {self.max_age_s} s; allowed: > 0 s")
        raise_all(ConfigError, "cell", faults, "use the allowed values")

    @property
    def is_expert(self) -> bool:
        """Does the scripted demonstrator run it?"""
        return self.policy == EXPERT

    @property
    def timing(self) -> Timing:
        """When chunks are asked for and how late they come."""
        return Timing(self.replan_s, self.latency_s, self.timeout_s)

    def to_json(self) -> dict[str, object]:
        """Return its attributes as JSON."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, object]) -> Cell:
        """Return the cell that `to_json` wrote; raise `ConfigError` on anything else."""
        names = {f.name for f in fields(Cell)}
        if not names - _LATER <= set(data) <= names:
            raise ConfigError("cell has other keys", got=sorted(data), allowed=sorted(names))
        return Cell(**data)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Axes:
    """Values along each dimension of a grid; the first of each makes the reference cell.

    Attributes:
        timeout_s: Time an episode has [s]; None takes each task's own.
    """

    policies: tuple[str, ...]
    tasks: tuple[str, ...]
    steps: tuple[int | str | None, ...] = (None,)
    noises: tuple[str | None, ...] = (None,)
    replans_s: tuple[float, ...] = (REPLAN_S,)
    latencies_s: tuple[float, ...] = (0.06,)
    axes: tuple[str, ...] = (NO_AXIS,)
    ablations: tuple[str, ...] = (NO_ABLATION,)
    handovers: tuple[str, ...] = (SPLICE,)
    timeout_s: float | None = None
    max_age_s: float | None = None

    def cells(self) -> tuple[Cell, ...]:
        """Return the product of all values, task by task, without repetitions.

        The expert beside checkpoints runs once for all steps, noises and ablations, and splices
        where they go on from a prefix.

        Raises:
            ConfigError: A value is unknown, or the expert alone is given a decoder.
        """
        tasks = tuple(name for given in self.tasks for name in task_names(given))
        dimensions = (
            tasks,
            self.policies,
            self.steps,
            self.noises,
            self.replans_s,
            self.latencies_s,
            self.axes,
            self.ablations,
            self.handovers,
        )
        is_mixed = set(self.policies) != {EXPERT}
        found: dict[Cell, None] = {}
        for task, policy, k, noise, replan_s, latency_s, axis, out, over in itertools.product(
            *dimensions
        ):
            if policy == EXPERT and is_mixed:
                k, noise, out = None, None, NO_ABLATION
                over = SPLICE if over == PREFIX else over
            limit_s = task_named(task).timeout_s if self.timeout_s is None else self.timeout_s
            own = (policy, task, k, noise, replan_s, latency_s, limit_s, axis, out, over)
            found[Cell(*own, self.max_age_s)] = None
        return tuple(found)


def label(cell: Cell, among: Sequence[Cell]) -> str:
    """Return words for what sets `cell` apart from the others, "all" when nothing does."""
    varied = [name for name in _WORDS if len({getattr(c, name) for c in among}) > 1]
    return ", ".join(words(name, getattr(cell, name)) for name in varied) or "all"


def words(dimension: str, value: Any) -> str:  # noqa: ANN401 - of any attribute of a cell
    """Return how a value of a dimension of `Cell` reads in a table."""
    return _WORDS[dimension](value)


def short_policy(policy: str) -> str:
    """Return a checkpoint's folder name, its run's when the folder is called "checkpoint"."""
    path = Path(policy)
    return path.parent.name if path.name == "checkpoint" else path.name


_WORDS: Mapping[str, Callable[[Any], str]] = {
    "task": str,
    "policy": short_policy,
    "steps": lambda k: "no decoder" if k is None else f"K={k}",
    "noise": lambda noise: "no noise" if noise is None else f"noise {noise}",
    "replan_s": lambda s: f"replan {s:g} s",
    "latency_s": lambda s: f"latency {s:g} s",
    "timeout_s": lambda s: f"limit {s:g} s",
    "axis": lambda axis: "as trained" if axis == NO_AXIS else f"axis {axis}",
    "ablation": lambda part: "whole" if part == NO_ABLATION else f"without {part}",
    "handover": str,
    "max_age_s": lambda s: "usual age limit" if s is None else f"age limit {s:g} s",
}
"""How each dimension reads in a table, in the order of its words."""
