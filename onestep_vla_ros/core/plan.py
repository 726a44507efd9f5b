# SPDX-License-Identifier: Apache-2.0
"""The plan: one curve on the clock, replaced by splicing, always ending at rest."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.blend import Blend, Path
from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.curve import Curve
from onestep_vla_ros.core.ensemble import Ensemble
from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.spline import Spline
from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected, Verdict

_ROUNDING_S = 1e-9


class Plan:
    """Where the arms should be at a given time, as long as there is a chunk.

    Args:
        limits: Limits that joining a new chunk should respect.
        config: How chunks are handed over and what makes one late or a jump.
    """

    def __init__(self, limits: Limits, config: BridgeConfig) -> None:
        self._limits, self._config = limits, config
        self._jump_limit = np.array(config.jump_limit)
        self._ensemble = Ensemble(config.ensemble_size, config.ensemble_decay)
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
    def seam(self) -> NDArray[np.float64] | None:
        """How far the last chunk's first waypoint lay from the plan it replaced, (J,) absolute.

        None when it replaced none.
        """
        return self._seam

    @property
    def end_s(self) -> float:
        """Time from which the plan rests; -inf without a plan [s]."""
        return self._curve.end_s if self._curve else -math.inf

    def problem(self, now_s: float) -> str:
        """Return why the curve may not be followed at `now_s`, "" when it may."""
        age = now_s - self._stamp_s
        if age > self._config.max_plan_age_s:
            allowed = f"{self._config.max_plan_age_s} s"
            return f"the plan's observation is {age:.2f} s old, allowed {allowed}"
        if now_s >= self.end_s:
            return f"the plan of {age:.2f} s ago has run out"
        return ""

    def clear(self) -> None:
        """Forget the curve and the chunks it was made of."""
        self._curve: Path | None = None
        self._seam: NDArray[np.float64] | None = None
        self._stamp_s = math.nan
        self._ensemble.clear()

    def sample(self, t_s: float) -> NDArray[np.float64] | None:
        """Return q, qd, qdd wanted at `t_s`, (3, J), or None without a plan."""
        return self._curve.sample(t_s) if self._curve else None

    def ahead(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where the plan has the arms at `times_s`, (n, J), up to where it ends.

        Args:
            times_s: Rising times [s].
        """
        curve = self._curve
        rows = [curve.sample(t)[0] for t in times_s.tolist() if t < curve.end_s] if curve else []
        return np.array(rows).reshape(len(rows), len(self._jump_limit))

    def splice(self, chunk: Chunk, at_s: float, state: NDArray[np.float64]) -> Verdict:
        """Hand the future from `at_s` on over to `chunk`, joining `state` with q, qd, qdd.

        The waypoint before the first usable one only shapes the curve there; where the
        chunk has none, the first two are continued backwards.

        Args:
            chunk: Waypoints (T, J) that passed the gate.
            at_s: Time of `state`, the commanded one [s].
            state: Commanded q, qd, qdd at `at_s`, (3, J).

        Returns:
            `LATE` or `JUMP` when it does not fit; the old curve is then untouched.
        """
        due_from = (at_s + self._config.splice_lead_s - chunk.stamp_s) / chunk.period_s - 1.0
        first = max(math.ceil(due_from - _ROUNDING_S), 0)
        usable = len(chunk.q) - first
        least = self._config.min_waypoints
        if usable < least:
            detail = f"{max(usable, 0)} of {len(chunk.q)} waypoints left, allowed {least}"
            return Rejected(Reason.LATE, detail)
        due_s = chunk.stamp_s + (first + 1) * chunk.period_s
        present = self.sample(due_s)
        step = np.abs(chunk.q[first] - (state if present is None else present)[0])
        if (step > self._jump_limit).any():
            j = int((step / self._jump_limit).argmax())
            name, allowed = self._config.joint_names[j], f"{self._jump_limit[j]:.3f}"
            return Rejected(Reason.JUMP, f"{name} by {step[j]:.3f}, allowed {allowed}")
        self._seam = None if present is None else step
        self._curve = self._hand_over(chunk, first, at_s, state)
        self._stamp_s = chunk.stamp_s
        return Accepted(f"{usable} waypoints from {due_s:.3f} s")

    def _hand_over(
        self, chunk: Chunk, first: int, at_s: float, state: NDArray[np.float64]
    ) -> Path:
        """Return the curve that is followed from `at_s` on, by the hand-over chosen."""
        mode = self._config.handover
        if mode == "ensemble":
            mean = self._ensemble.mean(chunk)
            self._ensemble.add(chunk)
            chunk = mean
        spline = _spline(chunk, first, at_s)
        old = self._curve
        if isinstance(old, Blend):
            old = old.after(at_s)
        is_nested = isinstance(old, Blend) and old.is_too_deep
        if mode != "blend" or old is None or at_s >= old.end_s or is_nested:
            return Curve(spline, at_s, state, self._limits)
        new = Curve(spline, at_s, spline.sample(at_s), self._limits)
        return Blend(old, new, at_s, self._config.blend_s)


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
