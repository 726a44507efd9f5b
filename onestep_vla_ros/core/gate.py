# SPDX-License-Identifier: Apache-2.0
"""The gate of action chunks: what a chunk has to be before the plan looks at it."""

from __future__ import annotations

import math

import numpy as np

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.rules import ChunkRules
from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected, Verdict

_LEAST_NORMAL = np.finfo(np.float64).tiny
"""Smaller numbers but zero are damaged memory, not angles; they also slow a processor down."""


class ChunkGate:
    """Judges chunks by form, stamp and range; remembers the newest stamp that was let in."""

    def __init__(self, config: BridgeConfig | ChunkRules) -> None:
        self._config = config
        reach = np.array(config.jump_limit)
        self._low = np.array(config.position_low) - reach
        self._high = np.array(config.position_high) + reach
        self._newest_s = -math.inf

    def forget(self) -> None:
        """Take any stamp as new again: the clock has gone back."""
        self._newest_s = -math.inf

    def let_in(self, chunk: Chunk) -> None:
        """Remember `chunk` as the newest; equal and older stamps are refused from here."""
        self._newest_s = chunk.stamp_s

    def check(self, chunk: Chunk, now_s: float) -> Verdict:
        """Return what `chunk` is worth at `now_s`, cheapest checks first; changes nothing."""
        return self._check_form(chunk) or self._check_stamp(chunk, now_s) or Accepted()

    def _check_form(self, chunk: Chunk) -> Rejected | None:
        config = self._config
        points, joints = chunk.q.shape
        if joints != len(self._low):
            return Rejected(Reason.WRONG_JOINTS, f"{joints} joints, allowed {len(self._low)}")
        if not config.min_waypoints <= points <= config.max_waypoints:
            allowed = f"{config.min_waypoints} to {config.max_waypoints}"
            return Rejected(Reason.WRONG_LENGTH, f"{points} waypoints, allowed {allowed}")
        if not math.isfinite(chunk.stamp_s):
            return Rejected(Reason.NOT_FINITE, f"stamp {chunk.stamp_s} is not finite")
        if not config.min_period_s <= chunk.period_s <= config.max_period_s:
            allowed = f"{config.min_period_s} to {config.max_period_s} s"
            return Rejected(Reason.WRONG_PERIOD, f"period {chunk.period_s} s, allowed {allowed}")
        if points * chunk.period_s > config.max_horizon_s:
            horizon = f"{points * chunk.period_s:.3f} s"
            return Rejected(Reason.HORIZON, f"{horizon} long, allowed {config.max_horizon_s} s")
        is_finite = np.isfinite(chunk.q)
        if not is_finite.all():
            i, j = np.argwhere(~is_finite)[0]
            name = config.joint_names[j]
            return Rejected(Reason.NOT_FINITE, f"waypoint {i} of {name} is {chunk.q[i, j]}")
        is_subnormal = (chunk.q != 0.0) & (np.abs(chunk.q) < _LEAST_NORMAL)
        if is_subnormal.any():
            i, j = np.argwhere(is_subnormal)[0]
            name = config.joint_names[j]
            return Rejected(Reason.DENORMAL, f"waypoint {i} of {name} is {chunk.q[i, j]}")
        is_outside = (chunk.q < self._low) | (chunk.q > self._high)
        if is_outside.any():
            i, j = np.argwhere(is_outside)[0]
            allowed = f"{self._low[j]:.3f} to {self._high[j]:.3f}"
            name = config.joint_names[j]
            detail = f"waypoint {i} of {name} is {chunk.q[i, j]:.3f}, allowed {allowed}"
            return Rejected(Reason.OUT_OF_RANGE, detail)
        return None

    def _check_stamp(self, chunk: Chunk, now_s: float) -> Rejected | None:
        config = self._config
        age = now_s - chunk.stamp_s
        if age < -config.future_tolerance_s:
            allowed = f"{config.future_tolerance_s} s"
            return Rejected(Reason.FUTURE, f"stamp is {-age:.3f} s ahead, allowed {allowed}")
        if chunk.stamp_s == self._newest_s:
            return Rejected(Reason.DUPLICATE, f"chunk of {chunk.stamp_s:.3f} s is already in")
        if chunk.stamp_s < self._newest_s:
            behind = self._newest_s - chunk.stamp_s
            return Rejected(Reason.OLDER, f"{behind:.3f} s older than the newest chunk")
        if age > config.max_observation_age_s:
            allowed = f"{config.max_observation_age_s} s"
            return Rejected(Reason.TOO_OLD, f"observation is {age:.3f} s old, allowed {allowed}")
        return None
