# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.policy.decoder import Decoder, Decoding, euler

CPU = torch.device("cpu")


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 10, 37])
def test_true_velocity_recovers_the_action_for_any_number_of_steps(steps):
    generator = torch.Generator().manual_seed(0)
    action = torch.randn((2, 1, 5, 3), generator=generator, dtype=torch.float64)
    noise = torch.randn((2, 4, 5, 3), generator=generator, dtype=torch.float64)

    def oracle(x, tau):
        return (x - action) / tau[..., None, None].double()

    assert torch.allclose(euler(oracle, noise, steps), action.expand_as(noise), atol=1e-6)


def test_one_step_is_noise_minus_velocity_at_pure_noise():
    noise = torch.randn((2, 1, 5, 3), generator=torch.Generator().manual_seed(0))
    seen = []

    def velocity(x, tau):
        seen.append(tau)
        return x.sin()

    assert torch.equal(euler(velocity, noise, 1), noise - noise.sin())
    assert torch.equal(seen[0], torch.ones(2, 1))


def test_noise_levels_step_down_from_one():
    seen = []
    euler(lambda x, tau: seen.append(float(tau[0, 0])) or x, torch.zeros(1, 1, 2, 2), 4)
    assert seen == pytest.approx([1.0, 0.75, 0.5, 0.25])


def _twice(noise):
    decoder = Decoder(Decoding(steps=1, noise=noise, seed=4))
    return [decoder.decode(lambda x, tau: 0.5 * x, 2, 3, 4, CPU) for _ in range(2)]


@pytest.mark.parametrize("noise", ["zero", "seeded", "mean_k"])
def test_repeatable_noise_gives_the_same_chunk_every_call(noise):
    assert torch.equal(*_twice(noise))


def test_sampled_noise_differs_between_calls_and_repeats_with_the_seed():
    first, second = _twice("sampled"), _twice("sampled")
    assert not torch.equal(*first)
    assert torch.equal(first[1], second[1])


def test_mean_k_averages_four_draws():
    decoder = Decoder(Decoding(noise="mean_k", seed=1))
    starts = decoder.start(2, 3, 4)
    assert starts.shape == (2, 4, 3, 4)
    mean = decoder.decode(lambda x, tau: 0.5 * x, 2, 3, 4, CPU)
    assert torch.allclose(mean, 0.5 * starts.mean(1))


def test_auto_is_refused_for_now_and_every_fault_is_listed():
    with pytest.raises(ConfigError, match=r"(?s)auto.*not offered.*noise.*seed"):
        Decoding(steps="auto", noise="loud", seed=-1)


@pytest.mark.parametrize("steps", [0, -1, 101, 1.5, True, None])
def test_bad_step_counts_are_refused(steps):
    with pytest.raises(ConfigError, match="whole number"):
        Decoding(steps=steps)
