# SPDX-License-Identifier: Apache-2.0
"""Privileged access to a station: what tests, demonstrators and resets may do."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.joints import ARMS
from onestep_vla_ros.sim.place_judge import PlaceJudge
from onestep_vla_ros.sim.station_model import GRIPPER_STROKE_M


class Stage:
    """True poses, and the power to move things at once; a policy never sees this."""

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, judge: PlaceJudge) -> None:
        self._model, self._data, self._judge = model, data, judge
        self.joints = JointMap(model)

    def set_arms(self, q: NDArray[np.float64]) -> None:
        """Put the arms at rest at `q` (14,) at once: for starting an episode elsewhere."""
        self.joints.write(self._data, q)
        mujoco.mj_forward(self._model, self._data)

    def place_cube(self, colour: str, position: Sequence[float], yaw_rad: float = 0.0) -> None:
        """Put a cube's centre at `position` (x, y, z) [m], at rest."""
        joint = self._data.joint(f"cube_{colour}")
        joint.qpos[:] = [*position, np.cos(yaw_rad / 2), 0.0, 0.0, np.sin(yaw_rad / 2)]
        joint.qvel[:] = 0.0
        mujoco.mj_forward(self._model, self._data)

    def show(self, physics: NDArray[np.float64]) -> None:
        """Pose everything as in generalised positions `physics` (nq,), to render the past."""
        self._data.qpos[:] = physics
        mujoco.mj_forward(self._model, self._data)

    def is_grasped(self, colour: str, arm: str) -> bool:
        """Do both fingers of `arm` touch the cube now?"""
        held_by = self._judge.touches(self._data)[1][colour]
        return {(arm, 0), (arm, 1)} <= held_by

    def cube_position(self, colour: str) -> NDArray[np.float64]:
        """A cube's centre, (3,) [m], in the left base frame."""
        return self._data.body(f"cube_{colour}").xpos.copy()

    def cube_yaw(self, colour: str) -> float:
        """A cube's heading [rad]; faces repeat every quarter turn."""
        matrix = self._data.body(f"cube_{colour}").xmat
        return float(np.arctan2(matrix[3], matrix[0]))


class JointMap:
    """Translates between the 14-D vector and MuJoCo's addresses."""

    def __init__(self, model: mujoco.MjModel) -> None:
        arms = [[model.joint(f"{arm}_joint{i}") for i in range(1, 9)] for arm in ARMS]
        self._qpos = [np.array([j.qposadr[0] for j in joints]) for joints in arms]
        self._dof = [np.array([j.dofadr[0] for j in joints]) for joints in arms]
        names = [*(f"joint{i}" for i in range(1, 7)), "gripper"]
        self._ctrl = np.array([model.actuator(f"{arm}_{n}").id for arm in ARMS for n in names])
        self._range = model.actuator_ctrlrange[self._ctrl]

    def read(self, data: mujoco.MjData) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return q and qd, each (14,) [rad, rad/s, gripper 0..1]."""
        q, qd = [], []
        for qpos, dof in zip(self._qpos, self._dof, strict=True):
            q += [data.qpos[qpos[:6]], [data.qpos[qpos[6:]].mean() / GRIPPER_STROKE_M]]
            qd += [data.qvel[dof[:6]], [data.qvel[dof[6:]].mean() / GRIPPER_STROKE_M]]
        return np.concatenate(q), np.concatenate(qd)

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
