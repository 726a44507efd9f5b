# SPDX-License-Identifier: Apache-2.0
"""The plan: one curve on the clock, replaced by splicing, always ending at rest."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.curve import Curve
from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.spline import Spline
from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected, Verdict

_ROUNDING_S = 1e-9


class Plan:
    """Where the arms should be at a given time, as long as there is a chunk.

    Args:
        limits: Limits that joining a new chunk should respect.
        jump_limit: Largest step from the plan to a chunk's first usable waypoint, (J,).
        lead_s: Waypoints due sooner than this after the splice are dropped [s].
        min_waypoints: A chunk with fewer usable waypoints is late.
    """

    def __init__(
        self,
        limits: Limits,
        jump_limit: NDArray[np.float64],
        lead_s: float,
        min_waypoints: int,
    ) -> None:
        self._limits = limits
        self._jump_limit = jump_limit
        self._lead_s = lead_s
        self._min_waypoints = min_waypoints
        self.clear()

    @property
    def is_active(self) -> bool:
        """Is there a curve, run out or not?"""
        return self._curve is not None

    @property
    def stamp_s(self) -> float:
        """Capture time of the observation the plan rests on; nan without a plan [s]."""
        return self._stamp_s

    @property
    def end_s(self) -> float:
        """Time from which the plan rests; -inf without a plan [s]."""
        return self._curve.end_s if self._curve else -math.inf

    def clear(self) -> None:
        """Forget the curve."""
        self._curve: Curve | None = None
        self._stamp_s = math.nan

    def sample(self, t_s: float) -> NDArray[np.float64] | None:
        """Return q, qd, qdd wanted at `t_s`, (3, J), or None without a plan."""
        return self._curve.sample(t_s) if self._curve else None

    def splice(self, chunk: Chunk, at_s: float, state: NDArray[np.float64]) -> Verdict:
        """Replace the future from `at_s` on by `chunk`, joining `state` with q, qd, qdd.

        The waypoint before the first usable one only shapes the curve there; where the
        chunk has none, the first two are continued backwards.

        Args:
            chunk: Waypoints (T, J) that passed the gate.
            at_s: Time of `state`, the commanded one [s].
            state: Commanded q, qd, qdd at `at_s`, (3, J).

        Returns:
            `LATE` or `JUMP` when it does not fit; the old curve is then untouched.
        """
        due_from = (at_s + self._lead_s - chunk.stamp_s) / chunk.period_s - 1.0
        first = max(math.ceil(due_from - _ROUNDING_S), 0)
        usable = len(chunk.q) - first
        if usable < self._min_waypoints:
            detail = (
                f"{max(usable, 0)} of {len(chunk.q)} waypoints left, allowed {self._min_waypoints}"
            )
            return Rejected(Reason.LATE, detail)
        due_s = chunk.stamp_s + (first + 1) * chunk.period_s
        present = self.sample(due_s)
        step = np.abs(chunk.q[first] - (state if present is None else present)[0])
        if (step > self._jump_limit).any():
            j = int((step / self._jump_limit).argmax())
            allowed = f"{self._jump_limit[j]:.3f}"
            return Rejected(Reason.JUMP, f"joint {j} by {step[j]:.3f}, allowed {allowed}")
        self._curve = Curve(_spline(chunk, first, at_s), at_s, state, self._limits)
        self._stamp_s = chunk.stamp_s
        return Accepted(f"{usable} waypoints from {due_s:.3f} s")


def _spline(chunk: Chunk, first: int, at_s: float) -> Spline:
    """Return the spline through the waypoints from `first` on that covers `at_s`."""
    period = chunk.period_s
    due_s = chunk.stamp_s + (first + 1) * period
    lead_in = max(math.ceil((due_s - at_s) / period - _ROUNDING_S), 1)
    kept = max(first - lead_in, 0)
    q = chunk.q[kept:]
    missing = lead_in - (first - kept)
    if missing > 0:
        back = np.arange(missing, 0, -1.0)[:, None]
        q = np.concatenate([q[0] - back * (q[1] - q[0]), q])
    return Spline(q, due_s - lead_in * period, period)
