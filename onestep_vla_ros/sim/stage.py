# SPDX-License-Identifier: Apache-2.0
"""Privileged access to a station: what tests, demonstrators and resets may do."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.sim.contacts import Contacts, Touches
from onestep_vla_ros.sim.joint_map import JointMap
from onestep_vla_ros.sim.scene import Pose


class Stage:
    """True poses, and the power to move things at once; a policy never sees this.

    Args:
        model: The station with its objects.
        data: Its state.
        bodies: Names of the task's bodies, whose contacts are read.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, bodies: Sequence[str]) -> None:
        self.model, self.data = model, data
        self.joints = JointMap(model)
        self._contacts = Contacts(model, bodies)

    @property
    def q(self) -> NDArray[np.float64]:
        """Measured arm positions, (14,) [rad, gripper 0..1]."""
        return self.joints.read(self.data)[0]

    def set_arms(self, q: NDArray[np.float64]) -> None:
        """Put the arms at rest at `q` (14,) at once: for starting an episode elsewhere."""
        self.joints.write(self.data, q)
        mujoco.mj_forward(self.model, self.data)

    def put(self, body: str, pose: Pose) -> None:
        """Put a movable body at rest at a pose, at once."""
        joint = self.data.joint(body)
        half = pose.yaw_rad / 2
        joint.qpos[:] = [pose.x_m, pose.y_m, pose.z_m, np.cos(half), 0.0, 0.0, np.sin(half)]
        joint.qvel[:] = 0.0
        mujoco.mj_forward(self.model, self.data)

    def fix(self, body: str, pose: Pose) -> None:
        """Put a fixture (a mocap body) at a pose."""
        mocap = int(self.model.body(body).mocapid[0])
        half = pose.yaw_rad / 2
        self.data.mocap_pos[mocap] = [pose.x_m, pose.y_m, pose.z_m]
        self.data.mocap_quat[mocap] = [np.cos(half), 0.0, 0.0, np.sin(half)]

    def show(self, physics: NDArray[np.float64]) -> None:
        """Pose everything as in generalised positions `physics` (nq,), to render the past."""
        self.data.qpos[:] = physics
        mujoco.mj_forward(self.model, self.data)

    def touches(self) -> Touches:
        """Who touches whom now."""
        return self._contacts.read(self.data)

    def is_grasped(self, body: str, arm: str) -> bool:
        """Do both fingers of `arm` touch the body now?"""
        return self.touches().is_grasped(body, arm)

    def position(self, body: str) -> NDArray[np.float64]:
        """A body's centre, (3,) [m], in the left base frame."""
        return self.data.body(body).xpos.copy()

    def rotation(self, body: str) -> NDArray[np.float64]:
        """A body's axes as columns, (3, 3)."""
        return self.data.body(body).xmat.reshape(3, 3).copy()

    def yaw(self, body: str) -> float:
        """A body's heading: where its own x axis points to, about z [rad]."""
        matrix = self.data.body(body).xmat
        return float(np.arctan2(matrix[3], matrix[0]))
