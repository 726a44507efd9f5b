# SPDX-License-Identifier: Apache-2.0
"""bridge_node: carries messages to and from the Bridge; decides nothing."""

from __future__ import annotations

import math
import sys

from rclpy.clock import Clock as RosClock
from rclpy.clock import ClockType
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.command import Command
from onestep_vla_ros.core.errors import ChunkError, JointError, OneStepError
from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected, Verdict
from onestep_vla_ros.nodes.bridge_status import BridgeStatus
from onestep_vla_ros.nodes.bridge_wire import open_wire, read_profile
from onestep_vla_ros.nodes.clock import NodeClock
from onestep_vla_ros.nodes.entry import run_node
from onestep_vla_ros.nodes.executor import make_executor, spin
from onestep_vla_ros.nodes.graph_watch import POLL_S, GraphWatch
from onestep_vla_ros.nodes.landing import come_to_rest
from onestep_vla_ros.nodes.messages import (
    joint_state_to_arrays,
    to_seconds,
    trajectory_to_chunk,
    trajectory_to_start_pose,
)
from onestep_vla_ros.nodes.plan_publisher import PlanPublisher
from onestep_vla_ros.nodes.qos import EVERY, LATCHED, RELIABLE, SENSOR
from onestep_vla_ros.nodes.realtime import claim, freeze_garbage, parse_cores
from onestep_vla_ros.nodes.services import OperatorServices, in_words
from onestep_vla_ros.nodes.trace import InferenceTrace, Trace
from onestep_vla_ros.nodes.verdict_publisher import VerdictPublisher

_MAX_WORDS = 300
"""Characters of another node's words that go into the status."""


class BridgeCarrier:
    """Subscriptions, services, the tick and publishers around one Bridge.

    Thread: everything runs in the executor's single thread.
    Time: simulation ticks once on each /clock message, a robot on a steady timer; the set
    point comes from the clock, never from counting ticks. What is not the tick (the graph,
    status, waiting callers) runs on steady timers in both.

    Args:
        node: A bare node with its parameters' overrides.

    Raises:
        ConfigError: Parameters that cannot be used, all at once.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._config = config = read_profile(node)
        cores = parse_cores(config.cpu_affinity)
        self.bridge = Bridge(config)
        self._wire = open_wire(node, config)
        self._clock = NodeClock(node)
        self.is_sim = self._clock.is_sim
        self._sim_now_s = 0.0
        self._command: Command | None = None
        self._chunk_stamp_s = math.nan
        self.status = BridgeStatus(node)
        is_delta = self._wire.is_delta
        self._plan = None if is_delta else PlanPublisher(node, self.bridge.plan, self._clock)
        self._verdicts = VerdictPublisher(node) if is_delta else None
        self._trace = node.create_publisher(Float64MultiArray, "bridge/trace", EVERY)
        self._services = OperatorServices(
            node, self.bridge, self.now_s, self.status.clear_times, self._rest_s
        )
        self._create_inputs()
        self._create_timers()
        claim(cores, config.fifo_priority, node.get_logger().warning)

    def now_s(self) -> float:
        """Return the present on the deadlines' clock; 0 before simulated time has come [s]."""
        return self._sim_now_s if self.is_sim else self._clock.now_s()

    def on_joint_state(self, message: JointState) -> None:
        """Take a joint state; one that cannot be read is refused by name and counted."""
        if self._is_timeless():
            return
        try:
            q, qd, taken_s = joint_state_to_arrays(message, self._wire.units)
        except JointError as error:
            self._refuse("joint_states", error)
            return
        stamp_s, now_s = self._clock.local_s(taken_s), self.now_s()
        verdict = self.bridge.on_joint_state(q, qd, stamp_s, now_s)
        if isinstance(verdict, Accepted):
            self.status.joint_states.note(stamp_s, now_s)
        elif verdict.reason is not Reason.DUPLICATE:
            self._warn("joint_states", in_words(verdict))

    def on_chunk(self, message: JointTrajectory) -> None:
        """Take a chunk; one that has no chunk's form is refused and counted."""
        if self._is_timeless():
            return
        stamp_s, now_s = self._clock.local_s(to_seconds(message.header.stamp)), self.now_s()
        self.status.chunks.note(stamp_s, now_s)
        try:
            chunk = trajectory_to_chunk(message, self._wire.action_names)
        except ChunkError as error:
            self._tell_verdict(message, self._refuse("action_chunk", error))
            return
        verdict = self.bridge.on_chunk(Chunk(chunk.q, stamp_s, chunk.period_s), now_s)
        self._tell_verdict(message, verdict)
        if isinstance(verdict, Accepted):
            self._chunk_stamp_s = chunk.stamp_s
        else:
            self._warn("action_chunk", in_words(verdict))

    def on_start_pose(self, message: JointTrajectory) -> None:
        """Take from the policy where it may start; what has not that form is ignored."""
        try:
            pose = trajectory_to_start_pose(message, self._wire.state_names)
            verdict = self.bridge.on_start_pose(*pose)
        except ChunkError as error:
            self._warn("policy/start_pose", str(error))
            return
        if isinstance(verdict, Rejected):
            self._warn("policy/start_pose", in_words(verdict))

    def on_inference(self, message: Float64MultiArray) -> None:
        """Take from the policy when it worked on a chunk."""
        trace = InferenceTrace.from_message(message)
        if trace is None:
            self._warn("policy/trace", "not four finite numbers")
            return
        times = (trace.stamp_s, trace.observed_s, trace.started_s, trace.ended_s)
        self.bridge.ledger.on_inference(*map(self._clock.local_s, times))

    def on_trouble(self, message: String) -> None:
        """Take from the policy why it cannot act, "" when it can."""
        self.bridge.on_policy_trouble(message.data[:_MAX_WORDS], self.now_s())

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
        self.status.begin_tick()
        now_s = self.now_s()
        command = self.bridge.tick(now_s)
        if command is not self._command:  # a tick that came too early has the last one again
            self._command = command
            self._wire.outputs.send(command, self._clock.stamp(command.stamp_s))
        is_new = self.status.note(command.mode, command.reason, now_s)
        self._publish_trace(command.governor_active)
        if self._plan is not None:
            self._plan.look(command, now_s, is_at_rest=self.bridge.is_at_rest)
        self.status.end_tick()
        if is_new:
            self.publish_status()
        self._services.settle()

    def publish_status(self) -> None:
        """Publish bridge/status and /diagnostics: the mode and why the arms do not move."""
        self.status.publish(self.bridge, self.now_s())

    def close(self) -> None:
        """Answer everybody who still waits; call before the node is destroyed."""
        self._services.settle(patience_s=-1.0)
        self.publish_status()

    def _create_inputs(self) -> None:
        node = self._node
        node.create_subscription(JointState, "joint_states", self.on_joint_state, SENSOR)
        node.create_subscription(JointTrajectory, "action_chunk", self.on_chunk, RELIABLE)
        node.create_subscription(JointTrajectory, "policy/start_pose", self.on_start_pose, LATCHED)
        node.create_subscription(Float64MultiArray, "policy/trace", self.on_inference, EVERY)
        node.create_subscription(String, "policy/trouble", self.on_trouble, LATCHED)
        self._graph = GraphWatch(node, self._wire.outputs, self._set_obstacle)

    def _create_timers(self) -> None:
        node, steady = self._node, RosClock(clock_type=ClockType.STEADY_TIME)
        if self.is_sim:
            node.create_subscription(Clock, "/clock", self.on_clock, EVERY)
        else:
            node.create_timer(self._config.control_period_s, self.tick, clock=steady)
        node.create_timer(POLL_S, self._look, clock=steady)
        node.create_timer(self._config.status_period_s, self.publish_status, clock=steady)

    def _look(self) -> None:
        """See to what is no part of the tick, five times a second."""
        self._graph.look(self.bridge.has_output)
        self._services.settle()
        self.status.publish_changes(self.bridge, self.now_s())

    def _set_obstacle(self, name: str, why: str) -> None:
        self.bridge.set_obstacle(name, why, self.now_s())
        if why:
            self._node.get_logger().error(f"the arms may not move: {name}: {why}")
        else:
            self._node.get_logger().info(f"no longer in the way: {name}")

    def _rest_s(self) -> float:
        stop = self._command.stop if self._command else None
        return stop.duration_s if stop else 0.0

    def _is_timeless(self) -> bool:
        """Has simulated time not come yet, so that no stamp can be judged?"""
        return self.is_sim and self._sim_now_s == 0.0

    def _publish_trace(self, is_governed: bool) -> None:
        stamp_s = self._clock.wire_s(self.now_s())
        trace = Trace(stamp_s, self.status.mode, self._chunk_stamp_s, is_governed)
        self._trace.publish(trace.to_message())

    def _tell_verdict(self, message: JointTrajectory, verdict: Verdict) -> None:
        if self._verdicts is not None:
            self._verdicts.tell(message.header.stamp, verdict)

    def _refuse(self, topic: str, error: OneStepError) -> Verdict:
        verdict = Rejected(Reason.MALFORMED, str(error))
        self.bridge.refuse(topic, verdict, self.now_s())
        self._warn(topic, str(error))
        return verdict

    def _warn(self, topic: str, text: str) -> None:
        self._node.get_logger().warning(f"{topic} refused: {text}", throttle_duration_sec=1.0)


def main(arguments: list[str] | None = None) -> int:
    """Run the bridge until a signal, then bring the arms to rest; 1 for unusable parameters."""
    return run_node("bridge_node", arguments, _run)


def _run() -> int:
    node = Node("bridge")
    executor = make_executor()
    executor.add_node(node)
    try:
        carrier = BridgeCarrier(node)
        carrier.status.frozen_objects = freeze_garbage()
        spin(executor)
        come_to_rest(carrier, executor)
    finally:
        node.destroy_node()
    return 0


if __name__ == "__main__":
    sys.exit(main())
