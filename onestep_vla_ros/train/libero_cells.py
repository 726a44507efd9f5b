# SPDX-License-Identifier: Apache-2.0
"""Cells of LIBERO: what is the same in every episode of one of its tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from onestep_vla_ros.core.embodiment import LIBERO_PANDA
from onestep_vla_ros.core.errors import CheckpointError, ConfigError, raise_all
from onestep_vla_ros.policy.contract import Contract
from onestep_vla_ros.policy.policy import load_policy
from onestep_vla_ros.sim.libero_suites import check_suite, open_task, task_count
from onestep_vla_ros.sim.libero_world import PERIOD_S, RENDERINGS, camera_specs
from onestep_vla_ros.train.cells import EXPERT

REPLAN = 8
"""Actions of a chunk that are carried out before the next, 0.4 s."""
_LATER = {"steps", "noise", "replan"}
"""What a cell says that those of older logs do not; they mean its default."""


@dataclass(frozen=True, slots=True)
class LiberoCell:
    """One task of a suite; its episodes differ by their initial state alone.

    Attributes:
        suite: Of `libero_suites.SUITES`.
        task: Its place in the suite, from 0.
        policy: Checkpoint folder, or `EXPERT`, the scripted demonstrator.
        rendering: Of `libero_world.RENDERINGS`.
        steps: Euler steps K, or "auto"; None takes the checkpoint's own.
        noise: Noise mode of the decoder; None takes the checkpoint's own.
        replan: Actions that are carried out of every chunk.
    """

    suite: str
    task: int
    policy: str = EXPERT
    rendering: str = "full"
    steps: int | str | None = None
    noise: str | None = None
    replan: int = REPLAN

    @property
    def is_expert(self) -> bool:
        """Does the scripted demonstrator run it?"""
        return self.policy == EXPERT

    def __post_init__(self) -> None:
        """Raise `ConfigError` listing everything that cannot be evaluated."""
        check_suite(self.suite)
        faults = []
        if self.rendering not in RENDERINGS:
            faults.append(f"rendering: got: {self.rendering!r}; allowed: {list(RENDERINGS)}")
        if self.is_expert and (self.steps, self.noise) != (None, None):
            faults.append("the expert has no decoder: leave out steps and noise")
        if self.replan < 1:
            faults.append(f"replan: got: {self.replan}; allowed: >= 1 action")
        raise_all(ConfigError, "cell of LIBERO", faults, "use the allowed values")

    def to_json(self) -> dict[str, object]:
        """Return its attributes as JSON."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, object]) -> LiberoCell:
        """Return the cell that `to_json` wrote; raise `ConfigError` on anything else."""
        names = {f.name for f in fields(LiberoCell)}
        if not names - _LATER <= set(data) <= names:
            raise ConfigError("cell has other keys", got=sorted(data), allowed=sorted(names))
        return LiberoCell(**data)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Decodings:
    """Who acts, and how chunks are decoded: a cell of each task for each of `steps`.

    Attributes:
        policy: As in `LiberoCell`.
        steps: Decoder steps; the first makes the reference.
        noise: As in `LiberoCell`.
        replan: As in `LiberoCell`.
    """

    policy: str
    steps: tuple[int | str | None, ...] = (None,)
    noise: str | None = None
    replan: int = REPLAN


def cells_of(
    suite: str, tasks: Sequence[int], decodings: Decodings, rendering: str
) -> tuple[LiberoCell, ...]:
    """Return the cells of a suite's tasks, all of one number of steps before the next.

    Args:
        suite: Of `libero_suites.SUITES`.
        tasks: Places in the suite; () for all.
        decodings: Who acts.
        rendering: As in `LiberoCell`.

    Raises:
        ConfigError: The suite, a task or the rendering is unknown, steps or noise cannot be used,
            or LIBERO is not installed.
        CheckpointError: The checkpoint is missing, damaged or of another robot.
    """
    of = decodings
    begun = [
        LiberoCell(suite, 0, of.policy, rendering, steps, of.noise, of.replan)
        for steps in dict.fromkeys(of.steps)
    ]
    count = task_count(suite)
    wrong = [task for task in tasks if not 0 <= task < count]
    if wrong:
        raise ConfigError(f"task of suite {suite}", got=wrong, allowed=f"0 to {count - 1}")
    resolved = dict.fromkeys(resolve(cell) for cell in begun)
    return tuple(replace(cell, task=task) for cell in resolved for task in tasks or range(count))


def resolve(cell: LiberoCell) -> LiberoCell:
    """Return `cell` with the checkpoint's own steps and noise where it leaves them open.

    Raises:
        CheckpointError: The checkpoint is missing, damaged or of another robot.
        ConfigError: Steps, noise or replan cannot be used.
    """
    if cell.is_expert:
        return cell
    policy = load_policy(Path(cell.policy), steps=cell.steps, noise=cell.noise)
    check_contract(cell.policy, policy.contract)
    if cell.replan > policy.contract.horizon:
        allowed = f"1 to {policy.contract.horizon}, the horizon of {cell.policy}"
        raise ConfigError("actions carried out of a chunk", got=cell.replan, allowed=allowed)
    decoding = policy.checkpoint.decoding
    return replace(cell, steps=decoding.steps, noise=decoding.noise)


def check_contract(name: str, contract: Contract) -> None:
    """Raise `CheckpointError` when a checkpoint of this contract cannot act in LIBERO."""
    robot = contract.embodiment
    if robot != LIBERO_PANDA:
        raise CheckpointError(
            f"{name} is for another robot",
            got=f"{robot.name}, {len(robot.action_names)} actions",
            allowed=f"{LIBERO_PANDA.name}, {len(LIBERO_PANDA.action_names)} actions",
            do="name a checkpoint trained on LIBERO's demonstrations",
        )
    cameras = camera_specs(contract.cameras[0].height)
    contract.check(LIBERO_PANDA.action_names, cameras, PERIOD_S)


def check_states(cells: Sequence[LiberoCell], seeds: range) -> None:
    """Raise `ConfigError` when a task has no initial state for one of `seeds`."""
    for cell in cells:
        task = open_task(cell.suite, cell.task)
        task.state(seeds[0])
        task.state(seeds[-1])
