# SPDX-License-Identifier: Apache-2.0
"""wire_checker: an independent process that judges everything the controllers receive.

It reads the bridge's parameters (limits, joints, modes), listens to the controllers' topics,
bridge/trace and joint_states, and lets `core.wire_check.WireCheck` judge. What it found stands
on the latched topic wire_checker/report; the service wire_checker/take answers with it as JSON
and begins anew; a path as first argument writes the same there at the end.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from std_srvs.srv import Trigger

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.errors import JointError
from onestep_vla_ros.core.joints import reorder
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.wire_check import WireCheck
from onestep_vla_ros.nodes.entry import run_node
from onestep_vla_ros.nodes.executor import make_executor
from onestep_vla_ros.nodes.lifetime import is_wanted
from onestep_vla_ros.nodes.messages import to_seconds
from onestep_vla_ros.nodes.params import read_parameters
from onestep_vla_ros.nodes.point_stamps import PointStamps, as_positions
from onestep_vla_ros.nodes.qos import LATCHED
from onestep_vla_ros.nodes.status import ERROR, OK, make_status
from onestep_vla_ros.nodes.trace import Trace
from onestep_vla_ros.nodes.wire_tap import Heard, WireTap

_SETTLE_S = 0.1
_POLL_S = 0.02
_REPORT_S = 0.5
_MEASURED_KEPT = 50


class WireChecker:
    """Carries the wire to a `WireCheck`, tick by tick, and counts what only ROS shows.

    The bridge sends a tick's commands before its trace; they are judged together, under the
    trace's mode.

    Args:
        config: The bridge's parameters.
    """

    def __init__(self, config: BridgeConfig) -> None:
        self._config = config
        self._check = WireCheck(as_positions(config), tail_every=2, measured_kept=_MEASURED_KEPT)
        self._points = PointStamps(config)
        self._commands: list[Heard] = []
        self._tick_s = math.nan
        self._sequences: dict[tuple[str, str], int] = {}
        self._mode = Mode.IDLE
        self.forget()

    def forget(self) -> None:
        """Begin to count anew; the motion so far is kept."""
        self._check.violations.clear()
        self._check.examples.clear()
        self._messages, self._samples = self._check.messages, self._check.samples
        self._states = self._lost = self._torn = self._ticks = self._governed = self._missed = 0
        self._modes: Counter[str] = Counter()
        self._publishers: dict[str, int] = {}
        self._worst = {"tick_gap_s": 0.0, "transport_s": 0.0}

    def feed(self, heard: Sequence[Heard]) -> None:
        """Take messages in the order in which they were sent."""
        for one in heard:
            if one.kind in ("trajectory", "positions"):
                self._note_transport(one)
                self._commands.append(one)
            elif one.kind == "trace":
                self._note_writer(one)
                self._note_transport(one)
                trace = Trace.from_message(one.message)
                if trace is not None:
                    self._on_trace(trace)
            elif one.kind == "joint_states":
                self._on_joint_states(one.message)

    def on_publishers(self, topic: str, count: int) -> None:
        """Take how many publishers a topic has; the most is kept."""
        self._publishers[topic] = max(count, self._publishers.get(topic, 0))

    def report(self) -> dict[str, Any]:
        """Return what was found since `forget`."""
        return {
            "violations": dict(self._check.violations),
            "examples": dict(self._check.examples),
            "messages": self._check.messages - self._messages,
            "samples": self._check.samples - self._samples,
            "states": self._states,
            "lost": self._lost,
            "torn": self._torn,
            "ticks": self._ticks,
            "governed": self._governed,
            "missed": self._missed,
            "modes": dict(self._modes),
            "publishers": dict(self._publishers),
            "worst": dict(self._worst),
        }

    def _on_trace(self, trace: Trace) -> None:
        gap_s = trace.tick_s - self._tick_s
        if gap_s < 0.0:
            self._check.on_clock_jump()
        if gap_s < 0.0 or trace.mode is Mode.IDLE:
            self._points.forget()
        self._check.on_mode(trace.mode.name, trace.tick_s)
        for one in self._commands:
            self._judge(one)
        self._commands.clear()
        if trace.mode is not Mode.IDLE and self._mode is not Mode.IDLE and gap_s > 0.0:
            self._worst["tick_gap_s"] = max(self._worst["tick_gap_s"], gap_s)
            self._missed += max(round(gap_s / self._config.control_period_s) - 1, 0)
        self._tick_s, self._mode = trace.tick_s, trace.mode
        self._ticks += 1
        self._governed += int(trace.is_governed)
        self._modes[trace.mode.name] += 1

    def _judge(self, one: Heard) -> None:
        channel = one.part.removesuffix("_arm")
        if one.kind == "positions":
            self._check.on_positions(channel, one.message.data, self._tick_s)
            return
        points = one.message.points
        if channel in self._points.joints:
            for invariant, text in self._points.faults(channel, one.message):
                self._check.violations[invariant] += 1
                self._check.examples.setdefault(invariant, f"{channel}: {text}")
            if points:
                self._check.on_positions(channel, points[-1].positions, self._tick_s)
            return

        def rows(field: str) -> Any:  # noqa: ANN401 - ragged rows are WireCheck's to refuse
            found = [list(getattr(point, field)) for point in points]
            is_even = len({len(row) for row in found}) <= 1
            return np.array(found) if is_even else np.empty(0)

        self._check.on_trajectory(
            channel,
            to_seconds(one.message.header.stamp),
            list(one.message.joint_names),
            [to_seconds(point.time_from_start) for point in points],
            rows("positions"),
            rows("velocities"),
            rows("accelerations"),
        )

    def _on_joint_states(self, message: Any) -> None:  # noqa: ANN401 - a message
        try:
            q = reorder(message.name, message.position, self._config.joint_names)
        except JointError:
            return
        self._states += 1
        self._check.on_measured(q)

    def _note_writer(self, trace: Heard) -> None:
        """A bridge that was killed may have sent half a tick; the next one starts anew."""
        if trace.sequence <= self._sequences.get(("trace", ""), 0):
            self._torn += len(self._commands)
            self._commands.clear()

    def _note_transport(self, one: Heard) -> None:
        key = (one.kind, one.part)
        last = self._sequences.get(key, 0)
        if 0 < last < one.sequence - 1:
            self._lost += one.sequence - 1 - last
        self._sequences[key] = one.sequence
        took_s = one.received_s - one.sent_s
        self._worst["transport_s"] = max(self._worst["transport_s"], took_s)


class WireCheckerNode:
    """The checker on ROS: a tap, a latched report and the service that takes it.

    Args:
        node: For parameters, report and service; spun by `run`.
        tap_node: For the subscriptions; never spun.
    """

    def __init__(self, node: Node, tap_node: Node) -> None:
        self._node = node
        config = read_parameters(node, BridgeConfig)
        self.checker = WireChecker(config)
        self._tap = WireTap(tap_node, has_chunks=False, settle_s=_SETTLE_S)
        self._topics = [
            f"{part}_controller/{ending}"
            for part in ("left_arm", "right_arm", "left_gripper", "right_gripper")
            for ending in ("joint_trajectory", "commands")
        ]
        self._report = node.create_publisher(DiagnosticStatus, "wire_checker/report", LATCHED)
        node.create_service(Trigger, "wire_checker/take", self._on_take)

    def run(self) -> None:
        """Judge until shutdown."""
        executor = make_executor()
        executor.add_node(self._node)
        due = 0.0
        while is_wanted():
            executor.spin_once(timeout_sec=_POLL_S)
            self.checker.feed(self._tap.take())
            now = time.monotonic()
            if now >= due:
                due = now + _REPORT_S
                self._look_and_publish()

    def _look_and_publish(self) -> None:
        for topic in self._topics:
            count = self._node.count_publishers(topic)
            if count:
                self.checker.on_publishers(topic, count)
        report = self.checker.report()
        found = sum(report["violations"].values())
        text = "no violation" if not found else f"{found} violations: {report['examples']}"
        values = {key: json.dumps(value) for key, value in report.items()}
        level = ERROR if found else OK
        self._report.publish(make_status("wire_checker", level, text, values))

    def _on_take(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Answer with the report as JSON and begin to count anew."""
        self.checker.feed(self._tap.take())
        response.success = True
        response.message = json.dumps(self.checker.report())
        self.checker.forget()
        return response


def main(arguments: list[str] | None = None) -> int:
    """Check until shutdown; 1 when the parameters cannot be used."""
    return run_node("wire_checker", arguments, _run)


def _run() -> int:
    node, tap_node = Node("wire_checker"), Node("wire_tap", use_global_arguments=False)
    words = remove_ros_args(sys.argv)[1:]
    checker = None
    try:
        checker = WireCheckerNode(node, tap_node)
        checker.run()
    finally:
        if checker is not None and words:
            text = json.dumps(checker.checker.report(), indent=1) + "\n"
            Path(words[0]).write_text(text, encoding="utf-8")
        node.destroy_node()
        tap_node.destroy_node()
    return 0


if __name__ == "__main__":
    sys.exit(main())
