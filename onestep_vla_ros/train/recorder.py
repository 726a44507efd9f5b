# SPDX-License-Identifier: Apache-2.0
"""Runs a task's expert seed by seed and stores what it did as frames and videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.sim.demonstration import Demonstration, demonstrate
from onestep_vla_ros.sim.motion import PERIOD_S
from onestep_vla_ros.sim.yam_station import YamStation
from onestep_vla_ros.train.attempts import Attempt, failed_attempt, save_attempt
from onestep_vla_ros.train.lerobot_layout import FPS
from onestep_vla_ros.train.lerobot_video import film
from onestep_vla_ros.train.policy_lead import PolicyLead

RECORD_EVERY = round(1.0 / (FPS * PERIOD_S))
"""Planned moments from one recorded frame to the next."""


class Recorder:
    """Runs the expert of a task, seed by seed, and stores what it did.

    Args:
        folder: The dataset.
        task: A name in `sim.tasks.TASKS`.
        seed: Seed of attempt 0.
        lead: Checkpoint that drives first; "" starts as the task's own demonstrations do.
    """

    def __init__(self, folder: Path, task: str, seed: int, lead: str = "") -> None:
        self._folder, self._seed = folder, seed
        self._world = YamStation(task)
        self._lead = PolicyLead(lead, task) if lead else None

    def __call__(self, number: int) -> bool:
        """Run and store one attempt; return whether it succeeded."""
        seed = self._seed + number
        demo = demonstrate(self._world, seed, self._lead)
        if demo.success:
            attempt = self._record(number, seed, demo)
        else:
            attempt = failed_attempt(number, seed, self._world.instruction)
        save_attempt(self._folder, attempt)
        return attempt.success

    def _record(self, number: int, seed: int, demo: Demonstration) -> Attempt:
        rows = np.arange(0, len(demo.plan), RECORD_EVERY)
        due = np.minimum(rows + RECORD_EVERY, len(demo.plan) - 1)
        # a target is a mistake when the way to it is
        wrong = [demo.is_mistake[a + 1 : b + 1].any() for a, b in zip(rows, due, strict=True)]
        return Attempt(
            number=number,
            seed=seed,
            instruction=self._world.instruction,
            success=True,
            state=demo.q[rows].astype(np.float32),
            action=demo.plan[due].astype(np.float32),
            is_mistake=np.array(wrong, dtype=np.bool_),
            pixels=self._film(number, demo.physics[rows]),
        )

    def _film(self, number: int, physics: NDArray[np.float64]) -> dict[str, NDArray[np.int64]]:
        """Write the cameras' videos of these moments, (N, nq); return what `film` does."""
        images: dict[str, list[NDArray[np.uint8]]] = {c.name: [] for c in self._world.cameras}
        for moment in physics:
            self._world.stage.show(moment)
            for camera in self._world.cameras:
                images[camera.name].append(self._world.render(camera))
        stacks = {name: np.stack(pictures) for name, pictures in images.items()}
        return film(self._folder, number, stacks)
