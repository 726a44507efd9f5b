# SPDX-License-Identifier: Apache-2.0
"""What a joint_trajectory_controller does with the messages it gets, for the simulated arms."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.joints import ARM_DOF, JOINT_NAMES, arm_slice
from onestep_vla_ros.nodes.messages import MAX_POINTS, to_seconds

_EPS_S = 1e-6


@dataclass(frozen=True, slots=True)
class _Trajectory:
    """Knots at `times_s` (K,), each with q, qd, qdd (K, J); quintic between them."""

    times_s: NDArray[np.float64]
    q: NDArray[np.float64]
    qd: NDArray[np.float64]
    qdd: NDArray[np.float64]

    def fault(self, now_s: float) -> str | None:
        """Return why this cannot be executed from `now_s` on; None when it can."""
        if not all(np.isfinite(part).all() for part in (self.q, self.qd, self.qdd)):
            return "not_finite"
        if (np.diff(self.times_s) <= 0).any():
            return "times_not_rising"
        if np.abs(self.qd[-1]).max() > 1e-6:
            return "does_not_end_at_rest"
        return "all_in_the_past" if self.times_s[-1] < now_s else None

    def sample(self, now_s: float) -> NDArray[np.float64]:
        """Return q (J,) at `now_s`: the first knot before the start, the last after the end."""
        if now_s <= self.times_s[0]:
            return np.array(self.q[0])
        if now_s >= self.times_s[-1]:
            return np.array(self.q[-1])
        i = int(np.searchsorted(self.times_s, now_s, side="right")) - 1
        span = self.times_s[i + 1] - self.times_s[i]
        s = (now_s - self.times_s[i]) / span
        return _quintic(
            s,
            (self.q[i], self.qd[i] * span, self.qdd[i] * span**2),
            (self.q[i + 1], self.qd[i + 1] * span, self.qdd[i + 1] * span**2),
        )


class ArmController:
    """Executes one arm's trajectory messages by time, as ros2_control's JTC does.

    A message whose stamp lies ahead leaves the running trajectory in charge until then. After
    its end the last point is held. Unlike JTC a message with a non-finite number is refused:
    the simulated arm must never be the reason why a bad command looks good.

    Args:
        arm: "left" or "right".
        q: Where the arm stands, (14,); only this arm's part is read.

    Attributes:
        refused: Reason to count, of messages that were ignored.
    """

    def __init__(self, arm: str, q: NDArray[np.float64]) -> None:
        self._part = arm_slice(arm)
        self._names = list(JOINT_NAMES[self._part])
        self.refused: Counter[str] = Counter()
        self.reset(q)

    def reset(self, q: NDArray[np.float64]) -> None:
        """Forget every trajectory and hold this arm's part of q (14,)."""
        self._running: _Trajectory | None = None
        self._ahead: deque[_Trajectory] = deque()
        self._held = np.array(q[self._part])

    def on_trajectory(self, message: JointTrajectory, now_s: float) -> bool:
        """Take a trajectory message at `now_s` [s]; return False and count it when refused."""
        reason = self._form_fault(message)
        if reason is None:
            trajectory = self._read(message, now_s)
            reason = trajectory.fault(now_s)
        if reason is not None:
            self.refused[reason] += 1
            return False
        # a newer message replaces what it overlaps; what is due before it still gets its turn
        while self._ahead and self._ahead[-1].times_s[0] >= trajectory.times_s[0]:
            self._ahead.pop()
        self._ahead.append(trajectory)
        if self._running is None:
            self._running = self._ahead.popleft()
        return True

    def on_positions(self, message: Float64MultiArray) -> bool:
        """Take a forward-command message; return False and count it when refused."""
        return self._take_positions(message.data)

    def on_last_point(self, message: JointTrajectory) -> bool:
        """Take a message as simple drivers do: go to its last point at once, whatever its time.

        Returns:
            False, and counts it, when it was refused.
        """
        if sorted(message.joint_names) != sorted(self._names):
            self.refused["wrong_joints"] += 1
            return False
        if not message.points:
            self.refused["wrong_number_of_points"] += 1
            return False
        values = message.points[-1].positions
        if len(values) == len(self._names):
            order = [list(message.joint_names).index(name) for name in self._names]
            values = [values[i] for i in order]
        return self._take_positions(values)

    def sample(self, now_s: float) -> NDArray[np.float64]:
        """Return the position command (7,) for `now_s` [s]."""
        while self._ahead and now_s >= self._ahead[0].times_s[0] - _EPS_S:
            self._running = self._ahead.popleft()
        if self._running is not None:
            self._held = self._running.sample(now_s)
        return self._held

    def _take_positions(self, values: Sequence[float]) -> bool:
        if len(values) != ARM_DOF:
            self.refused["wrong_length"] += 1
            return False
        q = np.array(values)
        if not np.isfinite(q).all():
            self.refused["not_finite"] += 1
            return False
        self._running, self._held = None, q
        self._ahead.clear()
        return True

    def _form_fault(self, message: JointTrajectory) -> str | None:
        if sorted(message.joint_names) != sorted(self._names):
            return "wrong_joints"
        if not 1 <= len(message.points) <= MAX_POINTS:
            return "wrong_number_of_points"
        if any(
            len(part) != ARM_DOF
            for point in message.points
            for part in (point.positions, point.velocities, point.accelerations)
        ):
            return "wrong_length"
        return None

    def _read(self, message: JointTrajectory, now_s: float) -> _Trajectory:
        order = [list(message.joint_names).index(name) for name in self._names]
        stamp_s = to_seconds(message.header.stamp)
        start_s = now_s if stamp_s == 0.0 else stamp_s
        times = [start_s + to_seconds(point.time_from_start) for point in message.points]

        def rows(field: str) -> NDArray[np.float64]:
            return np.array([getattr(point, field) for point in message.points])[:, order]

        return _Trajectory(
            np.array(times), rows("positions"), rows("velocities"), rows("accelerations")
        )


def _quintic(
    s: float, start: Sequence[NDArray[np.float64]], end: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Hermite quintic at s in [0, 1]; `start`, `end`: value, first and second derivative."""
    (p0, v0, a0), (p1, v1, a1) = start, end
    d = p1 - p0 - v0 - a0 / 2
    dv = v1 - v0 - a0
    da = a1 - a0
    c3 = 10 * d - 4 * dv + da / 2
    c4 = -15 * d + 7 * dv - da
    c5 = 6 * d - 3 * dv + da / 2
    value: NDArray[np.float64] = p0 + s * (v0 + s * (a0 / 2 + s * (c3 + s * (c4 + s * c5))))
    return value
