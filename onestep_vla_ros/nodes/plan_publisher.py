# SPDX-License-Identifier: Apache-2.0
"""bridge/plan: what the bridge follows, told anew whenever that changes."""

from __future__ import annotations

import math

import numpy as np
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.plan import Plan
from onestep_vla_ros.nodes.clock import NodeClock
from onestep_vla_ros.nodes.messages import chunk_to_trajectory
from onestep_vla_ros.nodes.qos import LATCHED

PERIOD_S = 0.05
"""Time between the points of a message [s]: a cubic through them is the plan to 1 mrad."""


class PlanPublisher:
    """Publishes the plan where somebody listens: it costs a fraction of a millisecond.

    Args:
        node: Has the publisher.
        plan: The bridge's.
        clock: Translates stamps.
    """

    def __init__(self, node: Node, plan: Plan, clock: NodeClock) -> None:
        self._plan, self._clock = plan, clock
        self._told_s = math.nan
        self._topic = node.create_publisher(JointTrajectory, "bridge/plan", LATCHED)

    def look(self, now_s: float) -> None:
        """Tell the plan when it is another than the last that was told; no points without one."""
        stamp_s = self._plan.stamp_s
        is_told = stamp_s == self._told_s or (math.isnan(stamp_s) and math.isnan(self._told_s))
        if is_told or not self._topic.get_subscription_count():
            return
        self._told_s = stamp_s
        if math.isnan(stamp_s):
            self._topic.publish(JointTrajectory())
            return
        count = max(math.ceil((self._plan.end_s - now_s) / PERIOD_S), 1)
        q = self._plan.ahead(now_s + PERIOD_S * np.arange(count, dtype=np.float64))
        message = chunk_to_trajectory(Chunk(q, now_s - PERIOD_S, PERIOD_S))
        message.header.stamp = self._clock.stamp(now_s - PERIOD_S)
        self._topic.publish(message)
