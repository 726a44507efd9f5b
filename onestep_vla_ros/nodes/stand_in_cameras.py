# SPDX-License-Identifier: Apache-2.0
"""Cheap synthetic pictures and what can go wrong with them, for the stand-in robot."""

from __future__ import annotations

import array

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.nodes.messages import rgb_to_image, to_stamp

CAMERA_FAULTS = (
    "none",
    "off",
    "stuck",
    "frozen",
    "nan",
    "encoding",
    "size",
    "empty",
    "truncated",
    "late",
    "one_late",
    "future",
    "future_once",
)
"""Names of the faults; "none" sends a new picture with a true stamp."""

_BAR = 8
_PICTURES = 16


class SyntheticCamera:
    """A grey ramp with a bar that moves from picture to picture: no two in a row are the same.

    Args:
        camera: Name and size.

    Attributes:
        kind: One of `CAMERA_FAULTS`.
        delay_s: How old the stamps of "late" are, how far ahead those of "future" [s].
    """

    def __init__(self, camera: CameraSpec) -> None:
        self.name = camera.name
        self.kind = "none"
        self.delay_s = 0.5
        self._pictures = [_draw(camera, k) for k in range(_PICTURES)]
        self._count = 0
        self._stamp_s = 0.0

    def take(self, now_s: float) -> Image | None:
        """Return the message of this moment; None when the camera sends nothing."""
        if self.kind == "off":
            return None
        if self.kind not in ("stuck", "frozen"):
            self._count += 1
        if self.kind != "stuck":
            self._stamp_s = now_s
        picture = self._pictures[self._count % _PICTURES]
        message = rgb_to_image(picture, self._stamp_s, f"{self.name}_optical_frame")
        change = getattr(self, f"_{self.kind}", None)
        if change is not None:
            change(message)
        return message

    def _nan(self, message: Image) -> None:
        count = message.height * message.width
        message.encoding, message.step = "32FC1", 4 * message.width
        pixels = np.full(count, np.nan, np.float32)
        message.data = array.array("B", pixels.tobytes())

    def _encoding(self, message: Image) -> None:
        message.encoding = "yuv422"

    def _size(self, message: Image) -> None:
        message.height //= 2
        message.data = message.data[: message.height * message.step]

    def _empty(self, message: Image) -> None:
        message.data = array.array("B")

    def _truncated(self, message: Image) -> None:
        message.data = message.data[: len(message.data) // 3]

    def _late(self, message: Image) -> None:
        message.header.stamp = to_stamp(self._stamp_s - self.delay_s)

    def _one_late(self, message: Image) -> None:
        if self.name.startswith("left"):
            self._late(message)

    def _future(self, message: Image) -> None:
        message.header.stamp = to_stamp(self._stamp_s + self.delay_s)

    def _future_once(self, message: Image) -> None:
        self._future(message)
        self.kind = "none"


def _draw(camera: CameraSpec, number: int) -> NDArray[np.uint8]:
    ramp = np.linspace(40, 200, camera.width).astype(np.uint8)
    picture = np.repeat(np.tile(ramp, (camera.height, 1))[:, :, None], 3, axis=2)
    rows = slice(_BAR * number, _BAR * (number + 1))
    picture[rows] = 255 - picture[rows]
    return picture
