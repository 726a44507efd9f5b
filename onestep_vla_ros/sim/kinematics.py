# SPDX-License-Identifier: Apache-2.0
"""Forward and inverse kinematics of one YAM arm, by damped least squares."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import JointError

TOLERANCE_M, TOLERANCE_RAD = 5e-4, 5e-3
_DAMPING = 0.02
_STEP_RAD = 0.2
_MARGIN_RAD = 0.01  # keeps solutions off the mechanical stops


def tool_rotation(heading_rad: float, tilt_rad: float) -> NDArray[np.float64]:
    """Return the tool frame (3, 3): columns x, y = closing axis (level), z = approach.

    Args:
        heading_rad: Where the approach leans to, about the vertical.
        tilt_rad: Lean of the approach away from straight down; 30 degrees and more reach
            where joint 4 stops a strictly vertical gripper.
    """
    heading = np.array([np.cos(heading_rad), np.sin(heading_rad), 0.0])
    approach = np.sin(tilt_rad) * heading + np.array([0.0, 0.0, -np.cos(tilt_rad)])
    closing = np.array([-np.sin(heading_rad), np.cos(heading_rad), 0.0])
    return np.stack([np.cross(closing, approach), closing, approach], axis=1)


class ArmKinematics:
    """The tool pose of one arm as a function of its six joints, and back.

    Works on data of its own, so a running simulation is never touched.
    """

    def __init__(self, model: mujoco.MjModel, arm: str) -> None:
        joints = [model.joint(f"{arm}_joint{i}") for i in range(1, 7)]
        self._model = model
        self._data = mujoco.MjData(model)
        self._qpos = np.array([j.qposadr[0] for j in joints])
        self._dof = np.array([j.dofadr[0] for j in joints])
        self._site = model.site(f"tcp_{arm}").id
        bounds = np.array([j.range for j in joints])
        self.low, self.high = bounds[:, 0] + _MARGIN_RAD, bounds[:, 1] - _MARGIN_RAD

    def forward(self, q: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the tool's position (3,) [m] and rotation (3, 3) at joints q (6,) [rad]."""
        self._data.qpos[self._qpos] = q
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        at = self._data.site_xpos[self._site].copy()
        return at, self._data.site_xmat[self._site].reshape(3, 3).copy()

    def inverse(
        self,
        position: NDArray[np.float64],
        rotation: NDArray[np.float64],
        start: NDArray[np.float64],
        iterations: int = 100,
    ) -> NDArray[np.float64]:
        """Return joints (6,) [rad] that bring the tool to a pose, from `start` (6,).

        Iterates dq = J^T (J J^T + lambda^2 I)^-1 e with e = [position; rotation vector],
        clipped to the joint ranges.

        Raises:
            JointError: The pose is out of reach; the message gives what is left of the error.
        """
        q = np.clip(start, self.low, self.high)
        jacobian = np.zeros((6, self._model.nv))
        error = np.zeros(6)
        for _ in range(iterations):
            at, turned = self.forward(q)
            error[:3] = position - at
            error[3:] = rotation_vector(rotation @ turned.T)
            if self._is_close(error):
                return q
            mujoco.mj_jacSite(self._model, self._data, jacobian[:3], jacobian[3:], self._site)
            j = jacobian[:, self._dof]
            step = j.T @ np.linalg.solve(j @ j.T + _DAMPING**2 * np.eye(6), error)
            step *= min(1.0, _STEP_RAD / max(np.abs(step).max(), 1e-12))
            q = np.clip(q + step, self.low, self.high)
        raise JointError(
            "tool pose out of reach",
            got=f"{np.round(position, 3).tolist()} m, left over "
            f"{np.linalg.norm(error[:3]) * 1e3:.1f} mm, {np.linalg.norm(error[3:]):.3f} rad",
            allowed=f"{TOLERANCE_M * 1e3} mm, {TOLERANCE_RAD} rad",
        )

    @staticmethod
    def _is_close(error: NDArray[np.float64]) -> bool:
        return bool(
            np.linalg.norm(error[:3]) < TOLERANCE_M and np.linalg.norm(error[3:]) < TOLERANCE_RAD
        )


def rotation_vector(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return axis times angle (3,) [rad] of a rotation (3, 3)."""
    quat, vector = np.zeros(4), np.zeros(3)
    mujoco.mju_mat2Quat(quat, matrix.reshape(-1))
    mujoco.mju_quat2Vel(vector, quat, 1.0)
    return vector
