# SPDX-License-Identifier: Apache-2.0
"""The bimanual YAM table as a simulated world."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import JointError, OneStepError
from onestep_vla_ros.core.joints import DOF
from onestep_vla_ros.core.observation import CameraSpec, Observation
from onestep_vla_ros.sim.expert import Expert
from onestep_vla_ros.sim.look import Wardrobe, draw_strays
from onestep_vla_ros.sim.perturbation import NO_AXIS, variation_on
from onestep_vla_ros.sim.renderer import Renderer
from onestep_vla_ros.sim.scene import Scene
from onestep_vla_ros.sim.stage import Stage
from onestep_vla_ros.sim.station_model import PHYSICS_STEP_S
from onestep_vla_ros.sim.tasks import build_model, task_named

CAMERAS: tuple[CameraSpec, ...] = (
    CameraSpec("top", 192, 192),
    CameraSpec("left_wrist", 128, 128),
    CameraSpec("right_wrist", 128, 128),
)
"""The station's cameras at their native sizes."""
_JUDGE_STEPS = 6  # physics steps between two looks at the contacts: 0.01 s


class YamStation:
    """A `World`: two arms, a table and one task, in MuJoCo.

    Thread: everything that renders (`render`, `observe`) stays in the thread that
    rendered first. Time: simulated only; nothing here reads a clock.
    """

    cameras: tuple[CameraSpec, ...] = CAMERAS

    def __init__(self, task: str = "place", axis: str = NO_AXIS) -> None:
        """Build the model of `task` and start episode 0.

        Args:
            task: A name in `sim.tasks.TASKS`.
            axis: Along which episodes differ more than demonstrations do; a name in
                `sim.perturbation.AXES`.

        Raises:
            ConfigError: Another task or axis; the message lists what there is.
        """
        self.task, self.axis = task, axis
        self._variation = variation_on(axis)
        self._task = task_named(task)
        self.timeout_s = self._task.timeout_s
        self.model = build_model(task)
        self.data = mujoco.MjData(self.model)
        self._renderer: Renderer | None = None
        self._judge = self._task.judge(self.model)
        self._wardrobe = Wardrobe(self.model, self._task.bodies, self.cameras)
        self._noise = np.random.default_rng(0)
        self.stage = Stage(self.model, self.data, self._task.bodies)
        self.scene: Scene
        self.reset(0)

    @property
    def time_s(self) -> float:
        """Simulated time since `reset` [s]."""
        return float(self.data.time)

    @property
    def instruction(self) -> str:
        """The sentence of the present episode."""
        return self.scene.instruction

    def reset(self, seed: int) -> None:
        """Start the episode that `seed` (>= 0) names; the same seed gives the same episode."""
        self.scene = scene = self._task.draw(seed, self._variation)
        rng = np.random.default_rng([seed, 2])  # the look is not the layout's business
        self._wardrobe.wear(rng, self._variation, scene.paint)
        self._noise = np.random.default_rng([seed, 3])
        mujoco.mj_resetData(self.model, self.data)
        for name, pose in {**scene.poses, **draw_strays(rng, self._variation, scene)}.items():
            self.stage.put(name, pose)
        for name, pose in scene.fixtures.items():
            self.stage.fix(name, pose)
        self.stage.set_arms(np.array(scene.start_q))
        self._judge.reset(scene)

    def expert(self, rng: np.random.Generator | None = None) -> Expert:
        """Return the task's demonstrator for the present episode; see `Task.expert`."""
        return self._task.expert(self.stage, self.scene, rng)

    def joint_state(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Measured q and qd, each (14,) [rad, rad/s, gripper 0..1], without rendering."""
        q, qd = self.stage.joints.read(self.data)
        if self._variation.joint_noise_rad > 0.0:
            q += self._noise.normal(0.0, self._variation.joint_noise_rad, DOF)
        return q, qd

    def render(self, camera: CameraSpec) -> NDArray[np.uint8]:
        """One camera's image now, (height, width, 3) uint8 RGB, at the size `camera` asks for."""
        if self._renderer is None:
            self._renderer = Renderer(self.model)
        image = self._renderer.render(self.data, camera.name, camera.height, camera.width)
        if self._variation.pixel_noise > 0.0:
            noise = self._noise.normal(0.0, self._variation.pixel_noise, image.shape)
            image = np.clip(image + noise, 0.0, 255.0).astype(np.uint8)
        return image

    def observe(self, cameras: Sequence[CameraSpec] | None = None) -> Observation:
        """Everything the policy sees, now; renders `cameras` (default: `self.cameras`)."""
        q, qd = self.joint_state()
        images = {
            spec.name: self.render(spec) for spec in (self.cameras if cameras is None else cameras)
        }
        return Observation(
            images=images,
            image_stamps_s=dict.fromkeys(images, self.time_s),
            q=q,
            qd=qd,
            joint_stamp_s=self.time_s,
            instruction=self.instruction,
        )

    def step(self, command: NDArray[np.float64], duration_s: float) -> None:
        """Hold the position command (14,) for `duration_s`, a multiple of the physics step.

        Raises:
            JointError: The command is not (14,) finite numbers; nothing has moved.
            OneStepError: The duration is no positive multiple of the physics step.
        """
        command = np.asarray(command, dtype=np.float64)
        if command.shape != (DOF,) or not np.isfinite(command).all():
            raise JointError(
                "command cannot be executed",
                got=f"shape {command.shape}, {command.tolist()}",
                allowed=f"({DOF},) finite numbers",
            )
        steps = round(duration_s / PHYSICS_STEP_S)
        if steps < 1 or abs(steps * PHYSICS_STEP_S - duration_s) > 1e-6:
            raise OneStepError(
                "duration is no multiple of the physics step",
                got=f"{duration_s} s",
                allowed=f"k * {PHYSICS_STEP_S:.6f} s, k >= 1",
            )
        self.stage.joints.command(self.data, command)
        while steps > 0:
            mujoco.mj_step(self.model, self.data, nstep=min(steps, _JUDGE_STEPS))
            self._judge.update(self.data, self.stage.touches())
            steps -= _JUDGE_STEPS

    def success(self) -> bool:
        """Has the task been done, judged from physics alone?"""
        return self._judge.success()

    def wrong_object(self) -> bool:
        """Was something done that the sentence did not ask for?"""
        return self._judge.wrong_object()

    def close(self) -> None:
        """Free the renderer, from the thread that rendered."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
