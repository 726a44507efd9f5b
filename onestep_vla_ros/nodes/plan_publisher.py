# SPDX-License-Identifier: Apache-2.0
"""bridge/plan: what the bridge follows, told anew whenever that changes."""

from __future__ import annotations

import math

import numpy as np
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.command import Command
from onestep_vla_ros.core.parts import PlanPart
from onestep_vla_ros.nodes.clock import NodeClock
from onestep_vla_ros.nodes.messages import chunk_to_trajectory
from onestep_vla_ros.nodes.qos import LATCHED

PERIOD_S = 0.05
"""Time between the points of a message [s]: a cubic through them kept to 0.1 mrad of 200 plans."""
REST_S = 3600.0
"""How long arms that rest are said to go on so: until told otherwise [s]."""


class PlanPublisher:
    """Publishes the plan where somebody listens; it is the tick that pays for it.

    Without a plan it tells the pose at which the arms are held, and no points when they brake or
    are not commanded at all.

    Args:
        node: Has the publisher.
        plan: The bridge's.
        clock: Translates stamps.
    """

    def __init__(self, node: Node, plan: PlanPart, clock: NodeClock) -> None:
        self._plan, self._clock = plan, clock
        self._told: object = None
        self._topic = node.create_publisher(JointTrajectory, "bridge/plan", LATCHED)

    def look(self, command: Command, now_s: float, *, is_at_rest: bool) -> None:
        """Tell what is followed when that is another than what was told last.

        Args:
            command: Of this tick.
            now_s: Time [s].
            is_at_rest: Commanded arms stand still, or there is no command.
        """
        is_resting = is_at_rest and command.q is not None and not self._plan.is_active
        present = ("plan", self._plan.stamp_s) if self._plan.is_active else ("rest", is_resting)
        if present == self._told or not self._topic.get_subscription_count():
            return
        self._told = present
        if self._plan.is_active:
            count = max(math.ceil((self._plan.end_s - now_s) / PERIOD_S), 1)
            q = self._plan.ahead(now_s + PERIOD_S * np.arange(count, dtype=np.float64))
            self._tell(Chunk(q, now_s - PERIOD_S, PERIOD_S))
        elif is_resting and command.q is not None:
            self._tell(Chunk(np.tile(command.q, (2, 1)), now_s - REST_S, REST_S))
        else:
            self._topic.publish(JointTrajectory())

    def _tell(self, plan: Chunk) -> None:
        message = chunk_to_trajectory(plan)
        message.header.stamp = self._clock.stamp(plan.stamp_s)
        self._topic.publish(message)
