# SPDX-License-Identifier: Apache-2.0
"""One constructor per outside format: ROS messages to arrays, arrays to ROS messages."""

from __future__ import annotations

import array
import math
from collections.abc import Sequence

import cv2
import numpy as np
from builtin_interfaces.msg import Duration, Time
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.errors import ChunkError, ObservationError
from onestep_vla_ros.core.joints import DOF, JOINT_NAMES
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.core.wire_units import StateUnits

MAX_POINTS = 512
"""A trajectory message longer than this is refused unread."""

_NANO = 1_000_000_000
_OURS = StateUnits(JOINT_NAMES, [1.0] * DOF, [0.0] * DOF)
_CHANNEL_ORDER = {"rgb8": slice(None), "bgr8": slice(None, None, -1)}


def to_seconds(stamp: Time | Duration) -> float:
    """Return a message's time or duration in seconds."""
    return float(stamp.sec + stamp.nanosec / _NANO)


def to_stamp(seconds: float) -> Time:
    """Return `seconds` >= 0 as a message time, rounded to the nanosecond."""
    sec, nanosec = _split(seconds)
    return Time(sec=sec, nanosec=nanosec)


def to_duration(seconds: float) -> Duration:
    """Return `seconds` >= 0 as a message duration, rounded to the nanosecond."""
    sec, nanosec = _split(seconds)
    return Duration(sec=sec, nanosec=nanosec)


def image_to_rgb(message: Image, camera: CameraSpec) -> NDArray[np.uint8]:
    """Return an Image as RGB (height, width, 3) uint8; the padding of `step` is dropped.

    Raises:
        ObservationError: Encoding other than rgb8 or bgr8, or size, step or data length
            that do not fit the camera.
    """
    if message.encoding not in _CHANNEL_ORDER:
        raise ObservationError(
            f"image of camera {camera.name!r} has the wrong encoding",
            got=repr(message.encoding),
            allowed=sorted(_CHANNEL_ORDER),
            do="set the camera driver to rgb8",
        )
    _check_size(camera, message.height, message.width)
    row = 3 * camera.width
    if message.step < row or len(message.data) != message.step * camera.height:
        raise ObservationError(
            f"image of camera {camera.name!r} has the wrong amount of data",
            got=f"step {message.step}, {len(message.data)} bytes",
            allowed=f"step >= {row} and step * {camera.height} bytes",
        )
    rows = np.frombuffer(message.data, np.uint8).reshape(camera.height, message.step)
    pixels = rows[:, :row].reshape(camera.height, camera.width, 3)
    return np.ascontiguousarray(pixels[:, :, _CHANNEL_ORDER[message.encoding]])


def compressed_to_rgb(message: CompressedImage, camera: CameraSpec) -> NDArray[np.uint8]:
    """Return a JPEG or PNG message as RGB (height, width, 3) uint8.

    Raises:
        ObservationError: Not a whole JPEG or PNG, or not of the camera's size.
    """
    data = bytes(message.data)
    is_jpeg = data[:3] == b"\xff\xd8\xff" and data.rstrip(b"\0")[-2:] == b"\xff\xd9"
    is_png = data[:8] == b"\x89PNG\r\n\x1a\n" and data[-8:-4] == b"IEND"
    decoded = (
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if is_jpeg or is_png
        else None
    )
    if decoded is None:
        raise ObservationError(
            f"compressed image of camera {camera.name!r} cannot be decoded",
            got=f"{len(data)} bytes, format {message.format!r}",
            allowed="a whole JPEG or PNG",
        )
    _check_size(camera, decoded.shape[0], decoded.shape[1])
    return np.ascontiguousarray(decoded[:, :, ::-1], dtype=np.uint8)


def rgb_to_image(image: NDArray[np.uint8], stamp_s: float, frame: str) -> Image:
    """Return RGB (H, W, 3) uint8 as an rgb8 Image taken at `stamp_s` [s]."""
    message = Image(encoding="rgb8", height=image.shape[0], width=image.shape[1])
    message.header.stamp = to_stamp(stamp_s)
    message.header.frame_id = frame
    message.step = 3 * image.shape[1]
    message.data = array.array("B", np.ascontiguousarray(image).tobytes())
    return message


def joint_state_to_arrays(
    message: JointState, units: StateUnits = _OURS
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, float]:
    """Return q (D,), qd (D,) and the stamp [s], mapped by name; qd None when none was sent.

    Args:
        message: Joints in any order, others among them.
        units: The robot's names and units.

    Raises:
        JointError: A joint is missing, doubled or not finite, or the lengths differ.
    """
    q = units.positions_from_wire(message.name, message.position)
    qd = units.rates_from_wire(message.name, message.velocity) if message.velocity else None
    return q, qd, to_seconds(message.header.stamp)


def arrays_to_joint_state(
    q: NDArray[np.float64],
    qd: NDArray[np.float64],
    stamp_s: float,
    names: Sequence[str] = JOINT_NAMES,
) -> JointState:
    """Return q and qd, each (D,) of `names`, as a JointState measured at `stamp_s` [s]."""
    message = JointState(name=list(names), position=q.tolist(), velocity=qd.tolist())
    message.header.stamp = to_stamp(stamp_s)
    return message


def trajectory_to_chunk(message: JointTrajectory, names: Sequence[str] = JOINT_NAMES) -> Chunk:
    """Return an `action_chunk` message as a Chunk; values are left for the chunk gate.

    Args:
        message: Columns in any order.
        names: Of the columns, in the chunk's order.

    Raises:
        ChunkError: Unknown, missing or doubled joints, no point or too many, a point of the
            wrong length, or times that are not (i + 1) * period.
    """
    if not 1 <= len(message.points) <= MAX_POINTS:
        raise ChunkError(
            "chunk has the wrong number of points",
            got=len(message.points),
            allowed=f"1 to {MAX_POINTS}",
        )
    columns = _columns(message.joint_names, names)
    if any(len(point.positions) != len(columns) for point in message.points):
        raise ChunkError(
            "chunk has a point of the wrong length",
            got=sorted({len(point.positions) for point in message.points}),
            allowed=len(columns),
        )
    times = np.array([to_seconds(point.time_from_start) for point in message.points])
    period_s = float(times[-1]) / len(times)
    if period_s <= 0 or np.abs(times - period_s * np.arange(1, len(times) + 1)).max() > 1e-6:
        raise ChunkError(
            "chunk's times are not evenly spaced",
            got=f"{times[:3].tolist()} ... {times[-1]}",
            allowed="time_from_start of point i = (i + 1) * period",
        )
    q = np.array([point.positions for point in message.points])[:, columns]
    return Chunk(q=q, stamp_s=to_seconds(message.header.stamp), period_s=period_s)


def chunk_to_trajectory(chunk: Chunk, names: Sequence[str] = JOINT_NAMES) -> JointTrajectory:
    """Return a Chunk as the `action_chunk` message; its header stamp is its identity."""
    message = JointTrajectory(joint_names=list(names))
    message.header.stamp = to_stamp(chunk.stamp_s)
    message.points = [
        JointTrajectoryPoint(
            positions=row.tolist(), time_from_start=to_duration((i + 1) * chunk.period_s)
        )
        for i, row in enumerate(chunk.q)
    ]
    return message


def start_pose_to_trajectory(
    low: NDArray[np.float64], high: NDArray[np.float64], names: Sequence[str] = JOINT_NAMES
) -> JointTrajectory:
    """Return the range of poses, (D,) each of `names`, in which the policy starts: two points."""
    points = [JointTrajectoryPoint(positions=row.tolist()) for row in (low, high)]
    return JointTrajectory(joint_names=list(names), points=points)


def trajectory_to_start_pose(
    message: JointTrajectory, names: Sequence[str] = JOINT_NAMES
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and highest start pose, (D,) each, of a `policy/start_pose` message.

    Raises:
        ChunkError: Unknown, missing or doubled joints, or not two whole points.
    """
    columns = _columns(message.joint_names, names)
    lengths = [len(point.positions) for point in message.points]
    if lengths != [len(columns)] * 2:
        raise ChunkError(
            "start pose has the wrong form",
            got=f"points of {lengths} positions",
            allowed=f"two points of {len(columns)}: the lowest and the highest pose",
        )
    low, high = (np.array(point.positions)[columns] for point in message.points)
    return low, high


def _split(seconds: float) -> tuple[int, int]:
    """Return whole seconds and nanoseconds without losing digits of a large time."""
    whole = math.floor(max(0.0, seconds))
    nanoseconds = round((max(0.0, seconds) - whole) * _NANO)
    return whole + nanoseconds // _NANO, nanoseconds % _NANO


def _columns(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    if sorted(names) != sorted(wanted):
        raise ChunkError(
            "chunk names the wrong joints",
            got=f"missing {sorted(set(wanted) - set(names))}, "
            f"unknown {sorted(set(names) - set(wanted))}, {len(names)} names",
            allowed=f"each of {list(wanted)} once, in any order",
        )
    index = {name: i for i, name in enumerate(names)}
    return [index[name] for name in wanted]


def _check_size(camera: CameraSpec, height: int, width: int) -> None:
    if (height, width) != (camera.height, camera.width):
        raise ObservationError(
            f"image of camera {camera.name!r} has the wrong size",
            got=f"{width}x{height}",
            allowed=f"{camera.width}x{camera.height}",
            do="set the camera driver's resolution to the checkpoint's contract",
        )
