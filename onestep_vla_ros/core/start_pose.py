# SPDX-License-Identifier: Apache-2.0
"""The start pose: may the policy start from here, and if not, the slow way there."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.rules import StateRules
from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected, Verdict

_PEAK = 1.875
"""Peak velocity of the minimum-jerk profile, in units of distance / duration."""


class StartPose:
    """Judges a measured pose by where the policy was trained to start, and leads there.

    The way is the minimum-jerk profile `s = 10 u^3 - 15 u^4 + 6 u^5` (Flash and Hogan, 1985),
    all joints together, no joint faster than its share: the slowest moves at most at
    `start_velocity`, the others in proportion to their limits.
    """

    def __init__(self, config: BridgeConfig | StateRules) -> None:
        self._config = config
        limits = np.array(config.max_velocity)
        self._speed = limits * (config.start_velocity / limits.min())
        self._low: NDArray[np.float64] | None = None
        self._high = np.full(len(limits), math.inf)
        self._goal: NDArray[np.float64] | None = None
        self.interrupt()

    @property
    def is_under_way(self) -> bool:
        """Is there a pose still to be reached?"""
        return self._goal is not None

    def take(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> Verdict:
        """Take the range of poses, (14,) each, in which the policy may start."""
        low, high = np.array(low, dtype=np.float64), np.array(high, dtype=np.float64)
        form = self._high.shape
        if low.shape != form or high.shape != form:
            detail = f"start poses of shape {low.shape} and {high.shape}, allowed {form}"
            return Rejected(Reason.MALFORMED, detail)
        if not (np.isfinite(low).all() and np.isfinite(high).all() and (low <= high).all()):
            return Rejected(Reason.MALFORMED, "start poses must be finite and low <= high")
        self._low, self._high = low, high
        return Accepted()

    def judge(self, q: NDArray[np.float64]) -> Verdict:
        """Return whether the arms may be enabled at `q` (14,); sets the way when it ramps."""
        self.forget_way()
        if self._config.start_check == "off":
            return Accepted()
        if self._low is None:
            return Rejected(
                Reason.START_POSE,
                "no policy has said where it starts (policy/start_pose); start one, or set "
                "start_check: off",
            )
        goal = np.clip(q, self._low, self._high)
        away = np.abs(goal - q)
        j = int(away.argmax())
        if away[j] <= self._config.start_tolerance:
            return Accepted()
        words = (
            f"{self._config.joint_names[j]} is at {q[j]:.3f}, the policy starts at "
            f"{self._low[j]:.3f} to {self._high[j]:.3f}"
        )
        if self._config.start_check == "refuse":
            do = "move it there or set start_check: ramp"
            return Rejected(Reason.START_POSE, f"{words}; {do}")
        self._goal = goal
        return Accepted(f"going to the start pose first: {words}")

    def forget_way(self) -> None:
        """Want to go nowhere any more."""
        self._goal = None
        self.interrupt()

    def interrupt(self) -> None:
        """Stop following the way; `sample` begins a new one to the same goal."""
        self._from: NDArray[np.float64] | None = None
        self._since_s = self._duration_s = 0.0

    def remaining(self, now_s: float) -> str:
        """Return in words that the start pose is still to be reached, "" when it is not."""
        if self._goal is None:
            return ""
        if self._from is None:
            return "going to the start pose"
        left = max(self._since_s + self._duration_s - now_s, 0.0)
        return f"going to the start pose, {left:.1f} s left"

    def sample(self, t_s: float, state: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return q, qd, qdd wanted at `t_s` on the way from where it began, (3, 14).

        Args:
            t_s: Time [s].
            state: Commanded q, qd, qdd, (3, 14), at rest when a way begins.
        """
        if self._goal is None:
            return state
        if self._from is None:
            self._from, self._since_s = np.array(state[0]), t_s
            self._duration_s = float((_PEAK * np.abs(self._goal - state[0]) / self._speed).max())
        if t_s >= self._since_s + self._duration_s:
            rest = np.zeros_like(self._goal)
            reference = np.stack([self._goal, rest, rest])
            self.forget_way()
            return reference
        u, t = (t_s - self._since_s) / self._duration_s, self._duration_s
        way = self._goal - self._from
        return np.stack(
            [
                self._from + way * (u**3 * (10.0 - 15.0 * u + 6.0 * u * u)),
                way * (30.0 * u * u * (1.0 - u) ** 2 / t),
                way * (60.0 * u * (1.0 - u) * (1.0 - 2.0 * u) / (t * t)),
            ]
        )
