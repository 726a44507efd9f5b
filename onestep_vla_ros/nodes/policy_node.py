# SPDX-License-Identifier: Apache-2.0
"""policy_node: a lifecycle node that turns images, joint states and a sentence into chunks."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.config import PolicyNodeConfig
from onestep_vla_ros.core.errors import ChunkError, JointError, ObservationError, OneStepError
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.core.observer import Observer
from onestep_vla_ros.core.running_plan import RunningPlan
from onestep_vla_ros.core.wire_units import StateUnits
from onestep_vla_ros.nodes.clock import NodeClock
from onestep_vla_ros.nodes.effort_tally import EffortTally
from onestep_vla_ros.nodes.entry import run_node
from onestep_vla_ros.nodes.executor import make_executor, spin
from onestep_vla_ros.nodes.loading import load_checked
from onestep_vla_ros.nodes.messages import (
    chunk_to_trajectory,
    compressed_to_rgb,
    image_to_rgb,
    joint_state_to_arrays,
    start_pose_to_trajectory,
    to_seconds,
    trajectory_to_chunk,
)
from onestep_vla_ros.nodes.params import read_parameters
from onestep_vla_ros.nodes.path_publisher import PathPublisher
from onestep_vla_ros.nodes.qos import EVERY, LATCHED, RELIABLE, SENSOR
from onestep_vla_ros.nodes.status import ERROR, OK, WARN, make_status
from onestep_vla_ros.nodes.trace import InferenceTrace
from onestep_vla_ros.nodes.trouble import TroubleTeller
from onestep_vla_ros.nodes.worker import InferenceWorker
from onestep_vla_ros.policy.policy import OneStepPolicy
from onestep_vla_ros.report import percentiles_ms


class PolicyNode(LifecycleNode):
    """Configure loads and warms up, activate starts to infer, deactivate stops.

    Time: ages are judged on the clock that deadlines run on, the steady one on a robot; stamps
    are translated when they come in and when they go out.
    Thread: callbacks run in the executor's thread and only feed the observer; inference and
    the publishing of chunks run on the worker's thread.

    Attributes:
        failure: Why the last transition or the inference failed; empty when nothing did.
    """

    def __init__(self, name: str = "policy", *, cli_args: list[str] | None = None) -> None:
        super().__init__(name, cli_args=cli_args)
        self.failure = ""
        self._log = self.get_logger()  # type: ignore[no-untyped-call]
        self._time = NodeClock(self)
        self._config: PolicyNodeConfig | None = None
        self._policy: OneStepPolicy | None = None
        self._worker: InferenceWorker | None = None
        self._efforts: EffortTally | None = None
        self._chunks = self.create_lifecycle_publisher(  # type: ignore[no-untyped-call]
            JointTrajectory, "action_chunk", RELIABLE
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", EVERY)
        self._start_pose = self.create_publisher(JointTrajectory, "policy/start_pose", LATCHED)
        self._trace = self.create_publisher(Float64MultiArray, "policy/trace", EVERY)
        self._path = PathPublisher(self)
        self._trouble = TroubleTeller(self, self._look)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the parameters, load the checkpoint, check it against them, warm up."""
        try:
            if self._config is None:
                self._config = read_parameters(self, PolicyNodeConfig)
            self._policy = load_checked(self._config)
        except OneStepError as error:
            self.failure = str(error)
            return TransitionCallbackReturn.FAILURE
        config = self._config
        self._units = StateUnits(config.wire_names, config.wire_scale, config.wire_offset)
        contract = self._policy.contract
        robot, low, high = contract.embodiment, contract.start_q_low, contract.start_q_high
        self._start_pose.publish(start_pose_to_trajectory(low, high, robot.state_names))
        self._action_names = robot.action_names
        self._listen(self._config, contract.cameras)
        self._log.info(f"configured from {self._config.checkpoint or 'the shipped checkpoint'}")
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the worker."""
        if self._worker is None:
            return TransitionCallbackReturn.FAILURE
        result = super().on_activate(state)
        self._worker.start()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the worker; the checkpoint stays loaded."""
        if self._worker is not None and self._config is not None and self._policy is not None:
            self._worker.stop()
            self._worker = self._make_worker(self._config, self._policy)
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget the checkpoint and the subscriptions."""
        self._forget()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the worker for good."""
        self._forget()
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """Stop the worker; call before the node is destroyed."""
        if self._worker is not None:
            self._worker.stop()

    def _listen(self, config: PolicyNodeConfig, cameras: tuple[CameraSpec, ...]) -> None:
        assert self._policy is not None  # noqa: S101 - configure loads before it listens
        self._worker = self._make_worker(config, self._policy)
        is_raw = config.image_transport == "raw"
        kind, ending = (Image, "") if is_raw else (CompressedImage, "/compressed")
        self._inputs = [
            self.create_subscription(
                kind, f"{c.name}/image_raw{ending}", partial(self._on_image, c), SENSOR
            )
            for c in cameras
        ]
        self._inputs.append(
            self.create_subscription(JointState, "joint_states", self._on_joint_state, SENSOR)
        )
        self._inputs.append(
            self.create_subscription(String, "instruction", self._on_instruction, LATCHED)
        )
        if self._plan.count:
            self._inputs.append(
                self.create_subscription(JointTrajectory, "bridge/plan", self._on_plan, LATCHED)
            )
        self._timer = self.create_timer(
            config.status_period_s,
            self._publish_diagnostics,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    def _make_worker(self, config: PolicyNodeConfig, policy: OneStepPolicy) -> InferenceWorker:
        period_s = policy.contract.period_s
        self._plan = RunningPlan(period_s, config.prefix_s, policy.longest_prefix)
        self._efforts = EffortTally(policy, self._plan)
        return InferenceWorker(
            Observer(policy.contract.cameras, config),
            self._efforts.infer,
            self._time.now_s,
            self._publish_chunk,
            lambda line: self._log.warning(line, throttle_duration_sec=1.0),
            config.fault_inferences,
        )

    def _look(self) -> str:
        worker = self._worker
        if worker is None:
            return "no checkpoint is loaded"
        with worker.arrived:
            return worker.observer.trouble(self._time.now_s())

    def _forget(self) -> None:
        self.close()
        if self._worker is not None:
            for entity in self._inputs:
                self.destroy_subscription(entity)
            self.destroy_timer(self._timer)
        self._worker, self._policy = None, None

    def _on_image(self, camera: CameraSpec, message: Image | CompressedImage) -> None:
        worker = self._worker
        if worker is None:
            return
        read = image_to_rgb if isinstance(message, Image) else compressed_to_rgb
        try:
            image = read(message, camera)
        except ObservationError as error:
            worker.refuse(f"image_unusable.{camera.name}", str(error))
            return
        with worker.arrived:
            worker.image_s = self._time.now_s()
            stamp_s = self._time.local_s(to_seconds(message.header.stamp))
            worker.observer.on_image(camera.name, image, stamp_s)
            worker.arrived.notify_all()

    def _on_joint_state(self, message: JointState) -> None:
        worker = self._worker
        if worker is None:
            return
        try:
            q, qd, stamp_s = joint_state_to_arrays(message, self._units)
        except JointError as error:
            worker.refuse("joint_states_unusable", str(error))
            return
        if qd is None:
            worker.refuse("joint_states_unusable", "joint_states carry no velocity")
            return
        with worker.arrived:
            worker.observer.on_joint_state(q, qd, self._time.local_s(stamp_s))
            worker.arrived.notify_all()

    def _on_instruction(self, message: String) -> None:
        worker = self._worker
        if worker is None:
            return
        try:
            with worker.arrived:
                worker.observer.on_instruction(message.data)
        except ObservationError as error:
            worker.refuse("instruction_unusable", str(error))

    def _on_plan(self, message: JointTrajectory) -> None:
        """Take what the bridge follows; no points say that it follows nothing."""
        if not message.points:
            self._plan.take(None)
            return
        try:
            told = trajectory_to_chunk(message)
        except ChunkError as error:
            self._plan.take(None)
            if self._worker is not None:
                self._worker.refuse("plan_unusable", str(error))
            return
        self._plan.take(replace(told, stamp_s=self._time.local_s(told.stamp_s)))

    def _publish_chunk(self, chunk: Chunk, trace: InferenceTrace) -> None:
        if rclpy.ok():
            message = chunk_to_trajectory(chunk, self._action_names)
            message.header.stamp = self._time.stamp(chunk.stamp_s)
            self._chunks.publish(message)
            self._trace.publish(trace.shifted(self._time.wire_s(0.0)).to_message())
            self._path.show(chunk, message.header.stamp)

    def _publish_diagnostics(self) -> None:
        worker, efforts = self._worker, self._efforts
        if worker is None or efforts is None:
            return
        latency = percentiles_ms(list(worker.latencies_s)) or {}
        values: dict[str, object] = {f"inference_{k}_ms": v for k, v in latency.items()}
        values |= {"chunks": worker.chunks, "failed_inferences": worker.failed}
        values |= efforts.values()
        values |= {f"refused.{reason}": n for reason, n in sorted(worker.refused.items())}
        level = ERROR if worker.failure else OK if worker.chunks else WARN
        text = worker.failure or ("infers" if worker.chunks else "waits for its first observation")
        array = DiagnosticArray(status=[make_status("policy", level, text, values)])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)
        if worker.failure:
            self.failure = worker.failure
            self.context.try_shutdown()


def main(arguments: list[str] | None = None) -> int:
    """Run the policy until shutdown; 1 when it cannot be configured or inference gave up."""
    return run_node("policy_node", arguments, _run, has_pictures=True)


def _run() -> int:
    node = PolicyNode()
    executor = make_executor()
    executor.add_node(node)
    try:
        if _wants_autostart(node):
            node.trigger_configure()  # type: ignore[no-untyped-call]
            if not node.failure:
                node.trigger_activate()  # type: ignore[no-untyped-call]
        if not node.failure:
            spin(executor)
    finally:
        node.close()
        node.destroy_node()  # type: ignore[no-untyped-call]
    if node.failure:
        print(f"policy_node: {node.failure}", file=sys.stderr)
    return 1 if node.failure else 0


def _wants_autostart(node: PolicyNode) -> bool:
    """Read `autostart` before configure judges all parameters; anything but false starts."""
    given = node._parameter_overrides.get("autostart")  # noqa: SLF001 - no public way
    return given is None or given.value is not False


if __name__ == "__main__":
    sys.exit(main())
