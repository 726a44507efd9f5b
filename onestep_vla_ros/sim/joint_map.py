# SPDX-License-Identifier: Apache-2.0
"""The 14-D vector and MuJoCo's addresses of it."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.joints import ARMS
from onestep_vla_ros.sim.station_model import GRIPPER_STROKE_M


class JointMap:
    """Translates between the 14-D vector and MuJoCo's addresses."""

    def __init__(self, model: mujoco.MjModel) -> None:
        arms = [[model.joint(f"{arm}_joint{i}") for i in range(1, 9)] for arm in ARMS]
        self._qpos = np.array([[j.qposadr[0] for j in joints] for joints in arms])  # (2, 8)
        self._dof = np.array([[j.dofadr[0] for j in joints] for joints in arms])
        names = [*(f"joint{i}" for i in range(1, 7)), "gripper"]
        self._ctrl = np.array([model.actuator(f"{arm}_{n}").id for arm in ARMS for n in names])
        self._range = model.actuator_ctrlrange[self._ctrl]

    def read(self, data: mujoco.MjData) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return q and qd, each (14,) [rad, rad/s, gripper 0..1]."""
        return _with_gripper(data.qpos[self._qpos]), _with_gripper(data.qvel[self._dof])

    def write(self, data: mujoco.MjData, q: NDArray[np.float64]) -> None:
        """Put the arms at rest at q (14,), clipped to their ranges, and command that."""
        q = np.clip(q, self._range[:, 0], self._range[:, 1])
        for i, (qpos, dof) in enumerate(zip(self._qpos, self._dof, strict=True)):
            arm = q[7 * i : 7 * i + 7]
            data.qpos[qpos[:6]] = arm[:6]
            data.qpos[qpos[6:]] = arm[6] * GRIPPER_STROKE_M
            data.qvel[dof] = 0.0
        self.command(data, q)

    def command(self, data: mujoco.MjData, q: NDArray[np.float64]) -> None:
        """Command q (14,), clipped to the ranges."""
        data.ctrl[self._ctrl] = np.clip(q, self._range[:, 0], self._range[:, 1])


def _with_gripper(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (14,) of (2, 8): the two fingers of each arm become one opening."""
    out = np.empty((2, 7))
    out[:, :6] = raw[:, :6]
    out[:, 6] = raw[:, 6:].sum(axis=1) / (2.0 * GRIPPER_STROKE_M)
    return out.reshape(-1)
