# SPDX-License-Identifier: Apache-2.0
"""What the policy sees: camera images, joint state and an instruction, all stamped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ObservationError

MAX_INSTRUCTION_CHARS = 512


def check_instruction(text: str) -> str:
    """Return `text` stripped, or raise `ObservationError` when empty or over 512 characters."""
    stripped = text.strip()
    if not stripped:
        raise ObservationError(
            "instruction is empty", allowed=f"1 to {MAX_INSTRUCTION_CHARS} characters"
        )
    if len(stripped) > MAX_INSTRUCTION_CHARS:
        raise ObservationError(
            "instruction is too long",
            got=f"{len(stripped)} characters",
            allowed=f"1 to {MAX_INSTRUCTION_CHARS} characters",
            do="send a shorter sentence on the instruction topic",
        )
    return stripped


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """Name and size of one camera image [pixels], as the policy reads it."""

    name: str
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Observation:
    """One moment as the policy sees it; arrays are made read-only.

    Attributes:
        images: Camera name to RGB image, (H, W, 3) uint8.
        image_stamps_s: Camera name to capture time [s].
        q: Measured state, (D,): the 14 positions [rad, gripper 0 closed .. 1 open], or what
            another robot's contract says.
        qd: Its velocity, (D,) [rad/s, gripper 1/s].
        joint_stamp_s: When `q` was measured [s].
        instruction: What to do, 1 to 512 characters.
    """

    images: Mapping[str, NDArray[np.uint8]]
    image_stamps_s: Mapping[str, float]
    q: NDArray[np.float64]
    qd: NDArray[np.float64]
    joint_stamp_s: float
    instruction: str

    def __post_init__(self) -> None:
        """Check shapes, types and finiteness; raise `ObservationError` naming the field."""
        if set(self.images) != set(self.image_stamps_s):
            raise ObservationError(
                "images and image stamps name different cameras",
                got=f"{sorted(self.images)} and {sorted(self.image_stamps_s)}",
                allowed="one stamp an image",
            )
        for name, image in self.images.items():
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                raise ObservationError(
                    f"image of camera {name!r} has the wrong form",
                    got=f"{image.dtype} {image.shape}",
                    allowed="uint8 (height, width, 3), RGB",
                )
            _freeze(image)
        for field in ("q", "qd"):
            value = np.array(getattr(self, field), dtype=np.float64)
            if value.ndim != 1 or not len(value) or not np.isfinite(value).all():
                raise ObservationError(
                    f"joint state {field!r} has the wrong form",
                    got=f"shape {value.shape}, finite {bool(np.isfinite(value).all())}",
                    allowed="(D,) finite numbers",
                )
            _freeze(value)
            object.__setattr__(self, field, value)
        if self.q.shape != self.qd.shape:
            raise ObservationError(
                "joint state 'q' and 'qd' differ in length",
                got=f"{len(self.q)} and {len(self.qd)}",
                allowed="one velocity a position",
            )
        object.__setattr__(self, "instruction", check_instruction(self.instruction))
        object.__setattr__(self, "images", MappingProxyType(dict(self.images)))
        object.__setattr__(self, "image_stamps_s", MappingProxyType(dict(self.image_stamps_s)))

    @property
    def stamp_s(self) -> float:
        """Capture time of the oldest part [s]: the identity of a chunk made from this."""
        return min([self.joint_stamp_s, *self.image_stamps_s.values()])

    @property
    def skew_s(self) -> float:
        """Time between the oldest and the newest part [s]."""
        return max([self.joint_stamp_s, *self.image_stamps_s.values()]) - self.stamp_s


def _freeze(array: NDArray[np.generic]) -> None:
    array.flags.writeable = False
