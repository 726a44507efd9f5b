# SPDX-License-Identifier: Apache-2.0
"""recorder_node: writes what happened on the wire, in its own process.

frames.bin     JPEG pictures, one after the other
events.jsonl   one line an event: {"k": kind, "t": stamp [s], …}
               frame (camera, offset, size), state (q), command (arm, q), chunk,
               trace (mode, chunk, governed), sim (the sim/state values), text
"""

from __future__ import annotations

import json
import math
import sys
from functools import partial
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.config import RecorderConfig
from onestep_vla_ros.core.errors import ConfigError, JointError, ObservationError
from onestep_vla_ros.core.joints import ARMS
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.nodes.entry import run_node
from onestep_vla_ros.nodes.executor import make_executor, spin
from onestep_vla_ros.nodes.messages import image_to_rgb, joint_state_to_arrays, to_seconds
from onestep_vla_ros.nodes.params import read_parameters
from onestep_vla_ros.nodes.qos import EVERY, LATCHED, SENSOR
from onestep_vla_ros.nodes.status import read_status
from onestep_vla_ros.nodes.trace import Trace

CAMERAS = ("top", "left_wrist", "right_wrist")
JPEG_QUALITY = 90


class Recorder:
    """Subscriptions that write to two files until the quota is used up.

    Thread: everything runs in the executor's single thread.

    Raises:
        ConfigError: Parameters that cannot be used, or a folder that cannot be written.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._config = read_parameters(node, RecorderConfig)
        self._written = 0
        self._frame_due_s = dict.fromkeys(CAMERAS, -math.inf)
        self._frames, self._events = _open(Path(self._config.folder))
        for camera in CAMERAS:
            topic = f"{camera}/image_raw"
            node.create_subscription(Image, topic, partial(self._on_image, camera), SENSOR)
        for arm in ARMS:
            node.create_subscription(
                JointTrajectory,
                f"{arm}_arm_controller/joint_trajectory",
                partial(self._on_trajectory, arm),
                EVERY,
            )
            node.create_subscription(
                Float64MultiArray,
                f"{arm}_arm_controller/commands",
                partial(self._on_positions, arm),
                EVERY,
            )
        node.create_subscription(JointState, "joint_states", self._on_joint_state, SENSOR)
        node.create_subscription(JointTrajectory, "action_chunk", self._on_chunk, EVERY)
        node.create_subscription(Float64MultiArray, "bridge/trace", self._on_trace, EVERY)
        node.create_subscription(String, "instruction", self._on_instruction, LATCHED)
        node.create_subscription(DiagnosticStatus, "sim/state", self._on_sim, LATCHED)

    def close(self) -> None:
        """Flush and close both files."""
        self._frames.close()
        self._events.close()

    def _on_image(self, camera: str, message: Image) -> None:
        stamp_s = to_seconds(message.header.stamp)
        if stamp_s < self._frame_due_s[camera] or self._is_full():
            return
        self._frame_due_s[camera] = stamp_s + 0.999 / self._config.video_rate_hz
        try:
            image = image_to_rgb(message, CameraSpec(camera, message.height, message.width))
        except ObservationError as error:
            self._node.get_logger().warning(str(error), throttle_duration_sec=1.0)
            return
        bgr = np.ascontiguousarray(image[:, :, ::-1])
        _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        offset = self._frames.tell()
        self._frames.write(jpeg.tobytes())
        self._written += len(jpeg)
        self._write("frame", stamp_s, camera=camera, offset=offset, size=len(jpeg))

    def _on_joint_state(self, message: JointState) -> None:
        try:
            q, _, stamp_s = joint_state_to_arrays(message)
        except JointError as error:
            self._node.get_logger().warning(str(error), throttle_duration_sec=1.0)
            return
        self._write("state", stamp_s, q=_short(q.tolist()))

    def _on_trajectory(self, arm: str, message: JointTrajectory) -> None:
        if message.points:
            stamp_s = to_seconds(message.header.stamp)
            self._write("command", stamp_s, arm=arm, q=_short(message.points[0].positions))

    def _on_positions(self, arm: str, message: Float64MultiArray) -> None:
        now_s = self._node.get_clock().now().nanoseconds / 1e9
        self._write("command", now_s, arm=arm, q=_short(message.data))

    def _on_chunk(self, message: JointTrajectory) -> None:
        self._write("chunk", to_seconds(message.header.stamp), points=len(message.points))

    def _on_trace(self, message: Float64MultiArray) -> None:
        trace = Trace.from_message(message)
        if trace is not None:
            chunk_s = None if math.isnan(trace.chunk_stamp_s) else trace.chunk_stamp_s
            self._write(
                "trace", trace.tick_s, mode=trace.mode.name, chunk=chunk_s, g=trace.is_governed
            )

    def _on_instruction(self, message: String) -> None:
        now_s = self._node.get_clock().now().nanoseconds / 1e9
        self._write("text", now_s, text=message.data)

    def _on_sim(self, message: DiagnosticStatus) -> None:
        values = read_status(message)
        self._write("sim", float(values["now_s"]), **values)

    def _write(self, kind: str, stamp_s: float, **values: object) -> None:
        if self._is_full():
            return
        line = json.dumps({"k": kind, "t": round(stamp_s, 6), **values}) + "\n"
        self._events.write(line)
        self._written += len(line)
        if self._is_full():
            self._node.get_logger().warning(
                f"recording ends: {self._config.quota_mb} MB are written (parameter quota_mb)"
            )

    def _is_full(self) -> bool:
        return self._written > self._config.quota_mb * 1_000_000


def _open(folder: Path) -> tuple[IO[bytes], IO[str]]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        frames = (folder / "frames.bin").open("wb")
        events = (folder / "events.jsonl").open("w", encoding="utf-8", buffering=1 << 16)
    except OSError as error:
        raise ConfigError(
            f"folder {folder} cannot be written", got=error.strerror, do="name another one"
        ) from None
    return frames, events


def _short(values: object) -> list[float]:
    return [round(float(value), 5) for value in values]  # type: ignore[attr-defined]


def main(arguments: list[str] | None = None) -> int:
    """Record until shutdown; 1 when it cannot start or the disk fails."""
    return run_node("recorder_node", arguments, _run, has_pictures=True)


def _run() -> int:
    node = Node("recorder")
    executor = make_executor()
    executor.add_node(node)
    recorder: Recorder | None = None
    try:
        recorder = Recorder(node)
        spin(executor)
    finally:
        if recorder is not None:
            recorder.close()
        node.destroy_node()
    return 0


if __name__ == "__main__":
    sys.exit(main())
