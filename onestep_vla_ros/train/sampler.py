# SPDX-License-Identifier: Apache-2.0
"""Which frames a step reads: a function of (seed, step, rank) alone, each task with its share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ConfigError


class Sampler:
    """Draws frames epoch by epoch.

    An epoch is as long as all pools together; of these draws every task gets its share. A task
    whose share is larger than its pool is gone through more than once, one whose share is
    smaller shows a part of its pool, another one in every epoch.

    Args:
        pools: Frame indices of every task, (n,) each; an index may stand there repeatedly.
        shares: Part of an epoch of every task, relative to the others.
        seed: Seed of the order.
    """

    def __init__(
        self, pools: Sequence[NDArray[np.int64]], shares: Sequence[float], seed: int
    ) -> None:
        empty = [i for i, pool in enumerate(pools) if not len(pool)]
        if empty or not pools:
            raise ConfigError(
                "a task has no frame to train on",
                got=f"tasks {empty}" if pools else "no task",
                do="make more demonstrations, or hold fewer out",
            )
        self._pools, self._seed = list(pools), seed
        self.length = sum(map(len, pools))
        self.counts = _counts(self.length, shares)
        self._epoch: tuple[int, NDArray[np.int64]] | None = None

    def draw(self, size: int, step: int, rank: int = 0, ranks: int = 1) -> NDArray[np.int64]:
        """Return this rank's `size` frames of a step, (size,)."""
        positions = (step * ranks + rank) * size + np.arange(size, dtype=np.int64)
        epochs, offsets = np.divmod(positions, self.length)
        return np.array([self._order(int(e))[o] for e, o in zip(epochs, offsets, strict=True)])

    def _order(self, epoch: int) -> NDArray[np.int64]:
        """Return the frames of an epoch in their order, (length,)."""
        if self._epoch is None or self._epoch[0] != epoch:
            parts = []
            for task, (pool, count) in enumerate(zip(self._pools, self.counts, strict=True)):
                whole, rest = divmod(count, len(pool))
                rng = np.random.default_rng([self._seed, epoch, task])
                parts += [pool] * whole + [rng.permutation(pool)[:rest]]
            rng = np.random.default_rng([self._seed, epoch])
            self._epoch = (epoch, rng.permutation(np.concatenate(parts)))
        return self._epoch[1]


def _counts(length: int, shares: Sequence[float]) -> list[int]:
    """Return whole numbers in the proportion of `shares` that sum to `length`."""
    ends = np.round(length * np.cumsum(shares) / np.sum(shares)).astype(np.int64)
    return [int(n) for n in np.diff(ends, prepend=0)]
