# SPDX-License-Identifier: Apache-2.0
"""One station or several that take turns: the seed says whose turn it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.observation import CameraSpec, Observation
from onestep_vla_ros.sim.tasks import TASKS, task_named
from onestep_vla_ros.sim.world import World
from onestep_vla_ros.sim.yam_station import CAMERAS, YamStation

ALL = "all"
"""Stands for every task there is."""


def task_names(tasks: str) -> tuple[str, ...]:
    """Return the tasks a text names: one, several with commas between, or `ALL`.

    Raises:
        ConfigError: One is unknown; the message lists what there is.
    """
    names = TASKS if tasks == ALL else tuple(name.strip() for name in tasks.split(","))
    return tuple(task_named(name).name for name in names)


class Stations:
    """A `World` in which episode `seed` is one of task number `seed` modulo their count.

    Thread: as `YamStation`. Time: that of the station whose turn it is.
    """

    cameras: tuple[CameraSpec, ...] = CAMERAS

    def __init__(self, tasks: Sequence[str]) -> None:
        """Open a station for each task; raise `ConfigError` on one that is unknown."""
        self._stations = [YamStation(task) for task in tasks]
        self._now: World = self._stations[0]

    @property
    def task(self) -> str:
        """The task of the present episode."""
        return self._now.task

    @property
    def timeout_s(self) -> float:
        """Time a policy has for the present episode [s]."""
        return self._now.timeout_s

    @property
    def time_s(self) -> float:
        """Simulated time since `reset` [s]."""
        return self._now.time_s

    @property
    def instruction(self) -> str:
        """The sentence of the present episode."""
        return self._now.instruction

    def reset(self, seed: int) -> None:
        """Start the episode that `seed` (>= 0) names."""
        self._now = self._stations[seed % len(self._stations)]
        self._now.reset(seed)

    def joint_state(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Measured q and qd, each (14,) [rad, rad/s, gripper 0..1], without rendering."""
        return self._now.joint_state()

    def render(self, camera: CameraSpec) -> NDArray[np.uint8]:
        """One camera's image now, (height, width, 3) uint8 RGB, at the size `camera` asks for."""
        return self._now.render(camera)

    def observe(self, cameras: Sequence[CameraSpec] | None = None) -> Observation:
        """Everything the policy sees, now; renders `cameras` (default: `self.cameras`)."""
        return self._now.observe(cameras)

    def step(self, command: NDArray[np.float64], duration_s: float) -> None:
        """Hold the position command (14,) for `duration_s`, a multiple of the physics step."""
        self._now.step(command, duration_s)

    def success(self) -> bool:
        """Has the task been done, judged from physics alone?"""
        return self._now.success()

    def wrong_object(self) -> bool:
        """Was something done that the sentence did not ask for?"""
        return self._now.wrong_object()

    def close(self) -> None:
        """Free every renderer, from the thread that rendered."""
        for station in self._stations:
            station.close()
