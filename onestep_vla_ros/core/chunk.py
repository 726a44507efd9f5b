# SPDX-License-Identifier: Apache-2.0
"""An action chunk: waypoints on their own clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ChunkError


@dataclass(frozen=True, slots=True)
class Chunk:
    """Waypoints `q[i]` due at `stamp_s + (i + 1) * period_s`.

    Attributes:
        q: Absolute positions, (T, J) [rad, gripper 0..1]. May hold anything a policy
            sends, NaN included: `ChunkGate` judges the values, this class the form.
        stamp_s: Capture time of the oldest observation used [s]; the chunk's identity.
        period_s: Time between waypoints [s], > 0.
    """

    q: NDArray[np.float64]
    stamp_s: float
    period_s: float

    def __post_init__(self) -> None:
        """Copy `q` read-only; raise `ChunkError` when it is not a (T, J) array of numbers."""
        try:
            q = np.array(self.q, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ChunkError(
                "chunk is not numeric", got=str(error), allowed="(T, J) numbers"
            ) from None
        if q.ndim != 2:
            raise ChunkError("chunk has the wrong shape", got=q.shape, allowed="(T, J)")
        q.flags.writeable = False
        object.__setattr__(self, "q", q)

    @property
    def times_s(self) -> NDArray[np.float64]:
        """Due times of the waypoints, (T,) [s]."""
        return self.stamp_s + self.period_s * np.arange(1.0, len(self.q) + 1, dtype=np.float64)
