# SPDX-License-Identifier: Apache-2.0
"""Temporal ensembling: the mean of what the newest chunks say about the same moment."""

from __future__ import annotations

from collections import deque

import numpy as np

from onestep_vla_ros.core.chunk import Chunk


class Ensemble:
    """Keeps the last chunks and averages them with a new one at its waypoints.

    Weights are `exp(-decay i)` with i = 0 for the oldest chunk that covers the waypoint, as in
    Zhao et al., "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware" (2023),
    section IV-B. Between a chunk's waypoints it is read linearly.

    Args:
        size: Chunks that count, the newest one included.
        decay: How much less a newer chunk weighs; negative favours the newest.
    """

    def __init__(self, size: int, decay: float) -> None:
        self._chunks: deque[Chunk] = deque(maxlen=size - 1)
        self._decay = decay

    def clear(self) -> None:
        """Forget all chunks."""
        self._chunks.clear()

    def add(self, chunk: Chunk) -> None:
        """Keep `chunk`, the newest, for the means to come."""
        self._chunks.append(chunk)

    def mean(self, chunk: Chunk) -> Chunk:
        """Return `chunk` with every waypoint averaged with those of the kept chunks."""
        times = chunk.times_s
        total, weights = np.zeros_like(chunk.q), np.zeros(len(times))
        counts = np.zeros(len(times))
        for member in (*self._chunks, chunk):
            due = member.times_s
            covers = (times >= due[0]) & (times <= due[-1])
            weight = np.where(covers, np.exp(-self._decay * counts), 0.0)
            read = np.stack([np.interp(times, due, column) for column in member.q.T], axis=1)
            total += weight[:, None] * read
            weights += weight
            counts += covers
        return Chunk(total / weights[:, None], chunk.stamp_s, chunk.period_s)
