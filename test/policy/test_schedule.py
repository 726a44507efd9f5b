# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.policy.schedule import Schedule, shift

ALPHAS = (1.0, 3.0, 4.0, 8.0)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_median_of_shifted_uniform_is_alpha_over_one_plus_alpha(alpha):
    tau = Schedule("uniform", alpha).sample((200_000,), torch.Generator().manual_seed(0))
    assert tau.median() == pytest.approx(alpha / (1 + alpha), abs=5e-3)


def test_mean_of_shifted_uniform_is_the_integral():
    tau = Schedule("uniform", 4.0).sample((400_000,), torch.Generator().manual_seed(0))
    u = (torch.arange(100_000) + 0.5) / 100_000
    assert tau.mean() == pytest.approx(float(shift(u, 4.0).mean()), abs=2e-3)


def test_beta_base_has_the_moments_of_beta_one_and_a_half():
    tau = Schedule("beta", 1.0).sample((400_000,), torch.Generator().manual_seed(0))
    raw = (tau - 0.001) / 0.999
    assert raw.mean() == pytest.approx(1.5 / 2.5, abs=2e-3)
    assert raw.var() == pytest.approx(1.5 / (2.5**2 * 3.5), abs=2e-3)


@given(st.floats(0.0, 1.0), st.sampled_from(ALPHAS))
def test_shift_equals_the_papers_form_when_time_runs_the_other_way(u, alpha):
    paper_t = u / (1 + (alpha - 1) * (1 - u))  # the paper: t = 0 is noise
    ours = float(shift(torch.tensor(1 - u, dtype=torch.float64), alpha))
    assert ours == pytest.approx(1 - paper_t, abs=1e-12)


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


@pytest.mark.parametrize("alpha", ALPHAS)
def test_pure_noise_is_the_last_level_alone(alpha):
    assert (Schedule("pure_noise", alpha).sample((7, 2)) == 1.0).all()
