# SPDX-License-Identifier: Apache-2.0
"""predicted_path: where a chunk takes both tools, for RViz."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from rclpy.node import Node
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.joints import DOF
from onestep_vla_ros.core.tool import FRAME, tool_paths
from onestep_vla_ros.nodes.messages import to_duration
from onestep_vla_ros.nodes.qos import RELIABLE

WIDTH_M = 0.006
_COLOURS = {"left": (0.95, 0.55, 0.10), "right": (0.15, 0.55, 0.95)}
_FAINTEST = 0.25  # of the last waypoint, of 1 at the first


class PathPublisher:
    """Draws chunks where somebody looks; without a subscriber it costs nothing.

    A line an arm, fading towards the end of the chunk, gone when the chunk's time is up.

    Args:
        node: Has the publisher.
    """

    def __init__(self, node: Node) -> None:
        self._topic = node.create_publisher(MarkerArray, "predicted_path", RELIABLE)

    def show(self, chunk: Chunk, stamp: Time) -> None:
        """Publish the paths of a chunk that was observed at `stamp`.

        One with NaN is not drawn, nor one of another robot, whose increments lead from a pose.
        """
        is_ours = chunk.q.shape[1] == DOF and len(chunk.q) > 0 and np.isfinite(chunk.q).all()
        if self._topic.get_subscription_count() and is_ours:
            self._topic.publish(path_markers(chunk, stamp))


def path_markers(chunk: Chunk, stamp: Time) -> MarkerArray:
    """Return a line strip for each arm, in the frame `FRAME`."""
    lifetime = to_duration(chunk.period_s * len(chunk.q))
    return MarkerArray(
        markers=[_line(arm, path, stamp, lifetime) for arm, path in tool_paths(chunk.q).items()]
    )


def _line(arm: str, path: NDArray[np.float64], stamp: Time, lifetime: object) -> Marker:
    line = Marker(ns=arm, type=Marker.LINE_STRIP, action=Marker.ADD, lifetime=lifetime)
    line.header.frame_id = FRAME
    line.header.stamp = stamp
    line.scale.x = WIDTH_M
    line.pose.orientation.w = 1.0
    red, green, blue = _COLOURS[arm]
    for (x, y, z), alpha in zip(
        path.tolist(), np.linspace(1.0, _FAINTEST, len(path)), strict=True
    ):
        line.points.append(Point(x=x, y=y, z=z))
        line.colors.append(ColorRGBA(r=red, g=green, b=blue, a=alpha))
    return line
