# SPDX-License-Identifier: Apache-2.0
"""What the episodes of each cell say, alone and against the reference cell of their task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.train.cells import Cell
from onestep_vla_ros.train.evaluate import figures
from onestep_vla_ros.train.grid import Results
from onestep_vla_ros.trials import Paired, wilson


@dataclass(frozen=True, slots=True)
class Summary:
    """One cell.

    Attributes:
        cell: The cell.
        episodes: In the order of their seeds, at least one.
        reference: The first cell of the same task; the cell itself for that one.
        paired: Against the reference on the seeds both have; None for the reference itself and
            without such seeds.
    """

    cell: Cell
    episodes: tuple[Episode, ...]
    reference: Cell
    paired: Paired | None

    @property
    def successes(self) -> int:
        """Episodes that succeeded."""
        return sum(e.success for e in self.episodes)

    @property
    def rate(self) -> float:
        """Success rate."""
        return self.successes / len(self.episodes)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson 95 % interval of the success rate."""
        return wilson(self.successes, len(self.episodes))

    @property
    def wrong(self) -> int:
        """Episodes in which something was done that was not asked for."""
        return sum(e.wrong_object for e in self.episodes)

    @property
    def median_s(self) -> float | None:
        """Median simulated time of the successes [s]."""
        done = sorted(e.time_s for e in self.episodes if e.success)
        return done[len(done) // 2] if done else None

    def to_json(self) -> dict[str, object]:
        """Return its figures."""
        paired = self.paired
        return {
            "cell": self.cell.to_json(),
            **figures(self.cell, self.episodes),
            "wrong_object_interval": list(wilson(self.wrong, len(self.episodes))),
            "versus_reference": None
            if paired is None
            else {
                "pairs": paired.trials,
                "gained": paired.gained,
                "lost": paired.lost,
                "difference": paired.difference,
                "interval": list(paired.interval),
                "mcnemar_p": paired.p,
            },
        }


def summarise(results: Results) -> tuple[Summary, ...]:
    """Return a summary of each cell that has episodes, in the order given."""
    references: dict[str, Cell] = {}
    found = []
    for cell, episodes in results.items():
        if not episodes:
            continue
        reference = references.setdefault(cell.task, cell)
        paired = None if reference == cell else pair(results[reference], episodes)
        found.append(Summary(cell, tuple(episodes), reference, paired))
    return tuple(found)


def pair(reference: Sequence[Episode], other: Sequence[Episode]) -> Paired | None:
    """Count the seeds that both ran by outcome; None when there is none."""
    first = {e.seed: e.success for e in reference}
    second = {e.seed: e.success for e in other}
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    return Paired.count([first[s] for s in seeds], [second[s] for s in seeds])
