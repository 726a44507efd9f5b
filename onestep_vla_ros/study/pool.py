# SPDX-License-Identifier: Apache-2.0
"""The episodes of one place in a study's table, over all training seeds, and two such places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.trials import Paired, wilson

Key = tuple[int, str, int]
"""(Seed of the training, task, seed of the episode)."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Outcomes of cells that differ in the training seed alone.

    Attributes:
        outcomes: Key to success, at least one.
        wrong: Episodes in which something was done that was not asked for.
    """

    outcomes: Mapping[Key, bool]
    wrong: int

    @staticmethod
    def of(episodes: Mapping[int, Sequence[Episode]], task: str = "") -> Pool:
        """Return the pool of a training seed's episodes, by training seed."""
        outcomes = {(s, task, e.seed): e.success for s, found in episodes.items() for e in found}
        return Pool(outcomes, sum(e.wrong_object for found in episodes.values() for e in found))

    @staticmethod
    def joined(pools: Sequence[Pool]) -> Pool:
        """Return all episodes of pools of different tasks as one."""
        outcomes = {key: ok for pool in pools for key, ok in pool.outcomes.items()}
        return Pool(outcomes, sum(pool.wrong for pool in pools))

    @property
    def trials(self) -> int:
        """Episodes over all training seeds."""
        return len(self.outcomes)

    @property
    def successes(self) -> int:
        """Successes over all training seeds."""
        return sum(self.outcomes.values())

    @property
    def by_seed(self) -> dict[int, float]:
        """Success rate of each training seed."""
        return {
            seed: _mean([ok for (s, _, _), ok in self.outcomes.items() if s == seed])
            for seed in sorted({s for s, _, _ in self.outcomes})
        }

    @property
    def rate(self) -> float:
        """Mean of the training seeds' success rates."""
        return _mean(list(self.by_seed.values()))

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson 95 % interval of all episodes pooled.

        It knows the scatter of episodes, not that of trainings: `by_seed` shows that.
        """
        return wilson(self.successes, self.trials)

    def to_json(self) -> dict[str, object]:
        """Return its figures."""
        return {
            "episodes": self.trials,
            "successes": self.successes,
            "success_rate": self.rate,
            "interval": list(self.interval),
            "by_training_seed": {str(seed): rate for seed, rate in self.by_seed.items()},
            "wrong_object": self.wrong,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two pools on the episodes both have: same training seed, same task, same episode seed.

    Attributes:
        paired: All of them, the reference first.
        by_seed: Difference of success rates for each training seed.
    """

    paired: Paired
    by_seed: Mapping[int, float]

    def all_seeds(self, sign: int) -> bool:
        """Does the difference have this sign (-1 or 1) for every training seed?"""
        return all(sign * difference > 0.0 for difference in self.by_seed.values())

    def to_json(self) -> dict[str, object]:
        """Return its figures."""
        return {
            "pairs": self.paired.trials,
            "difference": self.paired.difference,
            "interval": list(self.paired.interval),
            "mcnemar_p": self.paired.p,
            "by_training_seed": {str(seed): d for seed, d in self.by_seed.items()},
        }


def compare(reference: Pool, other: Pool) -> Comparison | None:
    """Return `other` against `reference`; None when they share no episode."""
    keys = sorted(reference.outcomes.keys() & other.outcomes.keys())
    if not keys:
        return None
    first, second = ([pool.outcomes[k] for k in keys] for pool in (reference, other))
    differences: dict[int, list[int]] = {}
    for (seed, _, _), a, b in zip(keys, first, second, strict=True):
        differences.setdefault(seed, []).append(int(b) - int(a))
    return Comparison(
        Paired.count(first, second), {s: sum(d) / len(d) for s, d in differences.items()}
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
