# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch.nn import functional

from onestep_vla_ros.policy.encoder import Text
from onestep_vla_ros.policy.nano_encoder import camera_type, grid_pool, spatial_softmax


def test_keypoint_follows_its_blob():
    heat = torch.full((1, 2, 11, 21), -50.0)
    heat[0, 0, 0, 20] = 50.0
    heat[0, 1, 5, 10] = 50.0
    assert torch.allclose(spatial_softmax(heat), torch.tensor([[1.0, 0.0, -1.0, 0.0]]), atol=1e-5)


def test_wrist_cameras_share_a_trunk(nano):
    assert camera_type("left_wrist") == camera_type("right_wrist") == "wrist"
    assert set(nano.model.encoder.trunks) == {"top", "wrist"}


def _encode(model, ids, mask):
    images = {
        c.name: torch.full((1, 3, c.height, c.width), 90, dtype=torch.uint8)
        for c in model.config.cameras
    }
    return model.encode(images, Text(ids, mask), torch.zeros(1, 14))


def test_padding_of_the_text_changes_no_token(nano):
    ids = torch.tensor([[5, 7, 9]])
    plain = _encode(nano.model, ids, torch.ones(1, 3, dtype=torch.bool))
    padded = _encode(
        nano.model, torch.tensor([[5, 7, 9, 0, 0]]), torch.tensor([[True] * 3 + [False] * 2])
    )
    assert plain.mask is None
    assert padded.mask.sum() == plain.tokens.shape[1]
    assert torch.allclose(padded.tokens[padded.mask], plain.tokens[0], atol=1e-6)


def test_words_change_the_picture_tokens_through_film(nano):
    block = nano.model.encoder.trunks["top"].block1
    saved = block.film.weight.detach().clone()
    with torch.no_grad():
        block.film.weight.normal_()
    mask = torch.ones(1, 2, dtype=torch.bool)
    a = _encode(nano.model, torch.tensor([[5, 7]]), mask).tokens
    b = _encode(nano.model, torch.tensor([[5, 8]]), mask).tokens
    with torch.no_grad():
        block.film.weight.copy_(saved)
    assert not torch.allclose(a[:, :5], b[:, :5])


@pytest.mark.parametrize("size", [(4, 6), (5, 7), (24, 9)])
def test_grid_pool_is_the_adaptive_mean(size):
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    plain = functional.adaptive_avg_pool2d(x, 2).flatten(2).transpose(1, 2)
    assert torch.allclose(grid_pool(x), plain, atol=1e-6)
