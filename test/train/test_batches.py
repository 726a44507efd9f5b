# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from onestep_vla_ros.policy.encoder import Text
from onestep_vla_ros.policy.normalizer import Normalizer
from onestep_vla_ros.train.batches import Augmentation, Batches
from onestep_vla_ros.train.dataset import open_dataset


@pytest.fixture
def batches(demos):
    data = open_dataset(demos, 6)
    ids = torch.tensor([[1, 2, 3, 0], [4, 5, 0, 0]])
    return Batches(data, Normalizer.fit(data.q, data.action), Text(ids, ids > 0))


def test_one_epoch_visits_every_frame_once_over_all_ranks(batches):
    pool = np.arange(0, 120, 2)
    seen = [batches.draw(pool, 5, step, rank, 2, seed=3) for step in range(6) for rank in (0, 1)]
    assert sorted(np.concatenate(seen)) == sorted(pool)
    again = batches.draw(pool, 5, 6, 0, 2, seed=3)
    assert not np.array_equal(again, seen[0])
    assert np.array_equal(batches.draw(pool, 5, 0, 0, 2, seed=3), seen[0])


def test_shift_moves_the_picture_and_repeats_its_edge(batches):
    frames = np.arange(10)
    plain = batches.read(frames).images["top"]
    shifted = batches.read(frames, Augmentation(shift_px=3), np.random.default_rng(0)).images[
        "top"
    ]
    assert shifted.dtype == torch.uint8
    assert shifted.shape == plain.shape
    assert not torch.equal(shifted, plain)
    assert shifted.float().mean() == pytest.approx(float(plain.float().mean()), rel=0.05)


def test_colour_changes_stay_in_range_and_repeat_with_the_generator(batches):
    frames = np.arange(10)
    read = lambda: batches.read(frames, Augmentation(0, 0.3), np.random.default_rng(1))  # noqa: E731
    images = read().images["top"]
    assert images.min() >= 0
    assert images.max() <= 255
    assert torch.equal(images, read().images["top"])


def test_columns_that_are_padding_everywhere_are_left_out(batches):
    even, odd = np.array([0, 24]), np.array([12])
    assert batches.read(even).text.ids.shape == (2, 2)
    assert batches.read(odd).text.ids.shape == (1, 3)
    assert batches.read(np.array([0, 12])).text.mask.sum() == 5
