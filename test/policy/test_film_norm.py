# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from onestep_vla_ros.policy.film_norm import film_norm

BATCH, CHANNELS = 3, 32


def _case(has_film, has_shortcut):
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(shape, generator=generator).requires_grad_()  # noqa: E731
    norm = nn.GroupNorm(8, CHANNELS)
    with torch.no_grad():
        norm.weight.copy_(draw(CHANNELS))
        norm.bias.copy_(draw(CHANNELS))
    x = (3.0 + draw(BATCH, CHANNELS, 5, 7)).detach().requires_grad_()
    film = (draw(BATCH, CHANNELS), draw(BATCH, CHANNELS)) if has_film else None
    shortcut = draw(BATCH, CHANNELS, 5, 7) if has_shortcut else None
    return x, norm, film, shortcut


def _plain(x, norm, film, shortcut):
    y = norm(x)
    if film is not None:
        gamma, beta = (part[:, :, None, None] for part in film)
        y = (1.0 + gamma) * y + beta
    return torch.relu(y if shortcut is None else y + shortcut)


@pytest.mark.parametrize("has_film", [True, False])
@pytest.mark.parametrize("has_shortcut", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_those_of_the_separate_steps(has_film, has_shortcut, layout):
    x, norm, film, shortcut = _case(has_film, has_shortcut)
    leaves = [x, norm.weight, norm.bias, *(film or ())]
    leaves += [shortcut] if has_shortcut else []
    plain = _plain(x, norm, film, shortcut)
    ours = film_norm(x.contiguous(memory_format=layout), norm, film, shortcut)
    assert torch.allclose(ours, plain, atol=2e-5)
    weight = torch.randn(plain.shape, generator=torch.Generator().manual_seed(1))
    wanted = torch.autograd.grad(plain, leaves, weight)
    got = torch.autograd.grad(ours, leaves, weight)
    for a, b in zip(got, wanted, strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_the_result_has_the_layout_and_the_type_that_came_in():
    x, norm, film, _ = _case(True, False)
    x = x.detach().bfloat16().contiguous(memory_format=torch.channels_last)
    y = film_norm(x, norm, film)
    assert y.dtype == torch.bfloat16
    assert y.is_contiguous(memory_format=torch.channels_last)
