# SPDX-License-Identifier: Apache-2.0
"""How an episode looks: lamps, table, cameras, tints, friction and stray objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.sim.objects import DISTRACTOR_HALF_M, DISTRACTORS
from onestep_vla_ros.sim.perturbation import Variation
from onestep_vla_ros.sim.scene import Pose, Scene
from onestep_vla_ros.sim.table import MIDLINE_Y_M

_BACKGROUND = ("table", "floor")
_CLEAR_M = 0.10  # between a stray object and everything of the task
_STRAY_X_M, _STRAY_Y_M = (0.24, 0.50), (-0.36, 0.36)
_TRIES = 60
_PARKED = (-2.0, -0.7)
_FLOOR_Z_M = -0.75


class Wardrobe:
    """Changes how a model looks and slides, always starting from how it was built.

    Args:
        model: Changed in place by `wear`.
        objects: Bodies of the task, which are tinted and made smoother or rougher.
        cameras: Cameras that are moved.
    """

    def __init__(
        self, model: mujoco.MjModel, objects: Sequence[str], cameras: Sequence[CameraSpec]
    ) -> None:
        self._model = model
        self._background = [model.geom(name).id for name in _BACKGROUND]
        self._objects = {name: _geoms(model, name) for name in objects}
        self._cameras = [model.camera(camera.name).id for camera in cameras]
        head = model.vis.headlight
        self._kept = {
            "rgba": model.geom_rgba.copy(),
            "friction": model.geom_friction.copy(),
            "at": model.cam_pos.copy(),
            "turn": model.cam_quat.copy(),
            "lamp": model.light_diffuse.copy(),
            "lean": model.light_dir.copy(),
            "ambient": head.ambient.copy(),
            "diffuse": head.diffuse.copy(),
        }

    def wear(
        self,
        rng: np.random.Generator,
        v: Variation,
        paint: Mapping[str, tuple[float, float, float]],
    ) -> None:
        """Draw a look from `rng` and put it on; `paint` gives bodies another colour first."""
        self._light(rng, v)
        self._move_cameras(rng, v)
        model, kept = self._model, self._kept
        for geom in self._background:
            shade = rng.uniform(-v.background, v.background) + rng.uniform(
                -v.background / 2, v.background / 2, 3
            )
            model.geom_rgba[geom, :3] = np.clip(kept["rgba"][geom, :3] + shade, 0.0, 1.0)
        for name, geoms in self._objects.items():
            plain = paint.get(name, kept["rgba"][geoms, :3])
            tint = rng.uniform(-v.tint, v.tint, 3)
            slide = 1.0 + rng.uniform(-v.friction, v.friction)
            model.geom_rgba[geoms, :3] = np.clip(plain + tint, 0.0, 1.0)
            model.geom_friction[geoms, 0] = slide * kept["friction"][geoms, 0]

    def _light(self, rng: np.random.Generator, v: Variation) -> None:
        model, kept = self._model, self._kept
        brightness = 1.0 + rng.uniform(-v.light, v.light)
        balance = 1.0 + rng.uniform(-v.light / 3, v.light / 3, 3)
        head = model.vis.headlight
        head.ambient[:] = kept["ambient"] * brightness * balance
        head.diffuse[:] = kept["diffuse"] * brightness * balance
        for i in range(model.nlight):
            own = 1.0 + rng.uniform(-v.light, v.light)
            model.light_diffuse[i] = kept["lamp"][i] * own * balance
            lean = kept["lean"][i] + np.tan(v.light_turn_rad) * np.array(
                [*rng.uniform(-1.0, 1.0, 2), 0.0]
            )
            model.light_dir[i] = lean / np.linalg.norm(lean)

    def _move_cameras(self, rng: np.random.Generator, v: Variation) -> None:
        model, kept = self._model, self._kept
        for camera in self._cameras:
            shift = rng.uniform(-v.camera_m, v.camera_m, 3)
            turn = rng.uniform(-v.camera_rad, v.camera_rad, 3)
            model.cam_pos[camera] = kept["at"][camera] + shift
            quat = kept["turn"][camera].copy()
            mujoco.mju_quatIntegrate(quat, turn, 1.0)
            model.cam_quat[camera] = quat


def draw_strays(rng: np.random.Generator, v: Variation, scene: Scene) -> dict[str, Pose]:
    """Return where each distractor lies: clear of all that the scene uses, or out of sight."""
    low, high = v.distractors
    wanted = int(rng.integers(low, high + 1))
    chosen = set(rng.permutation(len(DISTRACTORS))[:wanted].tolist())
    bodies = [*scene.poses.values(), *scene.fixtures.values()]
    taken = [*((p.x_m, p.y_m) for p in bodies), *scene.keep_clear]
    poses = {}
    for i, name in enumerate(DISTRACTORS):
        at = _draw_clear(rng, taken) if i in chosen else None
        if at is None:
            parked = _PARKED[0] - 0.2 * i, _PARKED[1]
            poses[name] = Pose(*parked, _FLOOR_Z_M + DISTRACTOR_HALF_M)
            continue
        taken.append(at)
        poses[name] = Pose(*at, DISTRACTOR_HALF_M, float(rng.uniform(-np.pi, np.pi)))
    return poses


def _draw_clear(
    rng: np.random.Generator, taken: Sequence[tuple[float, float]]
) -> tuple[float, float] | None:
    for _ in range(_TRIES):
        x_m = float(rng.uniform(*_STRAY_X_M))
        y_m = float(MIDLINE_Y_M + rng.uniform(*_STRAY_Y_M))
        if all(np.hypot(x_m - x, y_m - y) > _CLEAR_M for x, y in taken):
            return x_m, y_m
    return None


def _geoms(model: mujoco.MjModel, body: str) -> NDArray[np.int64]:
    found = model.body(body)
    return np.arange(found.geomadr[0], found.geomadr[0] + found.geomnum[0])
