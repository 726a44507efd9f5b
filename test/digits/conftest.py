# SPDX-License-Identifier: Apache-2.0
"""Digits for tests: real ones where a package brings them, made-up ones for the pure parts."""

import numpy as np
import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.digits.sources import Digits, read_digits, split
from onestep_vla_ros.files import read_yaml, share_dir


@pytest.fixture(scope="session")
def digits():
    try:
        return read_digits()
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def strokes():
    """Ten shapes with a little noise: learned in seconds, and they need no package."""
    random = np.random.default_rng(0)
    shapes = (random.random((10, 14, 14)) < 0.35) * 180
    labels = np.repeat(np.arange(10), 40)
    images = shapes[labels] + random.integers(0, 60, (400, 14, 14))
    return Digits("strokes", images.astype(np.uint8), labels, split(labels))


@pytest.fixture(scope="session")
def tiny():
    """The shipped configuration with a network of a few thousand weights."""
    base = read_yaml(share_dir() / "config" / "train_digits.yaml")
    head = {**base["head"], "width": 32, "mlp": 64}
    return {
        **base,
        "head": head,
        "encoder": {"kind": "cnn", "channels": 4},
        "batch": 16,
        "learning_rate": 0.005,
    }
