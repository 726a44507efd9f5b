# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a joint_states message, for the fault rig's stand-in robot."""

from __future__ import annotations

import random

from sensor_msgs.msg import JointState

from onestep_vla_ros.core.joints import ARM_DOF

JOINT_FAULTS = (
    "none",
    "off",
    "loss",
    "permuted",
    "extra",
    "swapped",
    "missing",
    "twice",
    "renamed",
    "nan",
    "outside",
    "jump_once",
    "jump",
)
"""Names of the faults; "none" leaves the message alone."""

_LOSS = 0.33
_MOST_LOST_IN_A_ROW = 2
_JUMP_RAD = 0.5
_JOINT = 1


class JointFaults:
    """Spoils joint states as `kind` says; `jump_once` ends by itself after one message.

    Args:
        rng: Where chance comes from.

    Attributes:
        kind: One of `JOINT_FAULTS`.
    """

    def __init__(self, rng: random.Random) -> None:
        self.kind = "none"
        self._rng = rng
        self._lost = 0

    def spoil(self, message: JointState) -> JointState | None:
        """Return the message to send instead of `message`; None sends nothing."""
        if self.kind == "off" or (self.kind == "loss" and self._is_lost()):
            return None
        change = getattr(self, f"_{self.kind}", None)
        if change is not None:
            names, q, qd = list(message.name), list(message.position), list(message.velocity)
            change(names, q, qd)
            message.name, message.position, message.velocity = names, q, qd
        return message

    def _is_lost(self) -> bool:
        """Lose three in ten in all, never so many in a row that the bridge's time-out is near."""
        is_lost = self._lost < _MOST_LOST_IN_A_ROW and self._rng.random() < _LOSS
        self._lost = self._lost + 1 if is_lost else 0
        return is_lost

    def _permuted(self, names: list[str], q: list[float], qd: list[float]) -> None:
        order = list(range(len(names)))
        self._rng.shuffle(order)
        names[:] = [names[i] for i in order]
        q[:], qd[:] = [q[i] for i in order], [qd[i] for i in order]

    def _extra(self, names: list[str], q: list[float], qd: list[float]) -> None:
        names.insert(3, "torso_lift")
        q.insert(3, 0.25)
        qd.insert(3, 0.0)

    def _swapped(self, names: list[str], q: list[float], qd: list[float]) -> None:
        names[:] = names[ARM_DOF:] + names[:ARM_DOF]
        q[:], qd[:] = q[ARM_DOF:] + q[:ARM_DOF], qd[ARM_DOF:] + qd[:ARM_DOF]

    def _missing(self, names: list[str], q: list[float], qd: list[float]) -> None:
        names.pop(_JOINT)
        q.pop(_JOINT)
        qd.pop(_JOINT)

    def _twice(self, names: list[str], q: list[float], qd: list[float]) -> None:
        names[_JOINT] = names[0]

    def _renamed(self, names: list[str], q: list[float], qd: list[float]) -> None:
        names[_JOINT] = "elbow"

    def _nan(self, names: list[str], q: list[float], qd: list[float]) -> None:
        q[_JOINT] = float("nan")

    def _outside(self, names: list[str], q: list[float], qd: list[float]) -> None:
        q[_JOINT] = -1.0

    def _jump(self, names: list[str], q: list[float], qd: list[float]) -> None:
        q[_JOINT] += _JUMP_RAD

    def _jump_once(self, names: list[str], q: list[float], qd: list[float]) -> None:
        self._jump(names, q, qd)
        self.kind = "none"
