# SPDX-License-Identifier: Apache-2.0
"""Where the tools of the two arms are: forward kinematics, for whoever wants to see a chunk."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import JointError
from onestep_vla_ros.core.joints import ARMS, DOF, arm_slice

FRAME = "world"
"""The frame that positions are in: root of urdf/bimanual_yam.urdf.xacro, the left arm's base."""

_BASES: Mapping[str, tuple[float, float, float]] = {
    "left": (0.0, 0.0, 0.0),
    "right": (0.0, -0.61, 0.0),
}
_HALF_TURN, _QUARTER_TURN = 3.141592653589793, 1.5707963267948966
_JOINTS = (  # position in the link before [m], its roll, pitch, yaw [rad], axis
    ((-2.49777947e-07, 0.0, 0.068), (0.0, 1.5708, 3.1415963267949), (-1.0, 0.0, 0.0)),
    ((-0.0455, -0.0339, -0.02), (0.0, 0.0, -3.14159), (0.0, 1.0, 0.0)),
    ((4.08431e-07, -0.0688, 0.264), (0.0, 0.0, -3.14159), (0.0, 1.0, 0.0)),
    ((-0.0600003, -0.0688, -0.244999), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    ((-0.0405003, 0.0338995, -0.0739989), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0)),
    (
        (0.0404996, 2.39858e-07, -0.0356),
        (_HALF_TURN, 0.0, _QUARTER_TURN),
        (0.0, 0.0, 1.0),
    ),
)
"""Of urdf/yam_arm.xacro, whose figures are the SDK's; a test holds the two together."""
_TOOL = (3.88982673e-05, 9.68103407e-05, 0.144650259)
"""Between the finger tips, in the last link [m]."""


def tool_path(q: NDArray[np.float64], arm: str) -> NDArray[np.float64]:
    """Return the positions (T, 3) of an arm's tool in `FRAME` [m].

    Args:
        q: Positions of both arms, (T, 14) [rad, gripper 0..1].
        arm: "left" or "right".

    Raises:
        JointError: Of an unknown arm or another shape.
    """
    part = arm_slice(arm)
    if q.ndim != 2 or q.shape[1] != DOF:
        raise JointError("positions have the wrong shape", got=q.shape, allowed=f"(T, {DOF})")
    angles = q[:, part]
    at = np.tile(np.array(_TOOL), (len(q), 1))
    for joint in reversed(range(len(_JOINTS))):  # from the tool's frame to the base's
        position, turn, axis = _JOINTS[joint]
        at = _about(np.array(axis), angles[:, joint], at) @ _rotation(*turn).T + np.array(position)
    path: NDArray[np.float64] = at + np.array(_BASES[arm])
    return path


def tool_paths(q: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return `tool_path` of each arm."""
    return {arm: tool_path(q, arm) for arm in ARMS}


def _about(
    axis: NDArray[np.float64], angle: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Turn points (T, 3) about a unit axis by angles (T,), by Rodrigues' formula."""
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    along = (points @ axis)[:, None] * axis
    turned: NDArray[np.float64] = along + cos * (points - along) + sin * np.cross(axis, points)
    return turned


def _rotation(roll: float, pitch: float, yaw: float) -> NDArray[np.float64]:
    """Return the rotation (3, 3) of URDF's fixed-axis roll, pitch and yaw."""
    (a, b, c), (d, e, f) = np.cos([roll, pitch, yaw]), np.sin([roll, pitch, yaw])
    return np.array(
        [
            [c * b, c * e * d - f * a, c * e * a + f * d],
            [f * b, f * e * d + c * a, f * e * a - c * d],
            [-e, b * d, b * a],
        ]
    )
