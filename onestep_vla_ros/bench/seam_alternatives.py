# SPDX-License-Identifier: Apache-2.0
"""Reference models of how chunks are commonly handed over; clock-indexed, which favours them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.chunk import Chunk


class HardSwap:
    """The newest chunk takes over at once; positions are interpolated linearly.

    This is what a joint_trajectory_controller makes of position-only messages, and what a
    client does that plays the newest chunk from the waypoint that is due.

    Args:
        home: Commanded until the first chunk, (14,).
    """

    def __init__(self, home: NDArray[np.float64]) -> None:
        self._home = home
        self._chunk: Chunk | None = None

    def on_chunk(self, chunk: Chunk, now_s: float) -> None:
        """Take over."""
        self._chunk = chunk

    def command(self, now_s: float) -> NDArray[np.float64]:
        """Return q (14,) at `now_s`."""
        return self._home if self._chunk is None else _read(self._chunk, now_s)


class LinearBlend:
    """Old and new motion are mixed by a weight that rises linearly from the arrival on.

    A chunk that comes before the last blend has ended blends from that mixture on.

    Args:
        home: Commanded until the first chunk, (14,).
        blend_s: Time until only the new one counts [s].
    """

    def __init__(self, home: NDArray[np.float64], blend_s: float) -> None:
        self._home, self._blend_s = home, blend_s
        self._mixed: list[tuple[Chunk, float]] = []

    def on_chunk(self, chunk: Chunk, now_s: float) -> None:
        """Begin to mix the chunk in; forget those that no longer count."""
        while len(self._mixed) > 1 and self._weight(now_s, self._mixed[1][1]) == 1.0:
            self._mixed.pop(0)
        self._mixed.append((chunk, now_s))

    def command(self, now_s: float) -> NDArray[np.float64]:
        """Return q (14,) at `now_s`."""
        q = self._home
        for chunk, since_s in self._mixed:
            weight = self._weight(now_s, since_s)
            q = (1.0 - weight) * q + weight * _read(chunk, now_s)
        return q

    def _weight(self, now_s: float, since_s: float) -> float:
        return min((now_s - since_s) / self._blend_s, 1.0)


def _read(chunk: Chunk, t_s: float) -> NDArray[np.float64]:
    return np.array([np.interp(t_s, chunk.times_s, column) for column in chunk.q.T])
