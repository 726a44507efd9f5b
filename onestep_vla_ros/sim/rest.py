# SPDX-License-Identifier: Apache-2.0
"""Since when a body lies still where it should."""

from __future__ import annotations

import math

import mujoco
import numpy as np

HOLD_S = 0.25
"""How long a body must rest, released."""
REST_SPEED_M_S, REST_SPEED_RAD_S = 0.05, 0.5
"""A body slower than both is at rest."""


class RestClock:
    """Times how long a movable body has been at rest while a condition held.

    Args:
        model: The station.
        body: Name of the body and of its free joint.
    """

    def __init__(self, model: mujoco.MjModel, body: str) -> None:
        self._dof = int(model.joint(body).dofadr[0])
        self._body = model.body(body).id
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new episode starts."""
        self._since_s, self._now_s, self._offset_m = math.nan, 0.0, math.inf

    def update(self, data: mujoco.MjData, is_condition_met: bool, centre: int) -> None:
        """Take in the state after a physics step.

        Args:
            data: The state.
            is_condition_met: For example: lies on the plate and nothing holds it.
            centre: Body whose vertical axis the level distance is measured from.
        """
        self._now_s = data.time
        if not (is_condition_met and self._is_still(data)):
            self._since_s = math.nan
            return
        offset = data.xpos[self._body] - data.xpos[centre]
        self._offset_m = math.hypot(offset[0], offset[1])
        if math.isnan(self._since_s):
            self._since_s = data.time

    def _is_still(self, data: mujoco.MjData) -> bool:
        velocity = data.qvel[self._dof : self._dof + 6]
        return bool(
            np.abs(velocity[:3]).max() < REST_SPEED_M_S
            and np.abs(velocity[3:]).max() < REST_SPEED_RAD_S
        )

    def is_placed(self, radius_m: float) -> bool:
        """Has it rested for `HOLD_S` within `radius_m` of the centre?"""
        return self._now_s - self._since_s >= HOLD_S - 1e-9 and self._offset_m < radius_m
