# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from onestep_vla_ros.train.lerobot_stats import QUANTILES, histogram, of_numbers, of_pixels


def test_numbers_have_numpys_own_statistics():
    values = np.random.default_rng(0).normal(size=(101, 3)).astype(np.float32)
    stats, exact = of_numbers(values), values.astype(np.float64)
    assert np.array_equal(stats["min"], exact.min(0))
    assert np.allclose(stats["mean"], exact.mean(0), rtol=0, atol=1e-15)
    assert np.allclose(stats["std"], exact.std(0), rtol=0, atol=1e-15)
    assert stats["count"].tolist() == [101]
    for name, share in QUANTILES.items():
        assert np.array_equal(stats[name], np.quantile(exact, share, axis=0))


def test_a_plain_column_has_one_value_each():
    stats = of_numbers(np.array([True, False, False, False]))
    assert stats["mean"].tolist() == [0.25]
    assert stats["max"].tolist() == [1.0]


@pytest.mark.parametrize("images", [1, 70])
def test_pixels_have_the_statistics_of_all_pixels(images):
    rng = np.random.default_rng(1)
    stack = rng.integers(0, 200, (images, 6, 10, 3), dtype=np.uint8)
    stack[..., 2] = np.minimum(stack[..., 2], 30)
    stats = of_pixels(histogram(stack), images)
    exact = stack.reshape(-1, 3) / 255.0
    assert stats["count"].tolist() == [images]
    assert stats["mean"].shape == (3, 1, 1)
    for name, value in (("min", exact.min(0)), ("max", exact.max(0)), ("mean", exact.mean(0))):
        assert np.allclose(stats[name].ravel(), value, rtol=0, atol=1e-12)
    assert np.allclose(stats["std"].ravel(), exact.std(0), rtol=0, atol=1e-12)
    for name, share in QUANTILES.items():
        assert np.allclose(stats[name].ravel(), np.quantile(exact, share, axis=0), atol=1e-12)
