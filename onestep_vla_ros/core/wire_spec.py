# SPDX-License-Identifier: Apache-2.0
"""What the wire checker is told of each output: its joints, its mode and the limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.joints import ARMS, GRIPPER_INDEX

TRAJECTORY = "joint_trajectory"
POINT = "joint_trajectory_point"
POSITION = "forward_position"


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic that a controller obeys; arrays are (J,) in the order of its messages.

    Attributes:
        name: "left", "right", "left_gripper" or "right_gripper".
        mode: joint_trajectory, joint_trajectory_point or forward_position.
        joints: Names as they stand in its messages.
        index: Where each joint sits in the 14-D vector.
        scale: Value on the wire = scale * q + offset.
        offset: The other half of it.
        low: Lowest position, margin included [rad, gripper 0..1].
        high: Highest position, margin included.
        velocity: V [rad/s].
        acceleration: A [rad/s^2].
        jerk: J [rad/s^3].
    """

    name: str
    mode: str
    joints: tuple[str, ...]
    index: NDArray[np.intp]
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    velocity: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    jerk: NDArray[np.float64]


def channels_of(config: BridgeConfig) -> tuple[Channel, ...]:
    """Return the topics that `config` makes the bridge write to, arms first, left first."""
    found = []
    for arm, mode in zip(ARMS, config.output_mode, strict=True):
        names = config.left_output_joints if arm == "left" else config.right_output_joints
        found.append(_channel(config, arm, mode, names))
    if config.gripper_output != "in_arm":
        for arm, i in zip(ARMS, GRIPPER_INDEX, strict=True):
            names = (config.joint_names[i],)
            found.append(_channel(config, f"{arm}_gripper", config.gripper_output, names))
    return tuple(found)


def _channel(config: BridgeConfig, name: str, mode: str, joints: tuple[str, ...]) -> Channel:
    index = np.array([config.joint_names.index(joint) for joint in joints], dtype=np.intp)

    def part(values: tuple[float, ...]) -> NDArray[np.float64]:
        return np.array(values, dtype=np.float64)[index]

    margin = part(config.position_margin)
    return Channel(
        name=name,
        mode=mode,
        joints=joints,
        index=index,
        scale=part(config.wire_scale),
        offset=part(config.wire_offset),
        low=part(config.position_low) + margin,
        high=part(config.position_high) - margin,
        velocity=part(config.max_velocity),
        acceleration=part(config.max_acceleration),
        jerk=part(config.max_jerk),
    )
