# SPDX-License-Identifier: Apache-2.0
"""Off-screen rendering without a display; the context belongs to the thread that made it."""

from __future__ import annotations

import atexit
import importlib
import os
import sys
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ConfigError

APT_PACKAGES = "libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri libosmesa6"
_HIDDEN_GROUP = 3
_EFFECTS = tuple(
    int(flag)
    for flag in (
        mujoco.mjtRndFlag.mjRND_SHADOW,
        mujoco.mjtRndFlag.mjRND_REFLECTION,
        mujoco.mjtRndFlag.mjRND_HAZE,
    )
)
_BACKENDS = ("mujoco.egl", "mujoco.egl.egl_ext", "mujoco.osmesa")


class _Context(Protocol):
    """What the three unrelated GLContext classes of mujoco have in common."""

    def make_current(self) -> None: ...
    def free(self) -> None: ...


class Renderer:
    """Renders named cameras of one model.

    Thread: create it, use it and close it in one thread.

    Args:
        model: Its `vis.quality.offsamples` says how often a pixel is sampled.
        is_plain: Without shadows, reflections, haze and sites, and nothing is drawn that the
            camera cannot see; otherwise as MuJoCo would.
        hidden: Group of geoms that no camera sees, for example those for collisions.

    Raises:
        ConfigError: Neither EGL nor OSMesa gives a GL context.
    """

    def __init__(
        self, model: mujoco.MjModel, *, is_plain: bool = True, hidden: int = _HIDDEN_GROUP
    ) -> None:
        self._model = model
        self._thread = threading.get_ident()
        self._size = (int(model.vis.global_.offheight), int(model.vis.global_.offwidth))
        self._gl = _open_context(self._size[1], self._size[0])
        atexit.register(_close_at_exit, weakref.ref(self))
        self._gl.make_current()
        self._is_plain, self._hidden = is_plain, hidden
        self._scene = mujoco.MjvScene(model, maxgeom=1000)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[hidden] = 0
        if is_plain:
            self._scene.flags[list(_EFFECTS)] = 0
            self._option.sitegroup[:] = 0
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)

    def render(
        self, data: mujoco.MjData, camera: str, height: int, width: int
    ) -> NDArray[np.uint8]:
        """Return one camera's view of `data`, (height, width, 3) uint8 RGB, top row first.

        Raises:
            ConfigError: Unknown camera, a size beyond the buffer, or another thread calls.
        """
        identity = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_CAMERA, camera)
        self._check(camera, identity, height, width)
        self._gl.make_current()
        self._camera.fixedcamid = identity
        viewport = mujoco.MjrRect(0, 0, width, height)
        self._update_scene(data, identity, width / height)
        mujoco.mjr_render(viewport, self._scene, self._context)
        image = np.empty((height, width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(image, None, viewport, self._context)
        return np.ascontiguousarray(image[::-1])

    def _update_scene(self, data: mujoco.MjData, camera: int, aspect: float) -> None:
        """Fill the scene with what the camera can see: the rest costs its vertices for nothing."""
        groups = self._model.geom_group.copy()
        if self._is_plain:  # what a floor mirrors may be out of sight
            self._model.geom_group[_is_outside(self._model, data, camera, aspect)] = self._hidden
        mujoco.mjv_updateScene(
            self._model,
            data,
            self._option,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        self._model.geom_group[:] = groups

    def _check(self, camera: str, identity: int, height: int, width: int) -> None:
        if identity < 0:
            names = [self._model.camera(i).name for i in range(self._model.ncam)]
            raise ConfigError("unknown camera", got=repr(camera), allowed=names)
        if not (0 < height <= self._size[0] and 0 < width <= self._size[1]):
            raise ConfigError(
                f"image of camera {camera!r} has a size that cannot be rendered",
                got=f"{height}x{width}",
                allowed=f"1x1 to {self._size[0]}x{self._size[1]} (height x width)",
            )
        if threading.get_ident() != self._thread:
            raise ConfigError(
                "the renderer was called from a second thread",
                allowed="the thread that made it",
                do="make one renderer a thread",
            )

    def close(self) -> None:
        """Free the context; a second call does nothing."""
        context, self._context = getattr(self, "_context", None), None
        gl, self._gl = getattr(self, "_gl", None), None
        if gl is not None:
            gl.make_current()
            if context is not None:
                context.free()
            gl.free()

    def __enter__(self) -> Renderer:
        """Return this renderer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free the context."""
        self.close()


def _is_outside(
    model: mujoco.MjModel, data: mujoco.MjData, camera: int, aspect: float
) -> NDArray[np.bool_]:
    """Return whether each geom's bounding sphere lies outside a camera's view, (ngeom,)."""
    seen = (data.geom_xpos - data.cam_xpos[camera]) @ data.cam_xmat[camera].reshape(3, 3)
    ahead, radius = -seen[:, 2], model.geom_rbound  # cameras look along their own -z
    up = np.radians(model.cam_fovy[camera]) / 2.0
    outside = ahead < -radius
    for axis, angle in ((0, np.arctan(np.tan(up) * aspect)), (1, up)):
        outside |= np.abs(seen[:, axis]) * np.cos(angle) - ahead * np.sin(angle) > radius
    hidden: NDArray[np.bool_] = outside & (radius > 0.0)  # planes have no bound
    return hidden


def _close_at_exit(reference: weakref.ref[Renderer]) -> None:
    """Free a forgotten context while the interpreter still stands."""
    renderer = reference()
    if renderer is not None and renderer._thread == threading.get_ident():
        renderer.close()


def _open_context(width: int, height: int) -> _Context:
    """Return a GL context of EGL, else of OSMesa; of OSMesa alone when MUJOCO_GL says so."""
    reasons = []
    wanted = os.environ.get("MUJOCO_GL", "").lower()
    for backend in ("osmesa",) if wanted == "osmesa" else ("egl", "osmesa"):
        try:
            return _context_class(backend)(width, height)
        except Exception as error:  # noqa: BLE001 - each back-end raises its own kind
            reasons.append(f"{backend}: {type(error).__name__} {error}")
    raise ConfigError(
        "no off-screen OpenGL",
        got="; ".join(reasons).replace("\n", " "),
        allowed="MUJOCO_GL=egl or osmesa, with its libraries",
        do=f"apt install {APT_PACKAGES}",
    )


def _context_class(backend: str) -> Callable[[int, int], _Context]:
    """Import one back-end; PyOpenGL binds to the first it meets, so a failed one must go."""
    if os.environ.get("PYOPENGL_PLATFORM", backend) != backend:
        for name in [n for n in sys.modules if n.split(".")[0] == "OpenGL" or n in _BACKENDS]:
            del sys.modules[name]
    os.environ["PYOPENGL_PLATFORM"] = os.environ["MUJOCO_GL"] = backend
    return importlib.import_module(f"mujoco.{backend}").GLContext
