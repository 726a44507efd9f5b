# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from onestep_vla_ros.core.errors import ObservationError
from onestep_vla_ros.policy.images import resize_uint8


def _images():
    return np.random.default_rng(0).integers(0, 256, (2, 53, 70, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(24, 32), (53, 35), (96, 96)])
def test_resize_is_within_one_grey_level_of_pil(size):
    image = pytest.importorskip("PIL.Image", reason="PIL is not installed: nothing to compare")
    theirs = [
        np.asarray(image.fromarray(x).resize(size[::-1], image.Resampling.BILINEAR), int)
        for x in _images()
    ]
    assert np.abs(resize_uint8(_images(), size) - np.stack(theirs)).max() <= 1


def test_same_size_returns_the_same_pixels():
    assert np.array_equal(resize_uint8(_images(), (53, 70)), _images())


def test_tensors_read_only_and_mirrored_arrays_give_the_same():
    expected = resize_uint8(_images(), (20, 20))
    frozen = _images()
    frozen.flags.writeable = False
    mirrored = np.ascontiguousarray(_images()[:, ::-1])[:, ::-1]
    for images in (torch.from_numpy(_images()), frozen, mirrored):
        assert np.array_equal(resize_uint8(images, (20, 20)), expected)


@pytest.mark.parametrize(
    "images", [np.zeros((2, 8, 8, 3), np.float32), np.zeros((8, 8, 3), np.uint8)]
)
def test_floats_and_wrong_shapes_are_refused(images):
    with pytest.raises(ObservationError, match="uint8"):
        resize_uint8(images, (4, 4))
