# SPDX-License-Identifier: Apache-2.0
import torch

from onestep_vla_ros.policy.objective import (
    clean_action,
    interpolate,
    regression_loss,
    target_velocity,
    velocity_loss,
)
from onestep_vla_ros.policy.schedule import Schedule


def _pair():
    generator = torch.Generator().manual_seed(0)
    draw = lambda: torch.randn((4, 2, 5, 3), generator=generator, dtype=torch.float64)  # noqa: E731
    return draw(), draw(), torch.rand((4, 2), generator=generator, dtype=torch.float64)


def test_interpolant_is_noise_at_one_and_action_at_zero():
    action, noise, tau = _pair()
    assert torch.equal(interpolate(action, noise, torch.ones_like(tau)), noise)
    assert torch.equal(interpolate(action, noise, torch.zeros_like(tau)), action)


def test_velocity_is_the_derivative_of_the_interpolant():
    action, noise, tau = _pair()
    slope = (interpolate(action, noise, tau + 1e-6) - interpolate(action, noise, tau)) / 1e-6
    assert torch.allclose(slope, target_velocity(action, noise), atol=1e-7)


def test_clean_action_undoes_the_interpolant():
    action, noise, tau = _pair()
    x = interpolate(action, noise, tau)
    assert torch.allclose(clean_action(x, target_velocity(action, noise), tau), action)


def test_loss_of_the_true_velocity_is_zero_and_draws_are_independent():
    action = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(1))
    seen = []

    def oracle(x, tau):
        seen.append((x, tau))
        t = tau[..., None, None]
        return (x - action.unsqueeze(1)) / t  # (x − a)/τ = ε − a

    loss = velocity_loss(oracle, action, Schedule("beta"), 4, torch.Generator().manual_seed(2))
    assert loss < 1e-8
    x, tau = seen[0]
    assert x.shape == (3, 4, 5, 2)
    assert len(tau.unique()) == 12


def test_regression_loss_is_the_square_error_of_the_one_step_chunk():
    action = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(1))
    seen = []

    def half(x, tau):
        seen.append((x, tau))
        return -0.5 * action.unsqueeze(1)  # one step from 0 gives a/2

    loss = regression_loss(half, action)
    assert torch.allclose(loss, (0.5 * action).square().mean())
    assert seen[0][0].shape == (3, 1, 5, 2)
    assert not seen[0][0].any()
    assert (seen[0][1] == 1.0).all()
