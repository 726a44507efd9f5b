# SPDX-License-Identifier: Apache-2.0
"""A task of LIBERO as a world: a Panda arm, delta end-effector actions, two cameras."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.embodiment import LIBERO_PANDA
from onestep_vla_ros.core.errors import ConfigError, JointError
from onestep_vla_ros.core.observation import CameraSpec, Observation
from onestep_vla_ros.sim.boxes import Boxes, obstacles_to, shape_of
from onestep_vla_ros.sim.libero_environment import open_environment
from onestep_vla_ros.sim.libero_noise import NOISY_CAMERA, NOISY_PX, noisy
from onestep_vla_ros.sim.libero_suites import LiberoTask
from onestep_vla_ros.sim.renderer import Renderer

PERIOD_S = 1.0 / LIBERO_PANDA.rate_hz
"""Of control: 20 Hz."""
ACTION_NAMES = LIBERO_PANDA.action_names
"""Of OSC_POSE, each in -1..1: ±0.05 m, ±0.5 rad, gripper -1 opens and 1 closes."""
STATE_NAMES = LIBERO_PANDA.state_names
"""End effector [m], its orientation as axis times angle [rad], fingers [m]."""
STILL: NDArray[np.float64] = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0])
"""Stays where it is, gripper open."""
SETTLE_STEPS = 10
"""Of `STILL` before an episode begins, as published evaluations do: objects fall into place."""
FULL, FAST = "full", "fast"
RENDERINGS: tuple[str, ...] = (FULL, FAST)
"""As the package renders; or without multi-sampling, shadows and reflections."""
_CAMERAS: Mapping[str, str] = {"agentview": "agentview", "eye_in_hand": "robot0_eye_in_hand"}
_COLLISION_GROUP = 0
_WITNESS = "robot0_eef_pos"
"""A sensor: whenever it is read, all are."""


class LiberoWorld:
    """One task; pictures are rendered when somebody asks, from the moment the package would.

    robosuite reads all sensors after the first of the 25 physics steps of a control step, so a
    policy sees the scene as it was one control step ago. Published figures are of policies that
    see it so, and so it is here: that moment is kept, and rendered later if at all.

    Thread: one, the one that renders.

    Args:
        task: From `open_task`.
        size: Height and width of both pictures [pixels].
        rendering: One of `RENDERINGS`.
    """

    def __init__(self, task: LiberoTask, size: int = 128, rendering: str = FULL) -> None:
        if rendering not in RENDERINGS:
            raise ConfigError("rendering", got=repr(rendering), allowed=list(RENDERINGS))
        self.libero_task, self.rendering = task, rendering
        self.cameras = camera_specs(size)
        self._env = open_environment(task)
        # LIBERO-Plus puts it on each step's picture, of which there is none here
        self._noise, self._env.noise = int(getattr(self._env, "noise", 0)), 0
        self._sensed: Mapping[str, NDArray[np.float64]] = {}
        self._moment: Any = None  # the physics as the sensors last saw it
        self.last_action = STILL
        """(7,), as it was carried out."""
        self._renderer: Renderer | None = None
        self._steps = 0

    @property
    def task(self) -> str:
        """The task's name."""
        return self.libero_task.name

    @property
    def timeout_s(self) -> float:
        """Time a policy has [s]."""
        return self.libero_task.step_limit * PERIOD_S

    @property
    def time_s(self) -> float:
        """Simulated time since the objects came to rest [s]."""
        return self._steps * PERIOD_S

    @property
    def instruction(self) -> str:
        """The task's sentence."""
        return self.libero_task.sentence

    def reset(self, seed: int) -> None:
        """Start from initial state number `seed` of the task's.

        Raises:
            ConfigError: There is no such initial state.
        """
        state = self.libero_task.state(seed)
        self._build(seed)
        self._sensed = self._env.set_init_state(state)
        self._settle()

    def scatter(self, seed: int) -> None:
        """Start from a scene that the package's own sampler draws, none of the initial states."""
        self._build(seed)
        self._settle()

    def _build(self, seed: int) -> None:
        self._close_renderer()  # the package builds the model anew
        self._env.seed(seed)
        self._env.reset()
        self._keep_moments()

    def _settle(self) -> None:
        for _ in range(SETTLE_STEPS):
            self._act(STILL)
        self.last_action = STILL
        self._steps = 0

    def joint_state(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Measured state (8,), see `STATE_NAMES`, and velocity (8,), as the sensors saw them.

        The velocity is linear [m/s], angular [rad/s] and of the fingers [m/s].
        """
        sensed, data = self._sensed, self._moment
        q = np.concatenate(
            [
                sensed["robot0_eef_pos"],
                axis_angle(sensed["robot0_eef_quat"]),
                sensed["robot0_gripper_qpos"],
            ]
        )
        site = self._env.robots[0].eef_site_id
        velocity = np.zeros(6)
        model = self._env.sim.model._model
        mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_SITE, site, velocity, 0)
        return q, np.concatenate([velocity[3:], velocity[:3], sensed["robot0_gripper_qvel"]])

    def sensed(self, name: str) -> NDArray[np.float64]:
        """Return what one of robosuite's sensors saw, for example "milk_1_pos": privileged.

        Raises:
            ConfigError: There is no such sensor.
        """
        if name not in self._sensed:
            raise ConfigError("sensor of LIBERO", got=repr(name), allowed=sorted(self._sensed))
        return np.array(self._sensed[name])

    @property
    def objects_of_interest(self) -> tuple[str, ...]:
        """Names of the objects that the task is about, in its order."""
        return tuple(self._env.obj_of_interest)

    def shape(self, name: str) -> Boxes:
        """Return the boxes around what can be touched of an object, as it stands: privileged.

        Raises:
            ConfigError: There is no such object.
        """
        return shape_of(*self._physics(), self._root(name))

    def obstacles(self, name: str) -> Boxes:
        """Return the boxes around all that can be touched but an object and the arm: privileged.

        Raises:
            ConfigError: There is no such object.
        """
        return obstacles_to(*self._physics(), self._root(name))

    def extent(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the corners (3,), (3,) [m] of the box around an object; see `shape`."""
        return self.shape(name).extent()

    @property
    def objects(self) -> tuple[str, ...]:
        """Names of everything that can be moved."""
        return tuple(self._env.env.objects_dict)

    def render(self, camera: CameraSpec) -> NDArray[np.uint8]:
        """One camera's picture, (height, width, 3) uint8 RGB, the right way up."""
        if self._renderer is None:
            model = self._env.sim.model._model
            largest = max(NOISY_PX, *(max(c.height, c.width) for c in self.cameras))
            model.vis.global_.offheight = max(largest, model.vis.global_.offheight)
            model.vis.global_.offwidth = max(largest, model.vis.global_.offwidth)
            is_fast = self.rendering == FAST
            if is_fast:
                model.vis.quality.offsamples = 0
            self._renderer = Renderer(model, is_plain=is_fast, hidden=_COLLISION_GROUP)
        name, height, width = _CAMERAS[camera.name], camera.height, camera.width
        if self._noise and camera.name == NOISY_CAMERA:
            picture = self._renderer.render(self._moment, name, NOISY_PX, NOISY_PX)
            return noisy(picture, self._noise, height, width)
        return self._renderer.render(self._moment, name, height, width)

    def observe(self, cameras: Sequence[CameraSpec] | None = None) -> Observation:
        """Everything the policy sees, now; renders `cameras` (default: `self.cameras`)."""
        wanted = self.cameras if cameras is None else cameras
        images = {camera.name: self.render(camera) for camera in wanted}
        seen_s = self.time_s - PERIOD_S
        stamps = dict.fromkeys(images, seen_s)
        q, qd = self.joint_state()
        return Observation(images, stamps, q, qd, seen_s, self.instruction)

    def step(self, command: NDArray[np.float64], duration_s: float = PERIOD_S) -> None:
        """Carry out one action (7,), see `ACTION_NAMES`, for one control step.

        Raises:
            JointError: The action is not (7,) finite numbers; nothing has moved.
            ConfigError: Another duration than `PERIOD_S`.
        """
        command = np.asarray(command, dtype=np.float64)
        if command.shape != STILL.shape or not np.isfinite(command).all():
            raise JointError(
                "action has the wrong form",
                got=f"shape {command.shape}, finite {bool(np.isfinite(command).all())}",
                allowed=f"({len(STILL)},) finite numbers",
            )
        if abs(duration_s - PERIOD_S) > 1e-9:
            raise ConfigError("duration of an action", got=duration_s, allowed=f"{PERIOD_S} s")
        self._act(command)
        self.last_action = command

    def physics_state(self) -> NDArray[np.float64]:
        """Time, positions and velocities of everything, (S,), as initial states are."""
        return np.array(self._env.get_sim_state())

    def success(self) -> bool:
        """Has the task been done, by LIBERO's own predicates?"""
        return bool(self._env.check_success())

    def wrong_object(self) -> bool:
        """LIBERO judges the goal alone: always False."""
        return False

    def close(self) -> None:
        """Free model and renderer, from the thread that rendered."""
        self._close_renderer()
        self._env.close()

    def _close_renderer(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _physics(self) -> tuple[mujoco.MjModel, mujoco.MjData]:
        return self._env.sim.model._model, self._env.sim.data._data

    def _root(self, name: str) -> int:
        body = mujoco.mj_name2id(self._physics()[0], mujoco.mjtObj.mjOBJ_BODY, f"{name}_main")
        if body < 0:
            raise ConfigError("object of LIBERO", got=repr(name), allowed=self.objects)
        return int(body)

    def _act(self, action: NDArray[np.float64]) -> None:
        self._sensed = self._env.step(action)[0]
        self._steps += 1

    def _keep_moments(self) -> None:
        """Have the physics copied whenever the sensors are read."""
        env = self._env.env
        model, data = env.sim.model._model, env.sim.data._data
        self._moment = mujoco.MjData(model)
        sensor = env._observables[_WITNESS]._sensor

        @functools.wraps(sensor)  # with what robosuite wrote on it
        def seen(cache: Mapping[str, object]) -> object:
            self._moment = _copied(self._moment, model, data)
            return sensor(cache)

        env.modify_observable(_WITNESS, "sensor", seen)


def _copied(into: mujoco.MjData, model: mujoco.MjModel, data: mujoco.MjData) -> mujoco.MjData:
    if not hasattr(mujoco, "mj_copyData"):  # not in the MuJoCo that LIBERO-Plus wants
        return copy.copy(data)
    mujoco.mj_copyData(into, model, data)
    return into


def camera_specs(size: int = 128) -> tuple[CameraSpec, ...]:
    """Return both cameras at a height and width of `size` [pixels]."""
    return tuple(CameraSpec(name, size, size) for name in _CAMERAS)


def axis_angle(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return axis times angle (3,) of a unit quaternion (x, y, z, w), angle 0..2π.

    Source: LIBERO's states, which are `quat2axisangle` of robosuite: w < 0 is not turned over.
    """
    w = float(np.clip(quaternion[3], -1.0, 1.0))
    sine = np.sqrt(1.0 - w * w)
    if np.isclose(sine, 0.0, rtol=0.0, atol=1e-9):
        return np.zeros(3)
    rotation: NDArray[np.float64] = quaternion[:3] * (2.0 * np.arccos(w) / sine)
    return rotation
