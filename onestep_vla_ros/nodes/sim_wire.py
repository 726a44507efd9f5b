# SPDX-License-Identifier: Apache-2.0
"""The simulated robot's topics and services; what comes in waits for the world's thread."""

from __future__ import annotations

import array
import threading
from collections import deque
from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from numpy.typing import NDArray
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.config import LIBERO, SimNodeConfig
from onestep_vla_ros.core.joints import ARMS, JOINT_NAMES
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.nodes.action_output import TOPIC
from onestep_vla_ros.nodes.messages import (
    arrays_to_joint_state,
    rgb_to_image,
    to_seconds,
    to_stamp,
)
from onestep_vla_ros.nodes.qos import EVERY, LATCHED, RELIABLE, SENSOR
from onestep_vla_ros.nodes.trace import ExchangeTrace, Trace
from onestep_vla_ros.nodes.verdict_publisher import TOPIC as VERDICT
from onestep_vla_ros.nodes.verdict_publisher import read_verdict

JPEG_QUALITY = 95
_RESET_ANSWER_S = 60.0
"""A world of LIBERO is built anew at every reset [s of wall time]."""


class SimWire:
    """Publishers, subscriptions and the reset service of a simulated robot.

    Thread: callbacks run in the executor's thread and only fill the inbox under `arrived`;
    publishing and `take_commands` belong to the world's thread.

    Attributes:
        arrived: Notified when anything came in.
        tick_s: Time of the newest bridge tick heard [s]; NaN before the first.
        mode: The bridge's mode in it.
        chunk_stamp_s: Identity of the newest chunk heard [s]; NaN before the first.
        verdict_stamp_s: Identity of the newest one that the bridge is known to have judged [s].
    """

    def __init__(
        self,
        node: Node,
        config: SimNodeConfig,
        cameras: Sequence[CameraSpec],
        state_names: Sequence[str] = JOINT_NAMES,
    ) -> None:
        self.arrived = threading.Condition()
        self.tick_s = self.chunk_stamp_s = self.verdict_stamp_s = float("nan")
        self.mode = Mode.IDLE
        self._node, self._state_names = node, state_names
        self._commands: deque[tuple[str, JointTrajectory | Float64MultiArray]] = deque()
        self._traces: deque[Trace] = deque(maxlen=1000)
        self._reset: threading.Event | None = None
        self._reset_answer = ""
        self._is_compressed = config.image_transport == "compressed"
        kind, ending = (CompressedImage, "/compressed") if self._is_compressed else (Image, "")
        self._images = {
            c.name: node.create_publisher(kind, f"{c.name}/image_raw{ending}", SENSOR)
            for c in cameras
        }
        self._joints = node.create_publisher(JointState, "joint_states", SENSOR)
        self._clock = node.create_publisher(Clock, "/clock", EVERY)
        self._instruction = node.create_publisher(String, "instruction", LATCHED)
        self._status = node.create_publisher(DiagnosticStatus, "sim/state", LATCHED)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", EVERY)
        self._exchanges = node.create_publisher(Float64MultiArray, "sim/trace", EVERY)
        self._subscribe(config)
        node.create_service(Trigger, "sim/reset", self._on_reset)

    def publish_images(self, images: dict[str, NDArray[np.uint8]], stamp_s: float) -> None:
        """Publish one picture of every camera, all taken at `stamp_s` [s]."""
        for name, image in images.items():
            frame = f"{name}_optical_frame"
            if self._is_compressed:
                message = CompressedImage(format="jpeg")
                message.header.stamp, message.header.frame_id = to_stamp(stamp_s), frame
                bgr = np.ascontiguousarray(image[:, :, ::-1])
                _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
                message.data = array.array("B", data.tobytes())
                self._images[name].publish(message)
            else:
                self._images[name].publish(rgb_to_image(image, stamp_s, frame))

    def publish_joints(
        self, q: NDArray[np.float64], qd: NDArray[np.float64], stamp_s: float
    ) -> None:
        """Publish the measured q and qd, each (D,)."""
        self._joints.publish(arrays_to_joint_state(q, qd, stamp_s, self._state_names))

    def publish_clock(self, now_s: float) -> None:
        """Publish /clock [s]; the bridge ticks on it, so it goes out last."""
        self._clock.publish(Clock(clock=to_stamp(now_s)))

    def publish_instruction(self, text: str) -> None:
        """Publish the sentence of the present episode."""
        self._instruction.publish(String(data=text))

    def publish_status(self, status: DiagnosticStatus, now_s: float) -> None:
        """Publish sim/state, and the same on /diagnostics."""
        self._status.publish(status)
        message = DiagnosticArray(status=[status])
        message.header.stamp = to_stamp(now_s)
        self._diagnostics.publish(message)

    def publish_exchange(self, exchange: ExchangeTrace) -> None:
        """Publish what a chunk has cost in lockstep."""
        self._exchanges.publish(exchange.to_message())

    def take_commands(self) -> list[tuple[str, JointTrajectory | Float64MultiArray]]:
        """Return and forget the commands that came, oldest first, each with its arm."""
        with self.arrived:
            commands = list(self._commands)
            self._commands.clear()
        return commands

    def take_traces(self) -> list[Trace]:
        """Return and forget the bridge ticks that were heard, oldest first."""
        with self.arrived:
            traces = list(self._traces)
            self._traces.clear()
        return traces

    def is_reset_wanted(self) -> bool:
        """Is a caller of sim/reset waiting?"""
        return self._reset is not None

    def answer_reset(self, text: str) -> None:
        """Tell the caller of sim/reset that the new episode stands."""
        with self.arrived:
            if self._reset is not None:
                self._reset_answer = text
                self._reset.set()
                self._reset = None

    def _subscribe(self, config: SimNodeConfig) -> None:
        for arm, kind, topic in _command_topics(config):
            put = partial(self._on_command, arm)
            self._node.create_subscription(kind, topic, put, EVERY)
        if config.world == LIBERO:
            self._node.create_subscription(DiagnosticStatus, VERDICT, self._on_verdict, LATCHED)
        self._node.create_subscription(Float64MultiArray, "bridge/trace", self._on_trace, EVERY)
        self._node.create_subscription(JointTrajectory, "action_chunk", self._on_chunk, RELIABLE)

    def _on_command(self, arm: str, message: JointTrajectory | Float64MultiArray) -> None:
        with self.arrived:
            self._commands.append((arm, message))
            self.arrived.notify_all()

    def _on_trace(self, message: Float64MultiArray) -> None:
        trace = Trace.from_message(message)
        if trace is None:
            return
        with self.arrived:
            self.tick_s, self.mode = trace.tick_s, trace.mode
            self._traces.append(trace)
            self.arrived.notify_all()

    def _on_chunk(self, message: JointTrajectory) -> None:
        with self.arrived:
            self.chunk_stamp_s = to_seconds(message.header.stamp)
            self.arrived.notify_all()

    def _on_verdict(self, message: DiagnosticStatus) -> None:
        with self.arrived:
            self.verdict_stamp_s, _ = read_verdict(message)
            self.arrived.notify_all()

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        done = threading.Event()
        with self.arrived:
            self._reset = done
            self.arrived.notify_all()
        response.success = done.wait(_RESET_ANSWER_S)
        response.message = self._reset_answer if response.success else "the world did not answer"
        return response


def _command_topics(
    config: SimNodeConfig,
) -> list[tuple[str, type[JointTrajectory] | type[Float64MultiArray], str]]:
    """Return of each arm its name, the type of its commands and their topic."""
    if config.world == LIBERO:
        return [("arm", JointTrajectory, TOPIC)]
    if config.command_mode == "forward_position":
        return [(arm, Float64MultiArray, f"{arm}_arm_controller/commands") for arm in ARMS]
    return [(arm, JointTrajectory, f"{arm}_arm_controller/joint_trajectory") for arm in ARMS]
