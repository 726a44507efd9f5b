# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.policy.calibration import Calibration
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
    return [decoder.decode(lambda x, tau: 0.5 * x, 2, 3, 4, CPU).chunk for _ in range(2)]


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
    mean = decoder.decode(lambda x, tau: 0.5 * x, 2, 3, 4, CPU).chunk
    assert torch.allclose(mean, 0.5 * starts.mean(1))


def test_auto_without_a_threshold_says_what_to_do_and_every_fault_is_listed():
    with pytest.raises(ConfigError, match=r"(?s)'auto'.*check FOLDER --calibrate.*noise.*seed"):
        Decoding(steps="auto", noise="loud", seed=-1)


@pytest.mark.parametrize("steps", [0, -1, 101, 1.5, True, None, "two"])
def test_bad_step_counts_are_refused(steps):
    with pytest.raises(ConfigError, match="whole number"):
        Decoding(steps=steps)


class TwoModes:
    """A perfect head: the first condition has one right chunk, 1, the second two, -1 and 1."""

    def __init__(self):
        self.calls = 0

    def __call__(self, x, tau):
        self.calls += 1
        tau = tau[..., None, None]
        lean = ((1.0 - tau) * x / tau.square()).sum((-2, -1), keepdim=True)
        chunk = torch.tanh(lean)  # E[a | x] of the two: log odds 2 (1 - tau) sum(x) / tau^2
        chunk[0] = 1.0
        return (x - chunk) / tau


def auto(threshold=0.5, **options):
    calibration = Calibration(threshold, threshold / 2, 0.95, 100)
    return Decoder(Decoding("auto", calibration=calibration, **options))


def test_auto_takes_one_step_where_one_chunk_is_right_and_ten_where_two_are():
    head = TwoModes()
    found = auto().decode(head, 2, 3, 4, CPU)
    assert found.steps.tolist() == [1, 10]
    assert found.evaluations.tolist() == [2, 12]
    assert found.ambiguity.tolist() == pytest.approx([0.0, 1.0], abs=0.2)
    assert torch.allclose(found.chunk.abs(), torch.ones(2, 3, 4), atol=1e-3)
    assert head.calls == 12


def test_auto_stops_after_two_evaluations_when_nothing_is_ambiguous():
    head = TwoModes()
    found = auto(threshold=2.0).decode(head, 2, 3, 4, CPU)
    assert head.calls == 2
    assert found.steps.tolist() == [1, 1]
    zero = Decoder(Decoding()).decode(TwoModes(), 2, 3, 4, CPU)
    assert torch.equal(found.chunk, zero.chunk)
    assert torch.allclose(found.chunk[1], torch.zeros(3, 4))  # the mean of both


def test_auto_chooses_anew_at_every_call_and_again_with_its_seed():
    def chosen(noise):
        decoder = auto(noise=noise, seed=3)
        return [float(decoder.decode(TwoModes(), 2, 3, 4, CPU).chunk[1].mean()) for _ in range(9)]

    assert chosen("zero") == chosen("sampled")  # zero noise would end between the two
    assert {round(x) for x in chosen("zero")} == {-1, 1}
    assert len({round(x) for x in chosen("seeded")}) == 1


@pytest.mark.parametrize(
    ("steps", "noise", "calls"), [(1, "zero", 2), (1, "sampled", 3), (10, "zero", 12)]
)
def test_measuring_costs_what_it_says_and_changes_no_bit(steps, noise, calls):
    decoding, head = Decoding(steps, noise), TwoModes()
    plain = Decoder(decoding).decode(TwoModes(), 2, 3, 4, CPU)
    measured = Decoder(decoding, is_measured=True).decode(head, 2, 3, 4, CPU)
    assert torch.equal(plain.chunk, measured.chunk)
    assert plain.ambiguity is None
    assert plain.evaluations.tolist() == [steps] * 2
    assert head.calls == calls
    assert measured.evaluations.tolist() == [calls] * 2
    assert measured.steps.tolist() == [steps] * 2
    assert torch.equal(measured.ambiguity, auto().decode(TwoModes(), 2, 3, 4, CPU).ambiguity)


def test_calibration_is_the_quantile_of_the_gaps():
    found = Calibration.fit(np.arange(101) / 100.0)
    assert (found.threshold, found.median) == pytest.approx((0.95, 0.5))
    assert (found.quantile, found.frames) == (0.95, 101)
    assert Calibration.fit(np.arange(101) / 100.0, 0.7).threshold == pytest.approx(0.7)
