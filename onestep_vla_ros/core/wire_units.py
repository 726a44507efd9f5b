# SPDX-License-Identifier: Apache-2.0
"""The robot's own names, order and units: the one place where they become ours and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.joints import ARM_DOF, ARMS, reorder


class StateUnits:
    """Turns joint_states into the state vector: by name, `q = (wire - offset) / scale`.

    Args:
        names: Joint names on joint_states, in the vector's order.
        scale: Scale of each joint's value on the wire, (D,).
        offset: Its offset, (D,), in the unit of the wire.
    """

    def __init__(
        self, names: Sequence[str], scale: Sequence[float], offset: Sequence[float]
    ) -> None:
        self._joint_names = tuple(names)
        self._scale, self._offset = np.array(scale), np.array(offset)

    def positions_from_wire(
        self, names: Sequence[str], values: Sequence[float]
    ) -> NDArray[np.float64]:
        """Return q (D,) from a joint state's names and positions.

        Raises:
            JointError: A joint is missing, doubled or not finite, or the lengths differ.
        """
        q: NDArray[np.float64] = reorder(names, values, self._joint_names)
        q -= self._offset
        q /= self._scale
        return q

    def rates_from_wire(
        self, names: Sequence[str], values: Sequence[float]
    ) -> NDArray[np.float64]:
        """Return qd (D,) from a joint state's names and velocities; errors as above."""
        qd: NDArray[np.float64] = reorder(names, values, self._joint_names)
        qd /= self._scale
        return qd


class WireUnits(StateUnits):
    """Converts between the 14-D vector and the wire both ways: `wire = scale * q + offset`.

    Args:
        config: Names, order, scale and offset.

    Attributes:
        orders: Message ("left", "right", "left_gripper", "right_gripper") to the indices of
            its joints in the 14-D vector, in the message's order; the grippers' are empty when
            they go in their arm's message.
        names: Message to its joint names, in the message's order.
    """

    def __init__(self, config: BridgeConfig) -> None:
        super().__init__(config.joint_names, config.wire_scale, config.wire_offset)
        self.orders: dict[str, list[int]] = {}
        for i, arm in enumerate(ARMS):
            joints = getattr(config, f"{arm}_output_joints")
            gripper = i * ARM_DOF + ARM_DOF - 1
            self.orders[arm] = [config.joint_names.index(name) for name in joints]
            self.orders[f"{arm}_gripper"] = [] if gripper in self.orders[arm] else [gripper]
        self.names = {
            message: [config.joint_names[i] for i in order]
            for message, order in self.orders.items()
        }

    def to_wire(self, message: str, q: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the joints of `message` of positions (..., 14), in its order and unit."""
        order = self.orders[message]
        wire: NDArray[np.float64] = q[..., order] * self._scale[order] + self._offset[order]
        return wire

    def rates_to_wire(self, message: str, rates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the same of velocities or accelerations: scaled, without the offset."""
        order = self.orders[message]
        wire: NDArray[np.float64] = rates[..., order] * self._scale[order]
        return wire
