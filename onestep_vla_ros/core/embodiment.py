# SPDX-License-Identifier: Apache-2.0
"""Embodiments: what a policy reads of a robot, and what it commands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.joints import ARM_JOINT_INDEX, GRIPPER_INDEX, JOINT_NAMES

_INF = math.inf


@dataclass(frozen=True, slots=True)
class Embodiment:
    """A robot as a policy knows it: S numbers of state, D numbers of action.

    Attributes:
        name: For people, and in error messages.
        robot_type: In the info.json of a LeRobot dataset.
        state_names: (S,), in order.
        action_names: (D,), in order; the `joint_names` of a contract, by which it is known.
        units: Of state and action, as a contract says them.
        relative: Actions that a model learns as differences from the state of the same index.
        grippers: Which actions open and close grippers.
        low: (D,) no action is below; -inf where the governor judges instead.
        high: (D,) none is above.
        near: States that the end of a movement is told from, as a difference.
        near_scale: About how far that is, in the unit of the state.
        rate_hz: Recorded moments a second.
    """

    name: str
    robot_type: str
    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    units: str
    relative: tuple[int, ...]
    grippers: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    near: tuple[int, ...]
    near_scale: float
    rate_hz: int

    @property
    def others(self) -> tuple[int, ...]:
        """Which actions are not grippers."""
        return tuple(i for i in range(len(self.action_names)) if i not in self.grippers)

    def clip(self, action: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return actions (…, D) inside their range; NaN stays NaN, for a gate to judge."""
        return np.clip(action, self.low, self.high)


BIMANUAL_YAM = Embodiment(
    name="two YAM arms",
    robot_type="bimanual_yam",
    state_names=JOINT_NAMES,
    action_names=JOINT_NAMES,
    units="rad; gripper 0 closed, 1 open",
    relative=ARM_JOINT_INDEX,
    grippers=GRIPPER_INDEX,
    low=tuple(0.0 if i in GRIPPER_INDEX else -_INF for i in range(len(JOINT_NAMES))),
    high=tuple(1.0 if i in GRIPPER_INDEX else _INF for i in range(len(JOINT_NAMES))),
    near=ARM_JOINT_INDEX,
    near_scale=0.3,
    rate_hz=10,
)
"""Absolute positions of 14 joints; a model learns those of the arms as differences."""

LIBERO_PANDA = Embodiment(
    name="LIBERO's Panda arm",
    robot_type="libero_panda",
    state_names=("x", "y", "z", "rx", "ry", "rz", "finger1", "finger2"),
    action_names=("dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"),
    units="state m and rad (axis times angle); action -1 to 1: 0.05 m, 0.5 rad, gripper 1 closes",
    relative=(),
    grippers=(6,),
    low=(-1.0,) * 7,
    high=(1.0,) * 7,
    near=(0, 1, 2, 3, 4, 5),
    near_scale=0.1,
    rate_hz=20,
)
"""Robosuite's OSC_POSE: each action moves the goal of the end effector.

Source: `controllers/config/osc_pose.json` of robosuite 1.4: output_max 0.05 m and 0.5 rad.
"""

EMBODIMENTS: tuple[Embodiment, ...] = (BIMANUAL_YAM, LIBERO_PANDA)


def known_by(action_names: Sequence[str]) -> Embodiment | None:
    """Return the embodiment with these actions in this order; None when there is none."""
    wanted = tuple(action_names)
    return next((e for e in EMBODIMENTS if e.action_names == wanted), None)
