# SPDX-License-Identifier: Apache-2.0
"""bridge_node: carries messages to and from the Bridge; decides nothing."""

from __future__ import annotations

import math
import sys

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock as RosClock
from rclpy.clock import ClockType
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.command import Command
from onestep_vla_ros.core.config import BridgeConfig
from onestep_vla_ros.core.errors import ChunkError, JointError, OneStepError
from onestep_vla_ros.core.joints import ARMS
from onestep_vla_ros.core.ledger import LedgerSummary, Percentiles
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected, Verdict
from onestep_vla_ros.nodes.clock import NodeClock
from onestep_vla_ros.nodes.entry import run_node
from onestep_vla_ros.nodes.executor import make_executor, spin
from onestep_vla_ros.nodes.messages import (
    joint_state_to_arrays,
    knots_to_trajectory,
    positions_to_array,
    to_seconds,
    trajectory_to_chunk,
)
from onestep_vla_ros.nodes.params import read_parameters
from onestep_vla_ros.nodes.qos import EVERY, LATCHED, RELIABLE, SENSOR
from onestep_vla_ros.nodes.status import ERROR, OK, WARN, make_status
from onestep_vla_ros.nodes.trace import Trace

_LEVELS = {Mode.RUN: OK, Mode.STOP: ERROR, Mode.FAULT: ERROR}


class BridgeCarrier:
    """Subscriptions, services, the tick and publishers around one Bridge.

    Thread: everything runs in the executor's single thread.
    Time: simulation ticks once on each /clock message, a robot on a steady timer; the set
    point comes from the clock, never from counting ticks.

    Args:
        node: A bare node with its parameters' overrides.

    Raises:
        ConfigError: Parameters that cannot be used, all at once.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._config = read_parameters(node, BridgeConfig)
        self.bridge = Bridge(self._config)
        self._clock = NodeClock(node)
        self._sim_now_s = 0.0
        self._mode = Mode.IDLE
        self._mode_since_s = 0.0
        self._reason = ""
        self._chunk_stamp_s = math.nan
        self._status_due_s = -math.inf
        self._create_publishers()
        self._create_inputs()

    def on_joint_state(self, message: JointState) -> None:
        """Take a joint state; one that cannot be read is refused by name and counted."""
        if self._is_timeless():
            return
        try:
            q, qd, stamp_s = joint_state_to_arrays(message)
        except JointError as error:
            self._refuse("joint_states", error)
            return
        verdict = self.bridge.on_joint_state(q, qd, self._clock.local_s(stamp_s), self._now_s())
        if isinstance(verdict, Rejected) and verdict.reason is not Reason.DUPLICATE:
            self._warn("joint_states", _reason(verdict))

    def on_chunk(self, message: JointTrajectory) -> None:
        """Take a chunk; one that has no chunk's form is refused and counted."""
        if self._is_timeless():
            return
        try:
            chunk = trajectory_to_chunk(message)
        except ChunkError as error:
            self._refuse("action_chunk", error)
            return
        local = Chunk(chunk.q, self._clock.local_s(chunk.stamp_s), chunk.period_s)
        verdict = self.bridge.on_chunk(local, self._now_s())
        if isinstance(verdict, Accepted):
            self._chunk_stamp_s = chunk.stamp_s
        else:
            self._warn("action_chunk", _reason(verdict))

    def on_clock(self, message: Clock) -> None:
        """Tick once for each new simulated time."""
        now_s = to_seconds(message.clock)
        if now_s != self._sim_now_s:
            self._sim_now_s = now_s
            self.tick()
        else:
            self._publish_trace(False)  # the simulator asks again

    def tick(self) -> None:
        """One control tick: decide, publish, report."""
        now_s = self._now_s()
        command = self.bridge.tick(now_s)
        self._publish_command(command)
        self._note_mode(command, now_s)
        self._publish_trace(command.governor_active)
        if now_s >= self._status_due_s:
            self._status_due_s = now_s + self._config.status_period_s
            self.publish_status()

    def publish_status(self) -> None:
        """Publish bridge/status and /diagnostics: the mode and why the arms do not move."""
        values = {
            "mode": self._mode.name,
            "reason": self._reason,
            "in_mode_s": self._now_s() - self._mode_since_s,
            **{f"count.{name}": count for name, count in sorted(self.bridge.counts.items())},
            **_flat(self.bridge.ledger.summary()),
        }
        level = _LEVELS.get(self._mode, WARN)
        status = make_status("bridge", level, f"{self._mode.name}: {self._reason}", values)
        self._status.publish(status)
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def _create_publishers(self) -> None:
        node, is_trajectory = self._node, self._config.output_mode == "joint_trajectory"
        kind = JointTrajectory if is_trajectory else Float64MultiArray
        ending = "joint_trajectory" if is_trajectory else "commands"
        self._outputs = {
            arm: node.create_publisher(kind, f"{arm}_arm_controller/{ending}", RELIABLE)
            for arm in ARMS
        }
        self._status = node.create_publisher(DiagnosticStatus, "bridge/status", LATCHED)
        self._trace = node.create_publisher(Float64MultiArray, "bridge/trace", EVERY)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", EVERY)

    def _create_inputs(self) -> None:
        node = self._node
        node.create_subscription(JointState, "joint_states", self.on_joint_state, SENSOR)
        node.create_subscription(JointTrajectory, "action_chunk", self.on_chunk, RELIABLE)
        node.create_service(SetBool, "bridge/enable", self._on_enable)
        node.create_service(Trigger, "bridge/stop", self._on_stop)
        node.create_service(Trigger, "bridge/reset", self._on_reset)
        if self._clock.is_sim:
            node.create_subscription(Clock, "/clock", self.on_clock, EVERY)
        else:
            steady = RosClock(clock_type=ClockType.STEADY_TIME)
            node.create_timer(self._config.control_period_s, self.tick, clock=steady)

    def _is_timeless(self) -> bool:
        """Has simulated time not come yet, so that no stamp can be judged?"""
        return self._clock.is_sim and self._sim_now_s == 0.0

    def _now_s(self) -> float:
        return self._sim_now_s if self._clock.is_sim else self._clock.now_s()

    def _publish_command(self, command: Command) -> None:
        if command.q is None or command.tail is None:
            return
        stamp_s = self._clock.wire_s(command.stamp_s)
        tail = command.tail
        for arm, publisher in self._outputs.items():
            if self._config.output_mode == "joint_trajectory":
                publisher.publish(
                    knots_to_trajectory(arm, stamp_s, tail.times_s, tail.q, tail.qd, tail.qdd)
                )
            else:
                publisher.publish(positions_to_array(arm, command.q))

    def _publish_trace(self, is_governed: bool) -> None:
        stamp_s = self._clock.wire_s(self._now_s())
        trace = Trace(stamp_s, self._mode, self._chunk_stamp_s, is_governed)
        self._trace.publish(trace.to_message())

    def _note_mode(self, command: Command, now_s: float) -> None:
        if (command.mode, command.reason) == (self._mode, self._reason):
            return
        if command.mode != self._mode:
            self._node.get_logger().info(
                f"{self._mode.name} -> {command.mode.name} after "
                f"{now_s - self._mode_since_s:.2f} s: {command.reason}"
            )
            self._mode_since_s = now_s
        self._mode, self._reason = command.mode, command.reason
        self.publish_status()

    def _refuse(self, topic: str, error: OneStepError) -> None:
        self.bridge.refuse(topic, Rejected(Reason.MALFORMED, str(error)), self._now_s())
        self._warn(topic, str(error))

    def _warn(self, topic: str, text: str) -> None:
        self._node.get_logger().warning(f"{topic} refused: {text}", throttle_duration_sec=1.0)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        now_s = self._now_s()
        verdict = self.bridge.enable(now_s) if request.data else self.bridge.disable(now_s)
        response.success, response.message = isinstance(verdict, Accepted), _reason(verdict)
        return response

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return _answer(self.bridge.stop(self._now_s()), response)

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return _answer(self.bridge.reset(self._now_s()), response)


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


def _answer(verdict: Verdict, response: Trigger.Response) -> Trigger.Response:
    response.success, response.message = isinstance(verdict, Accepted), _reason(verdict)
    return response


def _reason(verdict: Verdict) -> str:
    if isinstance(verdict, Accepted):
        return verdict.detail or "done"
    return f"{verdict.reason.value}: {verdict.detail}"


def main(arguments: list[str] | None = None) -> int:
    """Run the bridge until shutdown; 1 when its parameters cannot be used."""
    return run_node("bridge_node", arguments, _run)


def _run() -> int:
    node = Node("bridge")
    executor = make_executor()
    executor.add_node(node)
    try:
        BridgeCarrier(node)
        spin(executor)
    finally:
        node.destroy_node()
    return 0


if __name__ == "__main__":
    sys.exit(main())
