# SPDX-License-Identifier: Apache-2.0
"""Sensor noise of LIBERO-Plus, by its package, on a picture that we have drawn."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.sim.libero_package import LIBERO_PLUS, module

NOISY_CAMERA = "agentview"
NOISY_PX = 256
"""Edge of the pictures that fog fits onto; glass needs at least 224."""


def noisy(picture: NDArray[np.uint8], number: int, height: int, width: int) -> NDArray[np.uint8]:
    """Return a picture with noise, resized.

    Args:
        picture: (`NOISY_PX`, `NOISY_PX`, 3) RGB, the right way up.
        number: Of the noise, as a variant's name has it: 1 to 50, ten strengths each of motion,
            Gaussian and zoom blur, fog and glass.
        height: Of the result [px].
        width: Of the result [px].
    """
    # the package's noise lives in its environment's step, on pictures that are upside down
    wrapper = module(f"{LIBERO_PLUS}.envs.env_wrapper").ControlEnv
    seen = {"agentview_image": np.ascontiguousarray(picture[::-1])}
    inner = SimpleNamespace(step=lambda _: (seen,))
    wrapper.step(SimpleNamespace(noise=number, env=inner), None)
    result = np.asarray(seen["agentview_image"]).astype(np.uint8)[::-1]
    resized = cv2.resize(result, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, dtype=np.uint8)
