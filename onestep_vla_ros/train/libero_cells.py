# SPDX-License-Identifier: Apache-2.0
"""Cells of LIBERO: what is the same in every episode of one of its tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from onestep_vla_ros.core.errors import ConfigError, raise_all
from onestep_vla_ros.sim.libero_suites import check_suite, open_task, task_count
from onestep_vla_ros.sim.libero_world import RENDERINGS
from onestep_vla_ros.train.cells import EXPERT


@dataclass(frozen=True, slots=True)
class LiberoCell:
    """One task of a suite; its episodes differ by their initial state alone.

    Attributes:
        suite: Of `libero_suites.SUITES`.
        task: Its place in the suite, from 0.
        policy: `EXPERT`, the scripted demonstrator.
        rendering: Of `libero_world.RENDERINGS`.
    """

    suite: str
    task: int
    policy: str = EXPERT
    rendering: str = "full"

    def __post_init__(self) -> None:
        """Raise `ConfigError` listing everything that cannot be evaluated."""
        check_suite(self.suite)
        faults = []
        if self.rendering not in RENDERINGS:
            faults.append(f"rendering: got: {self.rendering!r}; allowed: {list(RENDERINGS)}")
        if self.policy != EXPERT:
            faults.append(
                f"policy: got: {self.policy!r}; allowed: {EXPERT!r}: a checkpoint of this release "
                "commands 14 joints of two arms, LIBERO's arm takes 7-D end-effector actions"
            )
        raise_all(ConfigError, "cell of LIBERO", faults, "use the allowed values")

    def to_json(self) -> dict[str, object]:
        """Return its attributes as JSON."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, object]) -> LiberoCell:
        """Return the cell that `to_json` wrote; raise `ConfigError` on anything else."""
        names = {f.name for f in fields(LiberoCell)}
        if set(data) != names:
            raise ConfigError("cell has other keys", got=sorted(data), allowed=sorted(names))
        return LiberoCell(**data)  # type: ignore[arg-type]


def cells_of(
    suite: str, tasks: Sequence[int], policy: str, rendering: str
) -> tuple[LiberoCell, ...]:
    """Return a cell for each of a suite's tasks.

    Args:
        suite: Of `libero_suites.SUITES`.
        tasks: Places in the suite; () for all.
        policy: As in `LiberoCell`.
        rendering: As in `LiberoCell`.

    Raises:
        ConfigError: The suite, a task or the rendering is unknown, or LIBERO is not installed.
    """
    count = task_count(suite)
    wrong = [task for task in tasks if not 0 <= task < count]
    if wrong:
        raise ConfigError(f"task of suite {suite}", got=wrong, allowed=f"0 to {count - 1}")
    return tuple(LiberoCell(suite, task, policy, rendering) for task in tasks or range(count))


def check_states(cells: Sequence[LiberoCell], seeds: range) -> None:
    """Raise `ConfigError` when a task has no initial state for one of `seeds`."""
    for cell in cells:
        task = open_task(cell.suite, cell.task)
        task.state(seeds[0])
        task.state(seeds[-1])
