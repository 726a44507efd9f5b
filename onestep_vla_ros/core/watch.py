# SPDX-License-Identifier: Apache-2.0
"""The watch over joint states: is the newest fresh, sane and where the command is?"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.rules import StateRules
from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected, Verdict

_JUMPS_TO_FAULT = 3


class JointStateWatch:
    """Keeps the newest good joint state and says in words what is wrong with the others."""

    def __init__(self, config: BridgeConfig | StateRules) -> None:
        self._config = config
        self._low = np.array(config.position_low) - config.measured_overshoot
        self._high = np.array(config.position_high) + config.measured_overshoot
        self._step_rate = config.state_jump_factor * np.array(config.max_velocity)
        self._error_limit = np.array(config.tracking_error_limit)
        self._is_tracked = bool(np.isfinite(self._error_limit).all())
        kept = math.ceil(config.joint_state_timeout_s / config.control_period_s) + 3
        self._commands: deque[tuple[float, NDArray[np.float64]]] = deque(maxlen=kept)
        self.forget()

    def forget(self) -> None:
        """Drop the newest state: the clock has gone back."""
        self.q: NDArray[np.float64] | None = None
        self.stamp_s = -math.inf
        self._jumps = 0
        self.has_jumped = False
        """Is the newest state one that several in a row jumped to?"""
        self._apart_since_s: float | None = None

    def age_s(self, now_s: float) -> float:
        """Return how old the newest good state is; inf before the first [s]."""
        return now_s - self.stamp_s

    def is_fresh(self, now_s: float) -> bool:
        """Is the newest good state young enough to move by?"""
        return self.age_s(now_s) <= self._config.joint_state_timeout_s

    @property
    def is_jumping(self) -> bool:
        """Was the newest state refused as a jump, so that the one kept may be the wrong one?"""
        return self._jumps > 0

    def take(
        self,
        q: NDArray[np.float64],
        qd: NDArray[np.float64] | None,
        stamp_s: float,
        now_s: float,
    ) -> Verdict:
        """Keep a measured state (J,) if it is good; otherwise the old one stays."""
        values = [q] if qd is None else [q, qd]
        if any(np.shape(value) != self._low.shape for value in values):
            shapes = [np.shape(v) for v in values]
            detail = f"joint state of shape {shapes}, allowed {self._low.shape}"
            return Rejected(Reason.MALFORMED, detail)
        if not all(np.isfinite(value).all() for value in values) or not math.isfinite(stamp_s):
            return Rejected(Reason.NOT_FINITE, "joint state holds a number that is not finite")
        if stamp_s > now_s + self._config.future_tolerance_s:
            return Rejected(Reason.FUTURE, f"joint state is {stamp_s - now_s:.3f} s ahead")
        if stamp_s <= self.stamp_s:
            is_same = stamp_s == self.stamp_s
            reason = Reason.DUPLICATE if is_same else Reason.OLDER
            return Rejected(reason, f"joint state of {stamp_s:.3f} s is not new")
        is_outside = (q < self._low) | (q > self._high)
        if is_outside.any():
            j = int(is_outside.argmax())
            allowed = f"{self._low[j]:.3f} to {self._high[j]:.3f}"
            name = self._config.joint_names[j]
            return Rejected(
                Reason.OUT_OF_RANGE, f"{name} measured at {q[j]:.3f}, allowed {allowed}"
            )
        return self._take_step(np.array(q, dtype=np.float64), stamp_s)

    def _take_step(self, q: NDArray[np.float64], stamp_s: float) -> Verdict:
        if self.q is not None:
            elapsed = max(stamp_s - self.stamp_s, self._config.control_period_s)
            step = np.abs(q - self.q)
            is_jump = step > self._step_rate * elapsed
            self._jumps = self._jumps + 1 if is_jump.any() else 0
            if 0 < self._jumps < _JUMPS_TO_FAULT:
                j = int(is_jump.argmax())
                detail = f"{self._config.joint_names[j]} by {step[j]:.3f} in {elapsed:.3f} s"
                return Rejected(Reason.STATE_JUMP, detail)
        self.has_jumped = self._jumps >= _JUMPS_TO_FAULT
        self.q, self.stamp_s, self._jumps = q, stamp_s, 0
        if self.has_jumped:
            return Rejected(Reason.STATE_JUMP, f"{_JUMPS_TO_FAULT} joint states in a row jump")
        return Accepted()

    def on_command(self, stamp_s: float, q: NDArray[np.float64]) -> None:
        """Remember that q (J,) is commanded for `stamp_s` [s]."""
        if self._is_tracked:
            self._commands.append((stamp_s, q))

    def forget_commands(self) -> None:
        """Forget what was commanded: a run begins."""
        self._commands.clear()
        self._apart_since_s = None

    def gap(self) -> NDArray[np.float64]:
        """Return how far the newest state is from what was commanded for its stamp, (J,)."""
        if self.q is None or not self._commands:
            return np.zeros(len(self._low))
        due = [q for stamp_s, q in self._commands if stamp_s <= self.stamp_s]
        gap: NDArray[np.float64] = np.abs((due[-1] if due else self._commands[0][1]) - self.q)
        return gap

    def displacement(self) -> str:
        """Return which joint is not where it was left, in words, "" when all are."""
        gap = self.gap()
        return self._apart(gap) if (gap > self._error_limit).any() else ""

    def tracking_fault(self, now_s: float) -> str:
        """Return what is wrong when the arms have been off their command too long, else "".

        A stale state says nothing about the arms, so it starts the time anew.
        """
        gap = self.gap()
        if not self.is_fresh(now_s) or not (gap > self._error_limit).any():
            self._apart_since_s = None
            return ""
        if self._apart_since_s is None:
            self._apart_since_s = now_s
        lasted = now_s - self._apart_since_s
        if lasted < self._config.tracking_error_timeout_s:
            return ""
        return (
            f"{self._apart(gap)} for {lasted:.2f} s, allowed for "
            f"{self._config.tracking_error_timeout_s} s"
        )

    def _apart(self, gap: NDArray[np.float64]) -> str:
        j = int((gap / self._error_limit).argmax())
        name = self._config.joint_names[j]
        return f"{name} is {gap[j]:.3f} off its command, allowed {self._error_limit[j]:.3f},"
