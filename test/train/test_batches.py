# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from tiny_demos import SIZES

from onestep_vla_ros.policy.encoder import Text
from onestep_vla_ros.policy.normalizer import Normalizer
from onestep_vla_ros.train.batches import Augmentation, Batches
from onestep_vla_ros.train.dataset import open_dataset


@pytest.fixture
def batches(tiny_dataset):
    data = open_dataset([tiny_dataset], 6, SIZES)
    ids = torch.tensor([[1, 2, 3, 0], [4, 5, 0, 0]])
    return Batches(data, Normalizer.fit(data.q, data.action), Text(ids, ids > 0))


@pytest.mark.parametrize("camera", SIZES)
def test_every_image_is_shifted_by_itself_and_repeats_its_edge(batches, camera):
    frames = np.zeros(64, np.int64)  # one picture, 64 times
    augmentation = Augmentation(shift_px=2)
    shifted = batches.read(frames, augmentation, np.random.default_rng(0)).images[camera]
    plain = np.asarray(batches.read(frames[:1]).images[camera][0].permute(1, 2, 0))
    assert shifted.dtype == torch.uint8
    padded = np.pad(plain, ((2, 2), (2, 2), (0, 0)), mode="edge")
    height, width, _ = plain.shape
    allowed = {
        padded[down : down + height, right : right + width].tobytes()
        for down in range(5)
        for right in range(5)
    }
    seen = {np.ascontiguousarray(x.permute(1, 2, 0)).tobytes() for x in shifted}
    assert seen <= allowed
    assert len(seen) > 5


def test_colour_changes_stay_in_range_and_repeat_with_the_generator(batches):
    frames = np.arange(10)
    read = lambda: batches.read(frames, Augmentation(2, 0.3), np.random.default_rng(1))  # noqa: E731
    images = read().images["top"]
    assert images.min() >= 0
    assert images.max() <= 255
    assert torch.equal(images, read().images["top"])


def test_columns_that_are_padding_everywhere_are_left_out(batches):
    even, odd = np.array([0, 24]), np.array([12])
    assert batches.read(even).text.ids.shape == (2, 2)
    assert batches.read(odd).text.ids.shape == (1, 3)
    assert batches.read(np.array([0, 12])).text.mask.sum() == 5
