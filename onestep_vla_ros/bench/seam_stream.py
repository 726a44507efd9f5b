# SPDX-License-Identifier: Apache-2.0
"""A made-up policy for the hand-over study: it knows the wished motion, with an error a chunk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.joints import DOF, GRIPPER_INDEX

_POINTS, _PERIOD_S = 16, 0.08
_HOME = np.array([0.0, 1.047, 1.047, 0.0, 0.0, 0.0, 0.5] * 2)
_LONGEST_DELAY_S = 0.4
_OFFSET_RAD, _DRIFT_RAD_S = 0.02, 0.03


@dataclass(frozen=True, slots=True)
class HandOver:
    """A chunk and when it reaches the bridge [s]."""

    chunk: Chunk
    arrival_s: float


class Stream:
    """Chunks one after the other, each observed once the one before has arrived.

    The wish is a sum of three sines a joint, 0.1 to 0.6 Hz. A chunk is the wish from its
    observation on, off by a constant (0.02 rad standard deviation) and a drift (0.03 rad/s),
    as two inferences of one policy disagree. It arrives 0 to 400 ms after its observation.

    Args:
        seed: Of everything that is random.
        hand_overs: Number of chunks.
        tick_s: Control period [s].

    Attributes:
        home: Where the arms stand at time 0, (14,).
        hand_overs: The chunks, by arrival.
        ticks_s: Times of the control ticks, to one second after the last arrival, (N,) [s].
    """

    def __init__(self, seed: int, hand_overs: int, tick_s: float) -> None:
        rng = np.random.default_rng(seed)
        self._amplitude = rng.uniform(0.05, 0.2, (3, DOF))
        self._amplitude[:, list(GRIPPER_INDEX)] *= 0.6
        self._omega = 2.0 * np.pi * rng.uniform(0.1, 0.6, (3, DOF))
        self._phase = rng.uniform(0.0, 2.0 * np.pi, (3, DOF))
        self.home: NDArray[np.float64] = self.wish(0.0)
        self.hand_overs = []
        now_s = tick_s
        for i in range(hand_overs):
            # the first comes at once: the arms wait at home and the wish must not run away
            arrival_s = now_s + (rng.uniform(0.0, _LONGEST_DELAY_S) if i else 0.0)
            ahead = _PERIOD_S * np.arange(1, _POINTS + 1)
            q = self.wish(now_s + ahead) + rng.normal(0.0, _OFFSET_RAD, DOF)
            q += ahead[:, None] * rng.normal(0.0, _DRIFT_RAD_S, DOF)
            self.hand_overs.append(HandOver(Chunk(q, now_s, _PERIOD_S), arrival_s))
            now_s = arrival_s + rng.uniform(0.01, 0.05)
        self.ticks_s = tick_s * np.arange(int((now_s + 1.0) / tick_s))

    def wish(self, t_s: ArrayLike) -> NDArray[np.float64]:
        """Return the wished q at `t_s` (...), (..., 14)."""
        t = np.asarray(t_s, dtype=np.float64)[..., None, None]
        waves = self._amplitude * np.sin(self._omega * t + self._phase)
        wish: NDArray[np.float64] = _HOME + waves.sum(axis=-2)
        return wish
