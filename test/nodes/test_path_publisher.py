# SPDX-License-Identifier: Apache-2.0
"""What is drawn of a chunk, and what is not."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from builtin_interfaces.msg import Time  # noqa: E402
from tiny_robot import HOME  # noqa: E402
from visualization_msgs.msg import MarkerArray  # noqa: E402

from onestep_vla_ros.core.chunk import Chunk  # noqa: E402
from onestep_vla_ros.nodes.path_publisher import PathPublisher  # noqa: E402
from onestep_vla_ros.nodes.qos import EVERY  # noqa: E402


def test_a_chunk_with_nan_is_not_drawn(make_node, spin):
    node, seen = make_node("drawer"), []
    node.create_subscription(MarkerArray, "predicted_path", seen.append, EVERY)
    path, good = PathPublisher(node), np.tile(HOME, (3, 1))
    spin(lambda: node.count_subscribers("predicted_path"), node, what="itself")
    path.show(Chunk(np.where(good == HOME[1], np.nan, good), 1.0, 0.1), Time(sec=1))
    path.show(Chunk(good, 2.0, 0.1), Time(sec=2))
    spin(lambda: seen, node, what="the good chunk")
    assert [m.header.stamp.sec for m in seen[0].markers] == [2, 2]
