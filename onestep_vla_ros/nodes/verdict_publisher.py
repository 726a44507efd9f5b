# SPDX-License-Identifier: Apache-2.0
"""bridge/verdict: what the bridge made of each chunk, for whoever waits for that."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from onestep_vla_ros.core.verdict import Verdict
from onestep_vla_ros.nodes.messages import to_seconds
from onestep_vla_ros.nodes.qos import LATCHED
from onestep_vla_ros.nodes.services import in_words
from onestep_vla_ros.nodes.status import OK, WARN, make_status, read_status

TOPIC = "bridge/verdict"
_STAMP = "chunk_stamp_s"


class VerdictPublisher:
    """Publishes a status a chunk: taken, or refused and why; who comes late gets the newest.

    Args:
        node: Has the publisher.
    """

    def __init__(self, node: Node) -> None:
        self._topic = node.create_publisher(DiagnosticStatus, TOPIC, LATCHED)

    def tell(self, stamp: Time, verdict: Verdict) -> None:
        """Publish the verdict on the chunk whose header had `stamp`."""
        level = OK if verdict.is_accepted else WARN
        values = {_STAMP: to_seconds(stamp)}
        self._topic.publish(make_status("bridge", level, in_words(verdict), values))


def read_verdict(message: DiagnosticStatus) -> tuple[float, str]:
    """Return the chunk's stamp [s] and why it was refused, "" when it was not."""
    stamp_s = float(read_status(message)[_STAMP])
    return stamp_s, "" if message.level == OK else message.message
