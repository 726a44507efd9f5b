# SPDX-License-Identifier: Apache-2.0
"""Small reference models of how chunks become commands today, to compare the bridge with.

These are models written from what their sources document, not those programs. Each is read as
kindly as it can be: a chunk is resampled to the control period by a cubic spline, so that what
is counted against it comes from how it hands over, limits and fails, not from coarse steps.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.command import Command
from onestep_vla_ros.core.spline import Spline
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected, Verdict

LEROBOT_CLAMP = np.radians(5.0)
"""A typical `max_relative_target`: 5 degrees a step [rad]; the same share of a gripper."""


class Aim(Protocol):
    """Where a driver wants the arms at a time."""

    def take(self, chunk: Chunk, now_s: float) -> None:
        """Take the newest chunk."""

    def at(self, t_s: float) -> NDArray[np.float64] | None:
        """Return q (14,) wanted at `t_s`; None before the first chunk."""


class Limiter(Protocol):
    """What a driver does to a wanted position before it is sent."""

    def begin(self, q: NDArray[np.float64]) -> None:
        """Start from q (14,)."""

    def limit(
        self, wanted: NDArray[np.float64], measured: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the position to send, (14,)."""


class HardSwap:
    """The newest chunk replaces the old one at once and is followed on its own clock.

    Source: the plain loop around a chunk policy. openpi's ActionChunkBroker changes to the next
    chunk when one is used up, asynchronous loops as soon as it comes; neither has a hand-over.
    After its end the last waypoint is held.
    """

    def __init__(self) -> None:
        self._spline: Spline | None = None
        self._last: NDArray[np.float64] | None = None

    def take(self, chunk: Chunk, now_s: float) -> None:
        """Follow `chunk` from now on."""
        if len(chunk.q) >= 2 and chunk.q.shape[1] == 14:
            self._spline = Spline(chunk.q, chunk.stamp_s + chunk.period_s, chunk.period_s)
            self._last = chunk.q[-1]

    def at(self, t_s: float) -> NDArray[np.float64] | None:
        """Return the chunk's position, its first one before and its last one after it."""
        if self._spline is None:
            return None
        t_s = min(max(t_s, self._spline.start_s), self._spline.end_s)
        return self._spline.sample(t_s)[0]


class Queue(HardSwap):
    """Actions are queued and sent one a step from the first on, whenever they come.

    Source: LeRobot `select_action` (deque of `n_action_steps`) and its control loop: the
    observation's time is not used, so the latency of inference shifts the motion.
    """

    def take(self, chunk: Chunk, now_s: float) -> None:
        """Follow `chunk` from its first waypoint, now."""
        super().take(Chunk(chunk.q, now_s - chunk.period_s, chunk.period_s), now_s)


class LastPoint:
    """Only the last point of a trajectory is executed, at once.

    Source: ashitamo/i2rt_ros2_jazzy, an rclpy driver of YAM arms.
    """

    def __init__(self) -> None:
        self._q: NDArray[np.float64] | None = None

    def take(self, chunk: Chunk, now_s: float) -> None:
        """Go to the last waypoint."""
        if chunk.q.shape[1] == 14:
            self._q = chunk.q[-1]

    def at(self, t_s: float) -> NDArray[np.float64] | None:
        """Return the last waypoint."""
        return self._q


class NoLimit:
    """What is wanted is sent."""

    def begin(self, q: NDArray[np.float64]) -> None:
        """Do nothing."""

    def limit(
        self, wanted: NDArray[np.float64], measured: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return `wanted`."""
        return wanted


class RelativeTarget:
    """LeRobot's `ensure_safe_goal_position`: at most `clamp` away from the measured position.

    Source: huggingface/lerobot src/lerobot/robots/utils.py (`max_relative_target`, default
    None, which is `NoLimit`): goal = present + min(max(goal - present, -clamp), clamp).

    Args:
        clamp: `max_relative_target` [rad, gripper 0..1].
    """

    def __init__(self, clamp: float = LEROBOT_CLAMP) -> None:
        self._clamp = clamp

    def begin(self, q: NDArray[np.float64]) -> None:
        """Do nothing: it has no memory."""

    def limit(
        self, wanted: NDArray[np.float64], measured: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return `wanted`, at most the clamp away from `measured`."""
        found: NDArray[np.float64] = measured + np.clip(
            wanted - measured, -self._clamp, self._clamp
        )
        return found


class SeriesClip:
    """Position, velocity and acceleration clipped one after the other, each for itself.

    Source: the usual limiter in front of a position interface, one clip after the other. The
    last clip wins: braking takes longer than the position clip foresees.

    Args:
        config: Limits and control period.
    """

    def __init__(self, config: BridgeConfig) -> None:
        margin = np.array(config.position_margin)
        self._low = np.array(config.position_low) + margin
        self._high = np.array(config.position_high) - margin
        self._velocity = np.array(config.max_velocity)
        self._acceleration = np.array(config.max_acceleration)
        self._period_s = config.control_period_s

    def begin(self, q: NDArray[np.float64]) -> None:
        """Start at rest at q (14,)."""
        self._q, self._v = np.array(q), np.zeros(14)

    def limit(
        self, wanted: NDArray[np.float64], measured: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the clipped step towards `wanted`."""
        tc = self._period_s
        q = np.clip(wanted, self._low, self._high)
        v = np.clip((q - self._q) / tc, -self._velocity, self._velocity)
        step = self._acceleration * tc
        self._v = np.clip(v, self._v - step, self._v + step)
        self._q = self._q + tc * self._v
        return self._q


class AlternativeDriver:
    """A driver made of an aim and a limiter, with the bridge's methods as far as rows need.

    It sends a position every tick from enable on: it watches no input, for the models do not.

    Args:
        aim: Where the chunks lead.
        limiter: What is done to that.
    """

    def __init__(self, aim: Aim, limiter: Limiter) -> None:
        self._aim, self._limiter = aim, limiter
        self._measured: NDArray[np.float64] | None = None
        self._sent: NDArray[np.float64] | None = None

    def on_joint_state(
        self,
        q: NDArray[np.float64],
        qd: NDArray[np.float64] | None,
        stamp_s: float,
        now_s: float,
    ) -> Verdict:
        """Keep the newest measured positions (14,)."""
        self._measured = np.array(q)
        return Accepted()

    def refuse(self, topic: str, verdict: Rejected, now_s: float) -> None:
        """Do nothing: a message that cannot be read is skipped."""

    def on_policy_trouble(self, words: str, now_s: float) -> None:
        """Do nothing: no such model listens."""

    def on_start_pose(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> Verdict:
        """Do nothing: no such model checks where it starts."""
        return Accepted()

    def on_chunk(self, chunk: Chunk, now_s: float) -> Verdict:
        """Follow a chunk, whatever it holds."""
        if self._sent is None:
            return Rejected(Reason.NOT_ENABLED, "not enabled")
        self._aim.take(chunk, now_s)
        return Accepted()

    def enable(self, now_s: float) -> Verdict:
        """Begin where the arms are."""
        if self._measured is None:
            return Rejected(Reason.NO_STATE, "no joint state")
        self._sent = np.array(self._measured)
        self._limiter.begin(self._sent)
        return Accepted()

    def tick(self, now_s: float) -> Command:
        """Return the position of this control period, after `enable`."""
        if self._sent is None or self._measured is None:
            return Command(Mode.IDLE, "not enabled", now_s)
        wanted = self._aim.at(now_s)
        if wanted is not None:
            self._sent = self._limiter.limit(wanted, self._measured)
        return Command(Mode.RUN, "follows", now_s, self._sent)


def alternatives(config: BridgeConfig) -> dict[str, AlternativeDriver]:
    """Return a new driver of each kind by its name in the table."""
    return {
        "hard chunk swap": AlternativeDriver(HardSwap(), NoLimit()),
        "series clipping": AlternativeDriver(HardSwap(), SeriesClip(config)),
        "LeRobot queue, clamp off (default)": AlternativeDriver(Queue(), NoLimit()),
        "LeRobot queue, clamp 5 deg": AlternativeDriver(Queue(), RelativeTarget()),
        "last point only": AlternativeDriver(LastPoint(), NoLimit()),
    }
