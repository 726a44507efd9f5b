# SPDX-License-Identifier: Apache-2.0
"""Chunks that go on from given waypoints: loss, integral and what a head learns of it."""

from functools import partial

import pytest
import torch

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.policy.decoder import euler
from onestep_vla_ros.policy.encoder import Context
from onestep_vla_ros.policy.flow_head import FlowHead, HeadConfig
from onestep_vla_ros.policy.objective import draw_given, training_loss, velocity_loss
from onestep_vla_ros.policy.prefix import continued
from onestep_vla_ros.policy.schedule import Schedule

B, N, H, D = 5, 3, 8, 4


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def make_head(**changes):
    torch.manual_seed(0)
    sizes = {"horizon": H, "dof": D, "width": 32, "layers": 2, "heads": 2, "mlp": 32}
    head = FlowHead(HeadConfig(**(sizes | {"objective": "flow", "prefix": 3} | changes)), 16)
    torch.nn.init.normal_(head.out.weight, std=0.3)
    return head


def test_lengths_are_uniform_and_given_waypoints_are_the_first():
    given = draw_given((2000, 2), H, 3, generator())
    count = given.sum(-1)
    assert torch.equal(given, torch.arange(H) < count.unsqueeze(-1))
    shares = torch.bincount(count.flatten(), minlength=4) / count.numel()
    assert torch.allclose(shares, torch.full((4,), 0.25), atol=0.03)


def test_given_waypoints_are_shown_clean_at_level_zero_and_do_not_count():
    action = torch.randn((B, H, D), generator=generator(1))
    seen = {}

    def velocity(x, tau):
        seen.update(x=x, tau=tau)
        return torch.zeros_like(x)

    loss = velocity_loss(velocity, action, Schedule("pure_noise"), N, generator(2), prefix=3)
    is_given = seen["tau"] == 0.0
    assert seen["tau"].shape == (B, N, H)
    assert 0 < is_given.sum() < is_given.numel()
    clean = action.unsqueeze(1).expand(-1, N, -1, -1)
    assert torch.equal(seen["x"][is_given], clean[is_given])
    error = (seen["x"] - clean)[~is_given]  # at level 1 x is the noise, the target ε − a
    assert torch.isclose(loss, error.square().mean(), rtol=1e-6)


def test_a_mask_of_entries_still_counts_beside_the_prefix():
    action = torch.randn((B, H, D), generator=generator(1))
    mask = torch.tensor([True, True, False, True])

    def loss(wrong):
        def velocity(x, _):
            return x + wrong * ~mask

        return velocity_loss(velocity, action, Schedule(), N, generator(2), mask, prefix=3)

    assert loss(0.0) == loss(9.0)


def test_other_objectives_know_no_prefix():
    with pytest.raises(ConfigError, match="prefix"):
        training_loss("regression", lambda x, _: x, torch.zeros(1, H, D), Schedule(), 1, prefix=2)
    faults = HeadConfig.contradictions({"prefix": 8, "horizon": 8, "objective": "l1"})
    assert len(faults) == 2


@pytest.mark.parametrize("steps", [1, 2, 5, 10])
def test_chunks_begin_with_the_given_waypoints(steps):
    head = make_head()
    memory = head.prepare(Context(torch.randn((B, 6, 16), generator=generator(3))))
    given = torch.randn((B, 3, D), generator=generator(4))
    noise = torch.randn((B, N, H, D), generator=generator(5))
    chunk = euler(continued(head.flow(memory), given), noise, steps)
    assert torch.allclose(chunk[:, :, :3], given.unsqueeze(1).expand(-1, N, -1, -1), atol=1e-5)
    free = euler(head.flow(memory), noise, steps)
    assert not torch.allclose(chunk[:, :, 3:], free[:, :, 3:], atol=1e-3)


def test_the_rest_does_not_depend_on_the_noise_of_what_is_given():
    head = make_head()
    flow = head.flow(head.prepare(Context(torch.randn((B, 6, 16), generator=generator(3)))))
    given = torch.randn((B, 2, D), generator=generator(4))
    noise = torch.randn((B, 1, H, D), generator=generator(5))
    other = noise.clone()
    other[:, :, :2] = 7.0
    chunks = [euler(continued(flow, given), start, 4) for start in (noise, other)]
    assert torch.allclose(chunks[0], chunks[1], atol=1e-5)


def test_one_level_for_all_waypoints_is_the_same_as_one_each():
    head = make_head()
    memory = head.prepare(Context(torch.randn((B, 6, 16), generator=generator(3))))
    x = torch.randn((B, N, H, D), generator=generator(5))
    tau = torch.rand((B, N), generator=generator(6))
    each = tau.unsqueeze(-1).expand(-1, -1, H)
    assert torch.allclose(head(x, tau, memory), head(x, each, memory), atol=1e-6)


def test_a_trained_head_goes_on_in_the_direction_it_is_given():
    """Chunks rise or fall at random; alone the mean is flat, after two waypoints it is clear."""
    head = make_head()
    context = Context(torch.zeros(64, 1, 16))
    optimizer = torch.optim.Adam(head.parameters(), 3e-3)
    ramp = torch.linspace(0.25, 2.0, H)[None, :, None]
    draw = generator(8)
    for _ in range(150):
        sign = torch.randint(2, (64, 1, 1), generator=draw) * 2.0 - 1.0
        action = (sign * ramp).expand(-1, -1, D)
        velocity = partial(head.velocity, memory=head.prepare(context))
        loss = training_loss("flow", velocity, action, Schedule(), 2, draw, prefix=3)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        flow = head.flow(head.prepare(Context(torch.zeros(1, 1, 16))))
        noise = torch.zeros(1, 1, H, D)
        for sign in (-1.0, 1.0):
            given = (sign * ramp[:, :2]).expand(-1, -1, D)
            chunk = euler(continued(flow, given), noise, 1)
            assert torch.allclose(chunk[0, 0, :2], given[0])
            assert (sign * chunk[0, 0, 2:] > 0.5 * ramp[0, 2:]).all()
        assert euler(flow, noise, 1)[0, 0, -1].abs().max() < 0.8
