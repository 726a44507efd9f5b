# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.policy.schedule import Schedule, shift

ALPHAS = (1.0, 3.0, 4.0, 8.0)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_median_of_shifted_uniform_is_alpha_over_one_plus_alpha(alpha):
    tau = Schedule("uniform", alpha).sample((200_000,), torch.Generator().manual_seed(0))
    assert tau.median() == pytest.approx(alpha / (1 + alpha), abs=5e-3)


def _mean_of_shifted_uniform(alpha):
    """∫ α·u / (1 + (α − 1)·u) du over 0..1."""
    b = alpha - 1.0
    return 0.5 if b == 0.0 else alpha / b * (1.0 - math.log(alpha) / b)


def _cumulative(base, alpha, tau):
    """Share of levels below τ: undo the shift, then the base."""
    u = tau / (alpha - (alpha - 1.0) * tau)
    return u if base == "uniform" else ((u - 0.001) / 0.999).clamp(min=0.0) ** 1.5


@pytest.mark.parametrize("alpha", ALPHAS)
def test_mean_of_shifted_uniform_is_its_closed_form(alpha):
    tau = Schedule("uniform", alpha).sample((400_000,), torch.Generator().manual_seed(0))
    assert tau.mean() == pytest.approx(_mean_of_shifted_uniform(alpha), abs=2e-3)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_mean_of_shifted_beta_is_the_integral_over_its_density(alpha):
    tau = Schedule("beta", alpha).sample((400_000,), torch.Generator().manual_seed(0))
    x = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    density = 1.5 * x.sqrt()
    integral = float((shift(0.999 * x + 0.001, alpha) * density).mean())
    assert tau.mean() == pytest.approx(integral, abs=2e-3)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("base", ["uniform", "beta"])
def test_shares_of_samples_below_each_quantile_are_as_named(base, alpha):
    schedule = Schedule(base, alpha)
    tau = schedule.sample((200_000,), torch.Generator().manual_seed(0))
    share = torch.linspace(0.05, 0.95, 19)
    below = (tau < schedule.quantile(share).unsqueeze(1)).float().mean(1)
    assert torch.allclose(below, share, atol=5e-3)


@settings(deadline=None)
@given(st.sampled_from(["uniform", "beta"]), st.sampled_from(ALPHAS), st.floats(0.0, 1.0))
def test_quantile_is_the_inverse_of_the_cumulative(base, alpha, share):
    share = torch.tensor(share, dtype=torch.float64)
    tau = Schedule(base, alpha).quantile(share)
    assert float(_cumulative(base, alpha, tau)) == pytest.approx(float(share), abs=1e-9)


@settings(deadline=None)
@given(
    st.sampled_from(["uniform", "beta", "pure_noise"]),
    st.sampled_from(ALPHAS),
    st.lists(st.floats(0.0, 1.0), min_size=2, max_size=8),
)
def test_quantiles_rise_stay_in_range_and_a_shift_only_raises_them(base, alpha, shares):
    share = torch.tensor(sorted(shares), dtype=torch.float64)
    tau = Schedule(base, alpha).quantile(share)
    assert (tau.diff() >= 0).all()
    assert tau.min() >= 0.0
    assert tau.max() <= 1.0
    assert (tau >= Schedule(base, 1.0).quantile(share)).all()


@settings(deadline=None)
@given(st.floats(0.0, 1.0), st.floats(1.0, 10.0), st.floats(1.0, 10.0))
def test_two_shifts_are_one_by_the_product(u, first, second):
    u = torch.tensor(u, dtype=torch.float64)
    twice = shift(shift(u, first), second)
    assert float(twice) == pytest.approx(float(shift(u, first * second)), abs=1e-12)


def test_beta_base_has_the_moments_of_beta_one_and_a_half():
    tau = Schedule("beta", 1.0).sample((400_000,), torch.Generator().manual_seed(0))
    raw = (tau - 0.001) / 0.999
    assert raw.mean() == pytest.approx(1.5 / 2.5, abs=2e-3)
    assert raw.var() == pytest.approx(1.5 / (2.5**2 * 3.5), abs=2e-3)


@settings(deadline=None)
@given(st.floats(0.0, 1.0), st.sampled_from(ALPHAS))
def test_shift_equals_the_papers_form_when_time_runs_the_other_way(u, alpha):
    paper_t = u / (1 + (alpha - 1) * (1 - u))  # the paper: t = 0 is noise
    ours = float(shift(torch.tensor(1 - u, dtype=torch.float64), alpha))
    assert ours == pytest.approx(1 - paper_t, abs=1e-12)


@settings(deadline=None)
@given(st.sampled_from(ALPHAS))
def test_shift_keeps_both_ends(alpha):
    assert shift(torch.tensor([0.0, 1.0]), alpha).tolist() == [0.0, 1.0]


def test_samples_repeat_with_the_seed_and_stay_in_range():
    draw = [Schedule().sample((64, 3), torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(*draw)
    assert draw[0].min() >= 0
    assert draw[0].max() <= 1


@pytest.mark.parametrize(("base", "alpha"), [("normal", 4.0), ("uniform", 0.5)])
def test_unknown_base_and_small_alpha_are_refused(base, alpha):
    with pytest.raises(ConfigError, match="allowed"):
        Schedule(base, alpha)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(ConfigError, match="zero noise"):
        Schedule(zero_share=share)


def test_a_share_of_the_draws_is_without_noise():
    generator = torch.Generator().manual_seed(0)
    found = Schedule(zero_share=0.25).without_noise((20_000,), generator)
    assert found.float().mean() == pytest.approx(0.25, abs=0.012)  # four standard deviations
    assert Schedule(zero_share=1.0).without_noise((100,), generator).all()
    before = generator.get_state()
    assert Schedule().without_noise((7, 2), generator) is None
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_pure_noise_is_the_last_level_alone(alpha):
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert (Schedule("pure_noise", alpha).sample((7, 2), generator) == 1.0).all()
    assert torch.equal(generator.get_state(), before)
