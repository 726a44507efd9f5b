# SPDX-License-Identifier: Apache-2.0
"""Everything that goes over the bridge's topics, in the order in which it was sent.

Messages are taken from the middleware with their send and receive stamps; how late this process
looks at them changes nothing.
"""

from __future__ import annotations

import bisect
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.joints import ARMS

_NANO = 1e9
_DEEP = QoSProfile(
    depth=4000, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE
)
_DEEP_SENSOR = QoSProfile(
    depth=2000, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT
)
_DEEP_LATCHED = QoSProfile(
    depth=100,
    history=HistoryPolicy.KEEP_LAST,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


@dataclass(frozen=True, slots=True)
class Heard:
    """One message off the wire.

    Attributes:
        kind: "trajectory", "positions", "trace", "status", "joint_states" or "chunk".
        part: "left_arm", "left_gripper", "right_arm" or "right_gripper" of a controller's
            message, else "".
        message: The message.
        sent_s: When its writer wrote it, system time [s].
        received_s: When the middleware of this process had it, system time [s].
        sequence: Its writer's number for it; numbers that are left out were lost.
    """

    kind: str
    part: str
    message: Any
    sent_s: float
    received_s: float
    sequence: int


class WireTap:
    """Subscriptions to what goes in and out of the bridge; nothing is ever published.

    Thread: `take` belongs to one thread. The node must not be added to an executor, which
    would take the messages away.

    Args:
        node: A node of its own.
        has_chunks: Listen to action_chunk too.
        settle_s: `take` keeps what was sent so recently back, for another topic's message may
            have been sent before and still be under way [s].
    """

    def __init__(self, node: Node, *, has_chunks: bool = True, settle_s: float = 0.0) -> None:
        self._settle_s = settle_s
        self._kept: list[Heard] = []
        self._taps: list[tuple[str, str, Subscription]] = []
        for part in (f"{arm}_{what}" for arm in ARMS for what in ("arm", "gripper")):
            base = f"{part}_controller"
            self._tap(node, "trajectory", part, JointTrajectory, f"{base}/joint_trajectory", _DEEP)
            self._tap(node, "positions", part, Float64MultiArray, f"{base}/commands", _DEEP)
        self._tap(node, "trace", "", Float64MultiArray, "bridge/trace", _DEEP)
        self._tap(node, "status", "", DiagnosticStatus, "bridge/status", _DEEP_LATCHED)
        self._tap(node, "joint_states", "", JointState, "joint_states", _DEEP_SENSOR)
        if has_chunks:
            self._tap(node, "chunk", "", JointTrajectory, "action_chunk", _DEEP)

    def take(self) -> list[Heard]:
        """Return what has arrived and settled since the last call, in the order of sending."""
        settled_s = time.time() - self._settle_s
        heard = self._kept
        while found := [one for tap in self._taps for one in _drained(*tap)]:
            heard += found  # look again: a topic may have been read before, another after arrival
        heard.sort(key=lambda one: one.sent_s)
        due = bisect.bisect_right(heard, settled_s, key=lambda one: one.sent_s)
        self._kept = heard[due:]
        return heard[:due]

    def _tap(
        self,
        node: Node,
        kind: str,
        part: str,
        message: type,
        topic: str,
        qos: QoSProfile,
    ) -> None:
        subscription = node.create_subscription(message, topic, lambda _: None, qos)
        self._taps.append((kind, part, subscription))


def _drained(kind: str, part: str, subscription: Subscription) -> Iterator[Heard]:
    """Yield what has arrived on a topic."""
    with subscription.handle:
        while (
            found := subscription.handle.take_message(subscription.msg_type, False)
        ) is not None:
            yield _heard(kind, part, *found)


def _heard(kind: str, part: str, message: Any, info: Any) -> Heard:  # noqa: ANN401 - a message
    return Heard(
        kind,
        part,
        message,
        info["source_timestamp"] / _NANO,
        info["received_timestamp"] / _NANO,
        info["publication_sequence_number"],
    )
