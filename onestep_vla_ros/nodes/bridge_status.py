# SPDX-License-Identifier: Apache-2.0
"""What the bridge says about itself: why the arms do not move, what is stale, its figures."""

from __future__ import annotations

import math
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.ledger import LedgerSummary, Percentiles
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.nodes.qos import EVERY, LATCHED
from onestep_vla_ros.nodes.status import ERROR, OK, WARN, make_status
from onestep_vla_ros.nodes.tick_times import TickTimes

_LEVELS = {Mode.RUN: OK, Mode.STOP: ERROR, Mode.FAULT: ERROR}
_STANDSTILL_S = 0.5
"""Simulated time that stays the same for this much wall time stands still [s]."""


class Heard:
    """When messages of one topic came, and the newest one's stamp, on the deadlines' clock."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.arrived_s = math.nan
        self.stamp_s = math.nan
        self.count = 0

    def note(self, stamp_s: float, now_s: float) -> None:
        """Note a message of `stamp_s` [s]."""
        self.arrived_s, self.stamp_s, self.count = now_s, stamp_s, self.count + 1

    def age_s(self, now_s: float) -> float:
        """Return how old the newest message's content is; nan before the first [s]."""
        return now_s - self.stamp_s

    def words(self, now_s: float) -> str:
        """Return in words whether the topic is alive."""
        if not self.count:
            return f"nothing has arrived on {self.topic} yet"
        return (
            f"the newest on {self.topic} came {now_s - self.arrived_s:.2f} s ago "
            f"and is {self.age_s(now_s):.2f} s old"
        )


class BridgeStatus:
    """Publishes bridge/status and /diagnostics.

    Attributes:
        mode: Mode of the last command.
        reason: Why, in words.
        joint_states: What was heard of them.
        chunks: The same of action_chunk.
        tick_times: How long the ticks took since the arms were enabled, by the wall.
        frozen_objects: How many objects the garbage collector never looks at.
        tick_cpu: The same by this thread's processor time: without what others took from it.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._status = node.create_publisher(DiagnosticStatus, "bridge/status", LATCHED)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", EVERY)
        self.mode, self.reason, self._since_s = Mode.IDLE, "", 0.0
        self.joint_states, self.chunks = Heard("joint_states"), Heard("action_chunk")
        self.tick_times, self.tick_cpu = TickTimes(), TickTimes()
        self._started_ns = (0, 0)
        self.frozen_objects = 0
        self._clock_s = time.monotonic()
        self._said = ""

    def note(self, mode: Mode, reason: str, now_s: float) -> bool:
        """Take the mode of this tick; return whether it is another one, and log that."""
        self._clock_s = time.monotonic()
        is_new = mode is not self.mode
        if is_new:
            self._node.get_logger().info(
                f"{self.mode.name} -> {mode.name} after {now_s - self._since_s:.2f} s: {reason}"
            )
            self._since_s = now_s
        self.mode, self.reason = mode, reason
        return is_new

    def begin_tick(self) -> None:
        """Start the stopwatches of a tick."""
        self._started_ns = time.perf_counter_ns(), time.thread_time_ns()

    def end_tick(self) -> None:
        """Stop them; what comes after is not the tick."""
        wall_ns, cpu_ns = self._started_ns
        self.tick_cpu.note(time.thread_time_ns() - cpu_ns)
        self.tick_times.note(time.perf_counter_ns() - wall_ns)

    def clear_times(self) -> None:
        """Begin the ticks' figures anew."""
        self.tick_times.clear()
        self.tick_cpu.clear()

    def standstill_s(self) -> float:
        """Return for how long no tick has come; 0 while they come [s of wall time]."""
        still_s = time.monotonic() - self._clock_s
        return still_s if still_s > _STANDSTILL_S else 0.0

    def words(self, now_s: float) -> str:
        """Return mode and reason, and what is silent when the arms do not follow a policy."""
        words = f"{self.mode.name}: {self.reason}"
        if self.mode in (Mode.HOLD, Mode.START):
            words += f"; {self.chunks.words(now_s)}"
        still_s = self.standstill_s()
        if still_s:
            words += f"; no tick for {still_s:.1f} s, the clock stands still"
        return words

    def publish_changes(self, bridge: Bridge, now_s: float) -> None:
        """Publish if the reason in words is another than the one last published."""
        if self.reason != self._said or self.standstill_s():
            self.publish(bridge, now_s)

    def publish(self, bridge: Bridge, now_s: float) -> None:
        """Publish everything; takes about a millisecond, so not within the measured tick."""
        self._said = self.reason
        values: dict[str, object] = {
            "mode": self.mode.name,
            "reason": self.reason,
            "in_mode_s": now_s - self._since_s,
            "joint_states_age_s": self.joint_states.age_s(now_s),
            "action_chunk_age_s": self.chunks.age_s(now_s),
            "action_chunk_arrived": self.chunks.count,
            **{f"count.{name}": count for name, count in sorted(bridge.counts.items())},
            **_flat(bridge.ledger.summary()),
            **self.tick_times.figures("tick"),
            **self.tick_cpu.figures("tick_cpu"),
            "tick_count": self.tick_times.count,
            "process_cpu_s": time.process_time(),
            "frozen_objects": self.frozen_objects,
            "steady_s": time.monotonic(),
        }
        level = WARN if self.standstill_s() else _LEVELS.get(self.mode, WARN)
        status = make_status("bridge", level, self.words(now_s), values)
        self._status.publish(status)
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def _flat(summary: LedgerSummary) -> dict[str, object]:
    """Return the ledger's figures by name, percentiles spelled out."""
    flat: dict[str, object] = {}
    for name in LedgerSummary.__dataclass_fields__:
        value = getattr(summary, name)
        if isinstance(value, Percentiles):
            flat |= {f"{name}_p50_ms": value.p50_ms, f"{name}_p99_ms": value.p99_ms}
        else:
            flat[name] = value
    return flat
