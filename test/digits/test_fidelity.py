# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from onestep_vla_ros.digits.fidelity import frechet, spread

RANDOM = np.random.default_rng(0)
LABELS = np.repeat(np.arange(4), 100)
CENTRES = RANDOM.normal(size=(4, 50))
REAL = CENTRES[LABELS] + RANDOM.normal(size=(400, 50))


def test_real_pictures_have_spread_one_and_distance_none():
    assert spread(REAL, LABELS, REAL, LABELS) == pytest.approx(1.0)
    assert frechet(REAL, REAL) == pytest.approx(0.0, abs=1e-6)


def test_mean_pictures_have_no_spread_and_a_distance():
    means = np.stack([REAL[label == LABELS].mean(axis=0) for label in range(4)])[LABELS]
    assert spread(means, LABELS, REAL, LABELS) == pytest.approx(0.0)
    assert frechet(means, REAL) > 0.2


def test_distance_of_a_shift_is_its_square():
    """Equal covariances: only the means count."""
    axis = np.linalg.svd(REAL - REAL.mean(axis=0), full_matrices=False)[2][0]
    total = np.trace(np.cov((REAL - REAL.mean(axis=0)) @ np.eye(50), rowvar=False))
    near, far = (frechet(REAL + size * axis, REAL) for size in (1.0, 2.0))
    assert far == pytest.approx(4.0 * near, rel=1e-3)
    assert near > 1.0 / total
