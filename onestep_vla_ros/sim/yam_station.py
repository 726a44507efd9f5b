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
from onestep_vla_ros.sim.place_judge import PlaceJudge
from onestep_vla_ros.sim.renderer import Renderer
from onestep_vla_ros.sim.stage import Stage
from onestep_vla_ros.sim.station_model import PHYSICS_STEP_S
from onestep_vla_ros.sim.tasks import CUBE_EDGE_M, PLATE_HEIGHT_M, Scene, build_model, draw_scene

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

    def __init__(self, task: str = "place") -> None:
        """Build the model of `task` and start episode 0; raise `ConfigError` on another task."""
        self.task = task
        self.model = build_model(task)
        self.data = mujoco.MjData(self.model)
        self._renderer: Renderer | None = None
        self._judge = PlaceJudge(self.model)
        self.stage = Stage(self.model, self.data, self._judge)
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
        self.scene = draw_scene(self.task, seed)
        mujoco.mj_resetData(self.model, self.data)
        for colour, pose in self.scene.cubes.items():
            at = (pose.x_m, pose.y_m, CUBE_EDGE_M / 2)
            self.stage.place_cube(colour, at, pose.yaw_rad)
        self.data.mocap_pos[0] = [*self.scene.plate, PLATE_HEIGHT_M / 2]
        self.stage.set_arms(np.array(self.scene.start_q))
        self._judge.reset()

    def joint_state(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Measured q and qd, each (14,) [rad, rad/s, gripper 0..1], without rendering."""
        return self.stage.joints.read(self.data)

    def render(self, camera: CameraSpec) -> NDArray[np.uint8]:
        """One camera's image now, (height, width, 3) uint8 RGB, at the size `camera` asks for."""
        if self._renderer is None:
            self._renderer = Renderer(self.model)
        return self._renderer.render(self.data, camera.name, camera.height, camera.width)

    def observe(self, cameras: Sequence[CameraSpec] | None = None) -> Observation:
        """Everything the policy sees, now; renders `cameras` (default: `self.cameras`)."""
        q, qd = self.joint_state()
        images = {spec.name: self.render(spec) for spec in cameras or self.cameras}
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
            self._judge.update(self.data)
            steps -= _JUDGE_STEPS

    def success(self) -> bool:
        """Does the named cube rest on the plate, released and still, for 0.25 s?"""
        return self._judge.success(self.data, self.scene)

    def wrong_object(self) -> bool:
        """Does a cube that was not asked for rest on the plate?"""
        return self._judge.wrong_object(self.data, self.scene)

    def close(self) -> None:
        """Free the renderer, from the thread that rendered."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
