# SPDX-License-Identifier: Apache-2.0
"""The protocol every simulated world speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.observation import CameraSpec, Observation


class World(Protocol):
    """A robot, its table and a task; owns its own time and never reads a clock."""

    cameras: tuple[CameraSpec, ...]

    @property
    def task(self) -> str:
        """The task of the present episode."""
        ...

    @property
    def timeout_s(self) -> float:
        """Time a policy has for the present episode [s]."""
        ...

    @property
    def time_s(self) -> float:
        """Simulated time since `reset` [s]."""
        ...

    @property
    def instruction(self) -> str:
        """The sentence of the present episode."""
        ...

    def reset(self, seed: int) -> None:
        """Start the episode that `seed` names; the same seed gives the same episode."""
        ...

    def joint_state(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Measured q and qd, each (14,) [rad, rad/s, gripper 0..1], without rendering."""
        ...

    def render(self, camera: CameraSpec) -> NDArray[np.uint8]:
        """One camera's image now, (height, width, 3) uint8 RGB, at the size `camera` asks for."""
        ...

    def observe(self, cameras: Sequence[CameraSpec] | None = None) -> Observation:
        """Everything the policy sees, now; renders `cameras` (default: `self.cameras`)."""
        ...

    def step(self, command: NDArray[np.float64], duration_s: float) -> None:
        """Hold the position command (14,) for `duration_s`, a multiple of the physics step."""
        ...

    def success(self) -> bool:
        """Has the task been done, judged from physics alone?"""
        ...

    def wrong_object(self) -> bool:
        """Was something done that the sentence did not ask for?"""
        ...
