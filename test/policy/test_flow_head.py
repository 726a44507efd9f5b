# SPDX-License-Identifier: Apache-2.0
from functools import partial

import pytest
import torch

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.policy.decoder import euler
from onestep_vla_ros.policy.encoder import Context
from onestep_vla_ros.policy.flow_head import FlowHead, HeadConfig
from onestep_vla_ros.policy.objective import OBJECTIVES, training_loss
from onestep_vla_ros.policy.schedule import Schedule

SIZES = {
    "horizon": 6,
    "dof": 4,
    "width": 32,
    "layers": 3,
    "heads": 4,
    "mlp": 40,
    "objective": "flow",
    "prefix": 0,
}


def _head(**changes):
    torch.manual_seed(0)
    head = FlowHead(HeadConfig(**SIZES | changes), context_width=20).double()
    torch.nn.init.normal_(head.out.weight)
    return head


def _inputs(batch=2, draws=3, tokens=7):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn((batch, draws, 6, 4), generator=generator, dtype=torch.float64)
    tau = torch.rand((batch, draws), generator=generator, dtype=torch.float64)
    context = torch.randn((batch, tokens, 20), generator=generator, dtype=torch.float64)
    return x, tau, Context(context)


def _run(head, x, tau, context):
    return head(x, tau, head.prepare(context)).double()


def _plain_reference(head, x, tau, context):
    """One masked attention over [condition; action] for one draw at a time: no reuse."""
    batch, draws, horizon, _ = x.shape
    out = []
    for n in range(draws):
        c = head.context_in(context.tokens)
        count = c.shape[1]
        from_time = head.time_in(_time(tau[:, n]))
        time = head.time_out(torch.nn.functional.silu(from_time))
        h = torch.cat([c, head.action_in(x[:, n]) + head.position + time[:, None]], dim=1)
        blocked = torch.zeros(count + horizon, count + horizon, dtype=torch.bool)
        blocked[:count, count:] = True
        for block in head.blocks:
            q, k, v = block._project(h)
            scores = (q @ k.transpose(-1, -2)).masked_fill(blocked, -torch.inf)
            h = block._finish(h, scores.softmax(-1) @ v)
        out.append(head.out(head.norm(h[:, count:])) + x[:, n])
    return torch.stack(out, 1)


def _time(tau):
    from onestep_vla_ros.policy.flow_head import time_features

    return time_features(tau.float()).double()


def test_reused_keys_equal_recomputation_with_one_masked_attention():
    head = _head()
    x, tau, context = _inputs()
    tau = tau.float().double()
    expected = _plain_reference(head, x, tau, context)
    assert torch.allclose(_run(head, x, tau, context), expected, atol=1e-5)


def test_condition_does_not_see_actions():
    head = _head()
    x, tau, context = _inputs()
    memory = head.prepare(context)
    before = [k.clone() for k in memory.keys]
    first = head(x, tau, memory)
    head(torch.randn_like(x), tau, memory)
    assert all(torch.equal(a, b) for a, b in zip(before, memory.keys, strict=True))
    assert torch.equal(head(x, tau, memory), first)


def test_draws_do_not_see_each_other():
    head = _head()
    x, tau, context = _inputs()
    changed = x.clone()
    changed[:, 1] += 5.0
    a, b = _run(head, x, tau, context), _run(head, changed, tau, context)
    assert torch.allclose(a[:, [0, 2]], b[:, [0, 2]])
    assert not torch.allclose(a[:, 1], b[:, 1])


def test_padding_tokens_change_nothing():
    head = _head()
    x, tau, context = _inputs()
    padded = torch.cat([context.tokens, 9.0 * torch.ones(2, 3, 20, dtype=torch.float64)], dim=1)
    mask = torch.arange(10).expand(2, 10) < 7
    assert torch.allclose(
        _run(head, x, tau, context), _run(head, x, tau, Context(padded, mask)), atol=1e-6
    )


def test_new_head_answers_with_its_input_so_the_action_is_zero():
    head = FlowHead(HeadConfig(**SIZES), 20)
    x, tau, context = _inputs()
    context = Context(context.tokens.float())
    x = x.float()
    assert torch.equal(head(x, tau.float(), head.prepare(context)), x)


def test_width_that_heads_do_not_divide_is_refused_with_every_other_fault():
    with pytest.raises(ConfigError, match=r"(?s)layers.*width"):
        from_mapping(HeadConfig, {**SIZES, "layers": 0, "heads": 5})


def _float_inputs():
    noise, _, context = _inputs()
    return noise.float(), Context(context.tokens.float())


@pytest.mark.parametrize("steps", [1, 2, 5, 10])
@pytest.mark.parametrize("objective", OBJECTIVES[1:])
def test_what_is_not_flow_decodes_the_same_chunk_for_any_steps_and_noise(objective, steps):
    head = _head(objective=objective).float()
    noise, context = _float_inputs()
    flow = head.flow(head.prepare(context))
    one = euler(flow, torch.zeros_like(noise), 1)
    assert one.abs().max() > 0.1
    assert torch.allclose(euler(flow, noise, steps), one, atol=1e-5)


@pytest.mark.parametrize(
    ("objective", "evaluations"),
    [("flow", 5), ("regression", 1), ("learned_start", 1), ("mip", 2)],
)
def test_decoding_in_five_steps_asks_the_layers_no_more_often_than_needed(objective, evaluations):
    head = _head(objective=objective).float()
    noise, context = _float_inputs()
    memory = head.prepare(context)
    calls = []
    head.out.register_forward_hook(lambda *_: calls.append(1))
    euler(head.flow(memory), noise, 5)
    assert len(calls) == evaluations


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_head_itself_answers_every_level_as_its_flow_does(objective):
    head = _head(objective=objective).float()
    noise, context = _float_inputs()
    memory = head.prepare(context)
    tau = torch.rand(noise.shape[:2], generator=torch.Generator().manual_seed(3)) + 0.1
    assert torch.equal(head(noise, tau, memory), head.flow(memory)(noise, tau))


def test_flow_decodes_what_it_was_trained_to_say():
    head = _head().float()
    noise, context = _float_inputs()
    memory = head.prepare(context)
    trained = euler(partial(head.velocity, memory=memory), noise, 3)
    assert torch.equal(euler(head.flow(memory), noise, 3), trained)


def test_mip_decodes_its_second_step_from_its_first():
    head = _head(objective="mip").float()
    noise, context = _float_inputs()
    memory = head.prepare(context)
    zero, one = torch.zeros(2, 1, 6, 4), torch.ones(2, 1)
    first = -head.velocity(zero, one, memory)
    x = 0.9 * first
    second = x - 0.1 * head.velocity(x, 0.1 * one, memory)
    assert not torch.allclose(first, second, atol=1e-2)
    assert torch.allclose(euler(head.flow(memory), noise, 1), second, atol=1e-5)


def test_only_a_learned_start_is_a_weight_and_it_learns():
    assert "start" not in _head().state_dict()
    head = _head(objective="learned_start").float()
    assert head.state_dict()["start"].shape == (6, 4)
    _, context = _float_inputs()
    memory = head.prepare(context)
    action = torch.ones(2, 6, 4)
    velocity = partial(head.velocity, memory=memory)
    training_loss("learned_start", velocity, action, Schedule(), 1).backward()
    assert head.start.grad.abs().min() > 0.0


def test_other_objectives_start_from_the_weights_of_flow():
    flow = _head().state_dict()
    for objective in OBJECTIVES[1:]:
        other = _head(objective=objective).state_dict()
        same = {k for k in flow if k != "out.weight"}  # drawn by _head after the start
        assert all(torch.equal(flow[k], other[k]) for k in same)
