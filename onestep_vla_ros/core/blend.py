# SPDX-License-Identifier: Apache-2.0
"""The soft hand-over: from the old curve, still frozen, to the new one, free."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_DEEPEST = 4
"""Old curves that are themselves being blended are followed this deep."""


class Path(Protocol):
    """Something with a state at every time that rests from `end_s` on."""

    @property
    def end_s(self) -> float:
        """Time from which it rests [s]."""

    def sample(self, t_s: float) -> NDArray[np.float64]:
        """Return q, qd, qdd at `t_s`, (3, J)."""


class Blend:
    """`(1 - w) old + w new` with `w = 10 u^3 - 15 u^4 + 6 u^5`, `u = (t - start) / duration`.

    w, w' and w'' vanish at the start and w = 1, w' = w'' = 0 at the end, so both joins are C2.

    Args:
        old: What ran until now.
        new: What the newest chunk wants.
        start_s: Time at which the new one begins to count [s].
        duration_s: Time until only the new one counts [s], > 0.
    """

    def __init__(self, old: Path, new: Path, start_s: float, duration_s: float) -> None:
        self._old, self._new = old, new
        self._start_s, self._duration_s = start_s, duration_s
        self.depth = 1 + getattr(old, "depth", 0)
        """How many curves are being blended into one another."""
        self.end_s = max(new.end_s, start_s + duration_s)

    @property
    def is_too_deep(self) -> bool:
        """Would blending this one into yet another cost a tick too much?"""
        return self.depth >= _DEEPEST

    def after(self, t_s: float) -> Path:
        """Return what still counts at `t_s`: this, or the new one alone."""
        return self._new if t_s >= self._start_s + self._duration_s else self

    def sample(self, t_s: float) -> NDArray[np.float64]:
        """Return q, qd, qdd at `t_s`, (3, J)."""
        new = self._new.sample(t_s)
        if t_s >= self._start_s + self._duration_s:
            return new
        old = self._old.sample(t_s)
        u, t = max((t_s - self._start_s) / self._duration_s, 0.0), self._duration_s
        w = u**3 * (10.0 - 15.0 * u + 6.0 * u * u)
        wd = 30.0 * u * u * (1.0 - u) ** 2 / t
        wdd = 60.0 * u * (1.0 - u) * (1.0 - 2.0 * u) / (t * t)
        gap = new - old
        return np.stack(
            [
                old[0] + w * gap[0],
                old[1] + w * gap[1] + wd * gap[0],
                old[2] + w * gap[2] + 2.0 * wd * gap[1] + wdd * gap[0],
            ]
        )
