# SPDX-License-Identifier: Apache-2.0
"""chunk_relay: hands action_chunk_near on as action_chunk; what a partition or an attack is.

Stopped by a signal it cuts policy and bridge apart; its parameters `fault` and `count` spoil
what it hands on, as those of chunk_source do. For the fault rig and the soak; no product.
"""

from __future__ import annotations

import sys
from functools import partial

from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.nodes.chunk_faults import ChunkFaults
from onestep_vla_ros.nodes.entry import run_node, spin_node
from onestep_vla_ros.nodes.qos import RELIABLE


class ChunkRelay:
    """One subscription, one publisher, and what happens between.

    Thread: everything runs in the executor's single thread.
    """

    def __init__(self, node: Node) -> None:
        self._faults = ChunkFaults(node)
        self._chunks = node.create_publisher(JointTrajectory, "action_chunk", RELIABLE)
        node.create_subscription(JointTrajectory, "action_chunk_near", self._on_chunk, RELIABLE)

    def _on_chunk(self, message: JointTrajectory) -> None:
        for one in self._faults.spoil(message):
            self._chunks.publish(one)


def main(arguments: list[str] | None = None) -> int:
    """Hand chunks on until shutdown."""
    return run_node("chunk_relay", arguments, partial(spin_node, "chunk_relay", ChunkRelay))


if __name__ == "__main__":
    sys.exit(main())
