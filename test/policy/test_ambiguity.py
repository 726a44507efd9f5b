# SPDX-License-Identifier: Apache-2.0
"""The gap on demonstrations whose true velocity is known: one right chunk, or two."""

from functools import partial

import pytest
import torch

from onestep_vla_ros.policy.ambiguity import gap
from onestep_vla_ros.policy.decoder import euler
from onestep_vla_ros.policy.encoder import Context
from onestep_vla_ros.policy.flow_head import FlowHead, HeadConfig
from onestep_vla_ros.policy.objective import OBJECTIVES

ONE = torch.linspace(-1.0, 1.0, 20).view(1, 5, 4)
TWO = torch.cat([ONE, -ONE.flip(1) + 0.5])


def perfect(modes, x, tau):
    """Return v(x, τ) of a perfect head whose demonstrations are `modes` (M, H, D), all alike."""
    tau = tau[..., None, None]
    away = (x.unsqueeze(-3) - (1.0 - tau.unsqueeze(-3)) * modes).square().sum((-2, -1))
    weight = torch.softmax(-away / (2.0 * tau.flatten(-2).square() + 1e-12), dim=-1)
    return (x - (weight[..., None, None] * modes).sum(-3)) / tau


def one_step(velocity, batch=1):
    return euler(velocity, torch.zeros(batch, 1, 5, 4), 1).squeeze(1)


def test_two_right_chunks_have_a_gap_of_half_their_distance_and_one_has_none():
    one, two = partial(perfect, ONE), partial(perfect, TWO)
    assert torch.allclose(one_step(two), TWO.mean(0, keepdim=True))
    assert float(gap(one, one_step(one))) == 0.0
    half = float((TWO[0] - TWO[1]).square().mean().sqrt()) / 2
    assert float(gap(two, one_step(two))) == pytest.approx(half, rel=0.2)


def test_two_steps_from_zero_noise_would_not_see_two_right_chunks():
    """Why the second look is noisy: the middle of two chunks is as far from either."""
    two = partial(perfect, TWO)
    zero = torch.zeros(1, 1, 5, 4)
    assert torch.allclose(euler(two, zero, 2), euler(two, zero, 1), atol=1e-4)


def test_the_gap_grows_with_the_distance_of_the_chunks():
    found = []
    for scale in (0.2, 0.5, 1.0):
        velocity = partial(perfect, TWO * scale)
        found.append(float(gap(velocity, one_step(velocity))))
    assert found == sorted(found)
    assert found[0] > 0.0


def test_the_gap_is_the_same_at_every_call_and_in_any_batch():
    velocity = partial(perfect, TWO)
    torch.manual_seed(1)
    first = gap(velocity, one_step(velocity))
    torch.manual_seed(2)
    assert torch.equal(gap(velocity, one_step(velocity)), first)
    assert torch.allclose(gap(velocity, one_step(velocity, 3)), first.expand(3))


def test_nan_stays_nan():
    assert gap(lambda x, tau: x, torch.full((1, 5, 4), torch.nan)).isnan().all()


@pytest.mark.parametrize("objective", OBJECTIVES[1:])
def test_heads_that_know_one_chunk_have_no_gap_at_all(objective):
    torch.manual_seed(0)
    sizes = {"horizon": 5, "dof": 4, "width": 16, "layers": 1, "heads": 2, "mlp": 16}
    head = FlowHead(HeadConfig(**sizes, objective=objective, prefix=0), 8)
    torch.nn.init.normal_(head.out.weight, std=0.3)
    with torch.inference_mode():
        flow = head.flow(head.prepare(Context(torch.randn(6, 3, 8))))
        one = one_step(flow, 6)
        assert one.abs().max() > 0.1
        assert torch.equal(gap(flow, one), torch.zeros(6))
