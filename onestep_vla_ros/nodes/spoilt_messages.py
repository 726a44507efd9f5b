# SPDX-License-Identifier: Apache-2.0
"""Messages of wrong form, and what the readers of `messages` make of them, for fault rows."""

from __future__ import annotations

import array
import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.errors import ChunkError
from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.core.verdict import Accepted, Verdict
from onestep_vla_ros.nodes.messages import (
    chunk_to_trajectory,
    compressed_to_rgb,
    image_to_rgb,
    trajectory_to_chunk,
)

_MILLION = 1_000_000


def read_picture(value: object, camera: CameraSpec) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) as the policy node reads it from a message.

    Raises:
        ObservationError: As `messages.image_to_rgb` and `compressed_to_rgb`.
    """
    if isinstance(value, CompressedImage):
        return compressed_to_rgb(value, camera)
    if isinstance(value, Image):
        return image_to_rgb(value, camera)
    return np.asarray(value, dtype=np.uint8)


def spoilt_images(picture: NDArray[np.uint8]) -> dict[str, Image | CompressedImage]:
    """Return image messages of wrong form by what is wrong with them.

    Args:
        picture: What a good one would show, (H, W, 3).
    """
    height, width, _ = picture.shape
    nan = np.full((height, width, 3), np.nan, np.float32).tobytes()
    _, jpeg = cv2.imencode(".jpg", picture)
    half = jpeg.tobytes()[: len(jpeg) // 2]
    return {
        "NaN floats": _image("32FC3", height, width, nan),
        "wrong encoding": _image("mono8", height, width, bytes(height * width)),
        "wrong size": _image("rgb8", height + 1, width + 1, bytes(3 * (height + 1) * (width + 1))),
        "empty": _image("rgb8", height, width, b""),
        "truncated JPEG": CompressedImage(format="jpeg", data=array.array("B", half)),
    }


def spoilt_chunks(stamp_s: float) -> dict[str, JointTrajectory]:
    """Return `action_chunk` messages of wrong form, of `stamp_s` [s], by what is wrong."""

    def good(points: int, period_s: float = 0.08) -> JointTrajectory:
        return chunk_to_trajectory(Chunk(np.zeros((points, 14)), stamp_s, period_s))

    def changed(change: Callable[[JointTrajectory], None]) -> JointTrajectory:
        message = good(16)
        change(message)
        return message

    return {
        "no point": JointTrajectory(joint_names=list(JOINT_NAMES)),
        "one point": good(1),
        "129 points": good(129, 0.01),
        "a million points": changed(_lengthen),
        "another name": changed(_rename),
        "a name missing": changed(_drop_name),
        "a short point": changed(_shorten),
        "times not rising": changed(_swap_points),
        "4.8 s long": good(24, 0.2),
        "1 ms period": good(16, 0.001),
    }


def judge(message: JointTrajectory, check: Callable[[Chunk], Verdict]) -> tuple[float, str]:
    """Return the CPU time to read and judge a chunk message [s], and why it was refused.

    Args:
        message: An `action_chunk` message.
        check: The gate's judgement of what could be read.

    Returns:
        Time and reason; the reason is empty when it was accepted.
    """
    begun = time.thread_time()
    try:
        verdict = check(trajectory_to_chunk(message))
        reason = "" if isinstance(verdict, Accepted) else verdict.reason.value
    except ChunkError as error:
        reason = str(error)
    return time.thread_time() - begun, reason


def _image(encoding: str, height: int, width: int, data: bytes) -> Image:
    step = len(data) // height if data else 3 * width
    message = Image(encoding=encoding, height=height, width=width, step=step)
    message.data = array.array("B", data)
    return message


def _lengthen(message: JointTrajectory) -> None:
    message.points = [message.points[0]] * _MILLION


def _rename(message: JointTrajectory) -> None:
    message.joint_names = ["elbow", *JOINT_NAMES[1:]]


def _drop_name(message: JointTrajectory) -> None:
    message.joint_names = list(JOINT_NAMES[1:])


def _shorten(message: JointTrajectory) -> None:
    message.points[5].positions = [0.0] * 13


def _swap_points(message: JointTrajectory) -> None:
    message.points[3], message.points[4] = message.points[4], message.points[3]
