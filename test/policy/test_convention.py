# SPDX-License-Identifier: Apache-2.0
"""Each convention against its project's sampling loop, written here from the facts again."""

from __future__ import annotations

import pytest
import torch
import transformers

from onestep_vla_ros.policy.convention import (
    GROOT_N15,
    GROOT_N16,
    GROOT_N17,
    LEROBOT_PI0,
    OPENPI,
    PAPER,
    SMOLVLA,
    TRANSFORMERS_PI0,
    X_VLA,
    Convention,
)
from onestep_vla_ros.policy.decoder import MAX_STEPS, euler
from onestep_vla_ros.policy.objective import clean_action, interpolate, target_velocity
from onestep_vla_ros.policy.schedule import Schedule

DOUBLE = torch.float64
ROWS, HORIZON, DOF = 3, 5, 4


def random_network(seed):
    """A smooth f(x, t) that feels every entry of x and every change of t."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(shape, generator=generator, dtype=DOUBLE)  # noqa: E731
    first, second, bias = 0.3 * draw(HORIZON * DOF, 32), 0.3 * draw(32, HORIZON * DOF), draw(32)

    def network(x, t):
        phase = 7.0 * t.to(DOUBLE).unsqueeze(1)
        hidden = torch.tanh(x.flatten(1) @ first + bias * phase.cos() + phase.sin())
        return (hidden @ second).view_as(x)

    return network


def of_buckets(network):
    """The same network where time comes as one of 1000 whole numbers."""

    def bucketed(x, t):
        assert t.dtype == torch.int64
        return network(x, t / 1000.0)

    return bucketed


def start_noise(seed=9):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((ROWS, HORIZON, DOF), generator=generator, dtype=DOUBLE)


def openpi_loop(network, x, steps):
    """openpi: t falls from 1, summed up in steps of −1/K until half a step is left."""
    dt, time = -1.0 / steps, 1.0
    while time >= -dt / 2:
        x = x + dt * network(x, torch.full((len(x),), time, dtype=DOUBLE))
        time += dt
    return x


def lerobot_loop(network, x, steps):
    """LeRobot pi0 and SmolVLA: t = 1 + i·dt, in single precision."""
    dt = -1.0 / steps
    for i in range(steps):
        x = x + dt * network(x, torch.tensor(1.0 + i * dt).expand(len(x)))
    return x


def groot_loop(network, x, steps):
    """GR00T N1.5 to N1.7: t rises from 0 and reaches the network as a whole number."""
    for i in range(steps):
        bucket = int(i / float(steps) * 1000)
        x = x + 1.0 / steps * network(x, torch.full((len(x),), bucket))
    return x


def x_vla_loop(network, noise, steps):
    """X-VLA: mix the last predicted action with the first noise, predict the action again."""
    action = torch.zeros_like(noise)
    for i in range(steps, 0, -1):
        t = i / steps
        x = noise * t + action * (1 - t)
        action = network(x, torch.full((len(x),), t, dtype=DOUBLE))
    return action


def paper_loop(network, x, steps):
    """The paper: t rises from 0, the velocity leads to the action."""
    for i in range(steps):
        x = x + 1.0 / steps * network(x, torch.full((len(x),), i / steps, dtype=DOUBLE))
    return x


PROJECTS = {
    "openpi": (OPENPI, openpi_loop),
    "lerobot pi0": (LEROBOT_PI0, lerobot_loop),
    "smolvla": (SMOLVLA, lerobot_loop),
    "transformers pi0": (TRANSFORMERS_PI0, lerobot_loop),
    "gr00t n1.5": (GROOT_N15, groot_loop),
    "gr00t n1.6": (GROOT_N16, groot_loop),
    "gr00t n1.7": (GROOT_N17, groot_loop),
    "x-vla": (X_VLA, x_vla_loop),
    "paper": (PAPER, paper_loop),
}


def _network(convention: Convention, seed):
    return of_buckets(random_network(seed)) if convention.buckets else random_network(seed)


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
@pytest.mark.parametrize("project", PROJECTS)
def test_our_euler_gives_the_chunk_of_the_projects_own_sampler(project, steps):
    convention, loop = PROJECTS[project]
    for seed in range(3):
        network, noise = _network(convention, seed), start_noise(seed)
        ours = convention.sampler(network, noise.unsqueeze(1), steps)
        chunk = euler(ours, noise.unsqueeze(1), steps).squeeze(1)
        theirs = loop(network, noise, steps)
        assert (chunk - theirs).abs().max() < 1e-6
        assert (theirs - noise).abs().max() > 0.1


@pytest.mark.parametrize("project", PROJECTS)
def test_the_velocity_alone_is_the_sampler_but_for_x_vla_from_three_steps_on(project):
    convention, loop = PROJECTS[project]
    network, noise = _network(convention, 0), start_noise()
    for steps in (1, 2, 3, 10):
        chunk = euler(convention.velocity(network), noise.unsqueeze(1), steps).squeeze(1)
        is_equal = bool((chunk - loop(network, noise, steps)).abs().max() < 1e-6)
        assert is_equal is (steps < 3 or not convention.is_renoised)


def test_draws_and_conditions_keep_their_rows():
    noise = torch.stack([start_noise(s) for s in (0, 1)], dim=1)  # (B, 2, H, D)
    network = random_network(0)
    both = euler(PAPER.velocity(network), noise, 4)
    for n in (0, 1):
        alone = euler(PAPER.velocity(network), noise[:, n : n + 1], 4)
        assert torch.allclose(both[:, n : n + 1], alone)


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_every_step_count_meets_the_bucket_of_groots_own_loop(dtype):
    for steps in range(1, MAX_STEPS + 1):
        tau = torch.tensor([1.0 - i / steps for i in range(steps)], dtype=dtype)
        theirs = [int(i / float(steps) * 1000) for i in range(steps)]
        assert GROOT_N15.time(tau).tolist() == theirs


def test_gr00t_n15_times_below_zero_share_the_first_bucket():
    tau = GROOT_N15.level(torch.tensor([-0.0005, 0.0, 0.9995]))
    assert GROOT_N15.time(tau).tolist() == [0, 0, 999]


@pytest.mark.parametrize("project", PROJECTS)
def test_what_a_project_trains_on_becomes_our_interpolant_and_velocity(project):
    convention, _ = PROJECTS[project]
    generator = torch.Generator().manual_seed(0)
    action, noise = torch.randn((2, ROWS, HORIZON, DOF), generator=generator, dtype=DOUBLE)
    t = 0.05 + 0.9 * torch.rand(ROWS, generator=generator, dtype=DOUBLE)
    clean_at = 1 - convention.noise_at
    share = (t if clean_at == 1 else 1 - t)[:, None, None]  # of the action in x
    x = (1 - share) * noise + share * action
    target = {
        "noise - action": noise - action,
        "action - noise": action - noise,
        "action": action,
    }[convention.says]

    tau = convention.level(t)
    assert torch.allclose(interpolate(action, noise, tau), x)
    velocity = convention.velocity(lambda _, told: target)(x.unsqueeze(1), tau.unsqueeze(1))
    assert torch.allclose(velocity.squeeze(1), target_velocity(action, noise))
    assert torch.allclose(clean_action(x, velocity.squeeze(1), tau), action)


@pytest.mark.parametrize(
    ("convention", "time"),
    [
        (OPENPI, lambda beta: beta * 0.999 + 0.001),
        (GROOT_N16, lambda beta: (1 - beta) * 0.999),
    ],
    ids=["openpi", "gr00t n1.6"],
)
def test_openpi_and_gr00t_n16_train_on_our_beta_base(convention, time):
    torch.manual_seed(0)  # distributions take no generator
    level = convention.level(time(torch.distributions.Beta(1.5, 1.0).sample((200_000,))))
    share = torch.linspace(0.05, 0.95, 19)
    below = (level < Schedule("beta", 1.0).quantile(share).unsqueeze(1)).float().mean(1)
    assert torch.allclose(below, share, atol=5e-3)
    assert level.min() >= 0.001
    assert level.max() <= 1.0


def test_gr00t_n15_trains_on_levels_a_thousandth_above_one():
    level = GROOT_N15.level((0.999 - torch.tensor([0.0, 0.5, 1.0], dtype=DOUBLE)) / 0.999)
    assert level.tolist() == pytest.approx([0.0, 0.5 / 0.999, 1 / 0.999])


def test_the_shift_of_the_paper_is_ours():
    u = torch.linspace(0, 1, 11, dtype=DOUBLE)
    paper = u / (1 + 3 * (1 - u))
    assert torch.allclose(PAPER.level(paper), Schedule("uniform", 4.0).quantile(1 - u))


@pytest.fixture(scope="module")
def pi0():
    """The pi0 of transformers, tiny and random, and a scene of two rows for it."""
    gemma = {
        "model_type": "gemma",
        "vocab_size": 64,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
    }
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "patch_size": 8,
        "image_size": 16,
        "vision_use_head": False,
    }
    config = transformers.PI0Config(
        vlm_config={
            "model_type": "paligemma",
            "image_token_id": 63,
            "projection_dim": 16,
            "text_config": gemma,
            "vision_config": vision,
        },
        dit_config=gemma,
        chunk_size=HORIZON,
        max_state_dim=DOF,
        max_action_dim=DOF,
    )
    torch.manual_seed(0)
    model = transformers.PI0ForConditionalGeneration(config).eval().double()
    words = torch.randint(0, 60, (2, 3))
    ids = torch.cat([torch.full((2, 4), 63), words], dim=1)  # four patches, then words
    scene = {
        "state": torch.randn(2, DOF, dtype=DOUBLE),
        "input_ids": ids,
        "pixel_values": torch.randn(2, 1, 3, 16, 16, dtype=DOUBLE),
        "attention_mask": torch.ones_like(ids),
        "pixel_attention_mask": torch.ones(2, 1, dtype=torch.bool),
    }
    return model, scene


@pytest.mark.skipif(not hasattr(transformers, "PI0Config"), reason="transformers has no PI0")
@pytest.mark.parametrize("steps", [1, 10])
def test_pi0_of_transformers_decodes_the_same_with_our_euler(pi0, steps):
    model, scene = pi0
    noise = torch.randn(2, HORIZON, DOF, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    theirs = model.sample_actions(**scene, noise=noise, num_steps=steps)

    @torch.no_grad()
    def network(x, t):
        return model(**scene, noise=x, timestep=t).logits

    ours = euler(TRANSFORMERS_PI0.velocity(network), noise.unsqueeze(1), steps).squeeze(1)
    assert (ours - theirs).abs().max() < 1e-6
    assert (theirs - noise).abs().max() > 0.05
