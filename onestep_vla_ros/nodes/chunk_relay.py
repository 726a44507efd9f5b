# SPDX-License-Identifier: Apache-2.0
"""chunk_relay: hands action_chunk_near on as action_chunk; what a partition or an attack is.

Stopped by a signal it cuts policy and bridge apart; its parameters `fault` and `count` spoil
what it hands on, as those of chunk_source do. For the fault rig and the soak; no product.
"""

from __future__ import annotations

import random
import sys

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.nodes.chunk_faults import CHUNK_FAULTS, ChunkFaults
from onestep_vla_ros.nodes.entry import run_node
from onestep_vla_ros.nodes.executor import make_executor, spin
from onestep_vla_ros.nodes.qos import RELIABLE


class ChunkRelay:
    """One subscription, one publisher, and what happens between.

    Thread: everything runs in the executor's single thread.
    """

    def __init__(self, node: Node) -> None:
        node.declare_parameter("fault", "none")
        node.declare_parameter("count", 0)
        node.declare_parameter("seed", 0)
        self._faults = ChunkFaults(random.Random(node.get_parameter("seed").value))  # noqa: S311
        self._chunks = node.create_publisher(JointTrajectory, "action_chunk", RELIABLE)
        node.create_subscription(JointTrajectory, "action_chunk_near", self._on_chunk, RELIABLE)
        node.add_on_set_parameters_callback(self._on_parameters)

    def _on_chunk(self, message: JointTrajectory) -> None:
        for one in self._faults.spoil(message):
            self._chunks.publish(one)

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name == "fault":
                if parameter.value not in CHUNK_FAULTS:
                    reason = f"fault; got: {parameter.value!r}; allowed: {list(CHUNK_FAULTS)}"
                    return SetParametersResult(successful=False, reason=reason)
                self._faults.kind = parameter.value
            elif parameter.name == "count":
                self._faults.count = int(parameter.value)
        return SetParametersResult(successful=True)


def main(arguments: list[str] | None = None) -> int:
    """Hand chunks on until shutdown."""
    return run_node("chunk_relay", arguments, _run)


def _run() -> int:
    node = Node("chunk_relay")
    executor = make_executor()
    executor.add_node(node)
    try:
        ChunkRelay(node)
        spin(executor)
    finally:
        node.destroy_node()
    return 0


if __name__ == "__main__":
    sys.exit(main())
