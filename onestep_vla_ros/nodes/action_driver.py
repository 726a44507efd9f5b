# SPDX-License-Identifier: Apache-2.0
"""What the driver of an arm that takes increments does with the messages it gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.nodes.messages import to_seconds


class ActionDriver:
    """Carries out each action in the control period that its stamp names, and no other.

    In a period without one the arm is still: increments 0, kept parts as they were told last.

    Args:
        names: Of an action's parts.
        kept: Those of them that stay as they are while the arm is still.
        period_s: Control period [s].

    Attributes:
        refused: Reason to count, of messages that were ignored.
    """

    def __init__(self, names: Sequence[str], kept: Sequence[str], period_s: float) -> None:
        self._names, self._period_s = list(names), period_s
        self._is_kept = np.array([name in kept for name in names])
        self.refused: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Forget every action."""
        self._next: tuple[float, NDArray[np.float64]] | None = None
        self._told: NDArray[np.float64] | None = None

    def take(self, message: JointTrajectory) -> bool:
        """Take a message; return False and count it when it is refused."""
        reason = self._fault(message)
        if reason is not None:
            self.refused[reason] += 1
            return False
        order = [list(message.joint_names).index(name) for name in self._names]
        action = np.array(message.points[0].positions)[order]
        if not np.isfinite(action).all():
            self.refused["not_finite"] += 1
            return False
        self._next = to_seconds(message.header.stamp), action
        return True

    def has_action(self, now_s: float) -> bool:
        """Has the action that begins at `now_s` [s] come?"""
        return self._next is not None and abs(self._next[0] - now_s) < 0.5 * self._period_s

    def sample(self, now_s: float) -> NDArray[np.float64] | None:
        """Return what to do from `now_s` [s] on for one period, (J,), None before the first."""
        if self._next is not None and self.has_action(now_s):
            self._told = self._next[1]
            return self._told
        return None if self._told is None else np.where(self._is_kept, self._told, 0.0)

    def _fault(self, message: JointTrajectory) -> str | None:
        if sorted(message.joint_names) != sorted(self._names):
            return "wrong_joints"
        if len(message.points) != 1:
            return "wrong_number_of_points"
        if len(message.points[0].positions) != len(self._names):
            return "wrong_length"
        return None
