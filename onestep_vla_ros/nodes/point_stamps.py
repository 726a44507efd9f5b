# SPDX-License-Identifier: Apache-2.0
"""The wire checker's view of single points: drivers read their positions, we their stamps too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.joints import ARMS, GRIPPER_INDEX
from onestep_vla_ros.core.wire_spec import POINT, POSITION
from onestep_vla_ros.nodes.messages import to_seconds

_STAMP_S = 1e-6
"""Stamps since 1970 are read as doubles, which come in steps of 0.24 us [s]."""


class PointStamps:
    """Form and stamps of joint_trajectory_point messages, of which a driver reads positions only.

    Args:
        config: The bridge's parameters.

    Attributes:
        joints: Names in the messages' order, by channel; only channels in that mode.
    """

    def __init__(self, config: BridgeConfig) -> None:
        self._period_s = config.control_period_s
        self.joints: dict[str, tuple[str, ...]] = {}
        names = (config.left_output_joints, config.right_output_joints)
        for arm, mode, joints in zip(ARMS, config.output_mode, names, strict=True):
            if mode == POINT:
                self.joints[arm] = joints
        if config.gripper_output == POINT:
            for arm, i in zip(ARMS, GRIPPER_INDEX, strict=True):
                self.joints[f"{arm}_gripper"] = (config.joint_names[i],)
        self.forget()

    def forget(self) -> None:
        """Begin anew: the next stamp is the first."""
        self._stamps: dict[str, float] = {}

    def faults(self, channel: str, message: JointTrajectory) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with joints, number of points (I10) and stamp (I6)."""
        if tuple(message.joint_names) != self.joints[channel] or len(message.points) != 1:
            yield "I10", f"joints {list(message.joint_names)}, {len(message.points)} points"
        stamp_s = to_seconds(message.header.stamp)
        step = (stamp_s - self._stamps.get(channel, stamp_s - self._period_s)) / self._period_s
        self._stamps[channel] = stamp_s
        if round(step) < 1 or abs(step - round(step)) * self._period_s > _STAMP_S:
            yield "I6", f"stamp {stamp_s:.9f}: {step:.6f} periods after the last"


def as_positions(config: BridgeConfig) -> BridgeConfig:
    """Return the parameters with single points as what they are to a driver: bare positions."""
    modes = [POSITION if mode == POINT else mode for mode in config.output_mode]
    gripper = POSITION if config.gripper_output == POINT else config.gripper_output
    return replace(config, output_mode=tuple(modes), gripper_output=gripper)
