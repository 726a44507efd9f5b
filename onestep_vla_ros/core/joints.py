# SPDX-License-Identifier: Apache-2.0
"""The joint set of two YAM arms: names, left first, and mapping by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import JointError

ARMS: tuple[str, ...] = ("left", "right")
"""Arm order, everywhere."""

ARM_DOF = 7
"""Entries per arm: six revolute joints [rad] and one gripper (0 closed, 1 open)."""

JOINT_NAMES: tuple[str, ...] = tuple(
    f"{arm}_{joint}"
    for arm in ARMS
    for joint in ("joint1", "joint2", "joint3", "joint4", "joint5", "joint6", "gripper")
)
"""The 14-D vector's names: left joints 1-6, left gripper, right joints 1-6, right gripper."""

DOF = len(JOINT_NAMES)

GRIPPER_INDEX: tuple[int, ...] = (6, 13)
"""Where the grippers sit in the 14-D vector."""

ARM_JOINT_INDEX: tuple[int, ...] = tuple(i for i in range(DOF) if i not in GRIPPER_INDEX)
"""Where the revolute joints sit in the 14-D vector."""


def arm_slice(arm: str) -> slice:
    """Return the part of the 14-D vector that belongs to `arm` ("left" or "right")."""
    if arm not in ARMS:
        raise JointError("unknown arm", got=repr(arm), allowed=list(ARMS))
    start = ARMS.index(arm) * ARM_DOF
    return slice(start, start + ARM_DOF)


def reorder(
    names: Sequence[str], values: Sequence[float], wanted: Sequence[str] = JOINT_NAMES
) -> NDArray[np.float64]:
    """Return `values` in the order of `wanted`, mapped by name.

    Args:
        names: Joint names as they came, in any order; extra joints are ignored.
        values: One number a name [rad, gripper 0..1].
        wanted: The order to return.

    Returns:
        Array of shape (len(wanted),).

    Raises:
        JointError: A wanted joint is missing, a name comes twice, the lengths differ
            or a wanted value is not finite.
    """
    if len(names) != len(values):
        raise JointError(
            "joint names and values differ in length",
            got=f"{len(names)} names, {len(values)} values",
            allowed="one value a name",
        )
    if len(set(names)) != len(names):
        twice = sorted({n for n in names if list(names).count(n) > 1})
        raise JointError("joint named more than once", got=twice, allowed="each name once")
    by_name = dict(zip(names, values, strict=True))
    missing = [n for n in wanted if n not in by_name]
    if missing:
        raise JointError(
            "joint missing", got=f"no {missing} in {list(names)}", allowed=list(wanted)
        )
    q = np.array([by_name[n] for n in wanted], dtype=np.float64)
    if not np.isfinite(q).all():
        bad = [n for n, ok in zip(wanted, np.isfinite(q), strict=True) if not ok]
        raise JointError("joint value not finite", got=bad, allowed="finite numbers")
    return q
