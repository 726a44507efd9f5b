# SPDX-License-Identifier: Apache-2.0
import ctypes.util
import os
import subprocess
import sys

import numpy as np
import pytest

from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.sim import renderer
from onestep_vla_ros.sim.yam_station import YamStation

pytestmark = pytest.mark.sim
SCRIPT = """
import hashlib
from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.yam_station import YamStation
world = YamStation("place")
try:
    image = world.render(world.cameras[0])
    print(type(world._renderer._gl).__module__, hashlib.sha256(image.tobytes()).hexdigest())
except ConfigError as error:
    print("refused:", error)
"""


def _render(**environment):
    kept = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "PYOPENGL_PLATFORM")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**kept, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Exception ignored" not in done.stderr  # a context nobody closed
    return done.stdout.split()


needs_osmesa = pytest.mark.skipif(
    ctypes.util.find_library("OSMesa") is None, reason="libosmesa6 is not installed"
)


def test_egl_is_the_default_back_end():
    if ctypes.util.find_library("EGL") is None:
        pytest.skip("libegl1 is not installed")
    assert _render()[0] == "mujoco.egl"


@needs_osmesa
def test_osmesa_takes_over_where_egl_has_no_device_and_draws_the_same():
    backend, picture = _render(MUJOCO_EGL_DEVICE_ID="99")
    assert backend == "mujoco.osmesa"
    assert picture == _render(MUJOCO_GL="osmesa")[1]


def test_no_back_end_at_all_is_refused_with_the_packages_to_install(tmp_path):
    (tmp_path / "OpenGL.py").write_text("raise ImportError('no GL library')\n")
    said = " ".join(_render(PYTHONPATH=str(tmp_path)))
    assert said.startswith("refused: no off-screen OpenGL")
    assert "apt install libegl1" in said


def test_leaving_out_what_a_camera_cannot_see_changes_no_pixel(monkeypatch):
    world = YamStation("place")
    rng = np.random.default_rng(0)
    plain = renderer._is_outside
    hidden = 0
    for seed in range(12):
        world.reset(seed)
        world.stage.set_arms(world.joint_state()[0] + rng.uniform(-0.9, 0.9, 14))
        for camera in (*world.cameras, CameraSpec("top", 60, 180)):
            aspect = camera.width / camera.height
            identity = world.model.camera(camera.name).id
            hidden += plain(world.model, world.data, identity, aspect).sum()
            culled = world.render(camera)
            monkeypatch.setattr(renderer, "_is_outside", lambda *_: np.zeros(0, np.int64))
            assert np.array_equal(world.render(camera), culled)
            monkeypatch.setattr(renderer, "_is_outside", plain)
    assert hidden > 300  # it is worth the while
    world.close()
