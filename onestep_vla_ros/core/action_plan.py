# SPDX-License-Identifier: Apache-2.0
"""The plan of an arm that takes increments: one action a control period, then none."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.delta_config import DeltaConfig
from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected, Verdict

_ROUNDING = 1e-6
"""Of times, in periods: a tick half-way between two actions takes the same one every time."""


class ActionPlan:
    """Which action begins when; what `core.plan.Plan` is for positions.

    Action `i` of a chunk begins at `stamp_s + (i + 1) * period_s`, when a waypoint of that
    number would be due, and lasts one period. An increment belongs to its period: none is ever
    interpolated, delayed or carried out twice. Actions whose time is past are dropped.

    Args:
        config: Control period, ages and names.
    """

    def __init__(self, config: DeltaConfig) -> None:
        self._config = config
        self._count = len(config.action_names)
        self.clear()

    @property
    def is_active(self) -> bool:
        """Is there a chunk, run out or not?"""
        return bool(self._chunks)

    @property
    def stamp_s(self) -> float:
        """Capture time of the observation the plan rests on; nan without a plan [s]."""
        return self._chunks[-1].stamp_s if self._chunks else math.nan

    @property
    def seam(self) -> NDArray[np.float64] | None:
        """Always None: between increments there is no seam."""
        return None

    @property
    def end_s(self) -> float:
        """Time at which the last action ends; -inf without a plan [s]."""
        if not self._chunks:
            return -math.inf
        last = self._chunks[-1]
        return last.stamp_s + (len(last.q) + 1) * self._config.control_period_s

    def problem(self, now_s: float) -> str:
        """Return why the plan may not be followed at `now_s`, "" when it may."""
        age = now_s - self.stamp_s
        if age > self._config.max_plan_age_s:
            allowed = f"{self._config.max_plan_age_s} s"
            return f"the plan's observation is {age:.2f} s old, allowed {allowed}"
        if self._chunks and self._index(self._chunks[-1], now_s) >= len(self._chunks[-1].q):
            return f"the actions of {age:.2f} s ago have run out"
        return ""

    def clear(self) -> None:
        """Forget the chunks."""
        self._chunks: tuple[Chunk, ...] = ()

    def sample(self, t_s: float) -> NDArray[np.float64] | None:
        """Return the action that ends at `t_s` over two rows of zeros, (3, J), or None."""
        begin_s = t_s - self._config.control_period_s
        for chunk in reversed(self._chunks):
            index = self._index(chunk, begin_s)
            if index >= len(chunk.q):
                return None
            if index >= 0:
                state = np.zeros((3, self._count))
                state[0] = chunk.q[index]
                return state
        return None

    def ahead(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return none, (0, J): increments are no waypoints that a policy could go on from."""
        return np.zeros((0, self._count))

    def splice(self, chunk: Chunk, at_s: float, state: NDArray[np.float64]) -> Verdict:
        """Have the actions of `chunk` follow from `at_s` on; the others end when its first begins.

        Args:
            chunk: Actions (T, J) that passed the gate.
            at_s: When the next action begins [s].
            state: Unused: an increment goes from wherever the arm is.

        Returns:
            `LATE` when too few are left; the old ones then go on.
        """
        usable = len(chunk.q) - max(self._index(chunk, at_s), 0)
        if usable < self._config.min_waypoints:
            allowed = self._config.min_waypoints
            detail = f"{max(usable, 0)} of {len(chunk.q)} actions left, allowed {allowed}"
            return Rejected(Reason.LATE, detail)
        # the one before it goes on until its own first action is due
        self._chunks = (*self._chunks[-1:], chunk)
        return Accepted(f"{usable} actions")

    def _index(self, chunk: Chunk, begin_s: float) -> int:
        """Return the number of the action that begins nearest to `begin_s`; below 0 for none."""
        due = (begin_s - chunk.stamp_s) / self._config.control_period_s - 1.0
        return math.floor(due + 0.5 + _ROUNDING)
