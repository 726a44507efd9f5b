# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.policy.decoder import euler
from onestep_vla_ros.policy.objective import (
    MIP_LEVEL,
    OBJECTIVES,
    clean_action,
    decodable,
    interpolate,
    regression_loss,
    target_velocity,
    training_loss,
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


DOUBLE = torch.float64
MEAN, SPREAD = 0.7, 0.4
"""Of the Gaussian actions of the toys below."""


def _actions(values=None, count=4000):
    """Chunks (B, 1, 1): drawn from N(MEAN, SPREAD²), or `values` over and over."""
    if values is not None:
        return torch.tensor(values, dtype=DOUBLE).repeat(count // len(values)).view(-1, 1, 1)
    generator = torch.Generator().manual_seed(0)
    draw = torch.randn((count, 1, 1), generator=generator, dtype=DOUBLE)
    return MEAN + SPREAD * (draw - draw.mean()) / draw.std(correction=0)


def _regressor(weights):
    """â = w·x + b, a pair for each of the levels 1 and below: the smallest two-step network."""

    def velocity(x, tau):
        t = tau[..., None, None]
        first, second = (weights[i, 0] * x + weights[i, 1] for i in (0, 1))
        return (x - torch.where(t == 1.0, first, second)) / t

    return velocity


def _optimum(loss, size):
    """The weights of a loss that is quadratic in them: one Newton step from zero."""
    zero = torch.zeros(size, dtype=DOUBLE)
    slope = torch.autograd.functional.jacobian(loss, zero).flatten()
    bend = torch.autograd.functional.hessian(loss, zero).view(zero.numel(), -1)
    return -(torch.linalg.pinv(bend) @ slope).view(size)


def _loss(objective, velocity, action, **more):
    generator = torch.Generator().manual_seed(1)
    return training_loss(objective, velocity, action, Schedule("pure_noise"), 8, generator, **more)


def test_flow_at_pure_noise_is_best_at_the_mean_and_forgets_the_noise():
    action = _actions()

    def affine(weights):
        return lambda x, tau: weights[0] * x + weights[1]

    slope, offset = _optimum(lambda w: _loss("flow", affine(w), action), (2,)).tolist()
    assert slope == pytest.approx(1.0, abs=1e-2)
    assert offset == pytest.approx(-MEAN, abs=1e-2)


def _gaussian_velocity(x, tau):
    """E[ε − a | x_τ = x] for a ~ N(MEAN, SPREAD²): ε and a are Gaussian given x."""
    t = tau[..., None, None]
    variance = t**2 + (1.0 - t) ** 2 * SPREAD**2
    return (t - (1.0 - t) * SPREAD**2) / variance * (x - (1.0 - t) * MEAN) - MEAN


@pytest.mark.parametrize("base", ["uniform", "beta"])
def test_flow_is_best_at_the_conditional_mean_of_the_velocity(base):
    offset = torch.zeros(2, dtype=DOUBLE, requires_grad=True)
    velocity = lambda x, tau: _gaussian_velocity(x, tau) + offset[0] * x + offset[1]  # noqa: E731
    generator = torch.Generator().manual_seed(0)
    training_loss("flow", velocity, _actions(), Schedule(base, 4.0), 64, generator).backward()
    assert offset.grad.abs().max() < 1e-2


def test_flow_in_one_step_is_the_mean_and_in_many_the_distribution():
    noise = torch.randn((4000, 1, 1, 1), generator=torch.Generator().manual_seed(0), dtype=DOUBLE)
    assert torch.allclose(euler(_gaussian_velocity, noise, 1), torch.full_like(noise, MEAN))
    many = euler(_gaussian_velocity, noise, 100)
    assert many.mean() == pytest.approx(MEAN, abs=2e-2)
    assert many.std() == pytest.approx(SPREAD, abs=2e-2)


def test_regression_is_best_at_the_mean():
    action = _actions([0.0, 0.0, 3.0, 5.0])
    weights = _optimum(lambda w: _loss("regression", _regressor(w), action), (2, 2))
    assert weights[0, 1] == pytest.approx(2.0)


def test_l1_is_best_at_the_median():
    action = _actions([0.0, 1.0, 5.0])

    def loss(chunk):
        weights = torch.tensor([[0.0, chunk], [0.0, 0.0]], dtype=DOUBLE)
        return float(_loss("l1", _regressor(weights), action))

    assert loss(1.0) == pytest.approx(5.0 / 3.0)
    assert all(loss(1.0 + d) == pytest.approx(5.0 / 3.0 + abs(d) / 3.0) for d in (-0.5, 0.5))


def test_learned_start_reaches_the_mean_by_its_start_alone():
    action = _actions([0.0, 0.0, 3.0, 5.0])

    def loss(start):
        chunk = 0.5 * start + 0.25  # a fixed network that sees the start in place of x
        return _loss("learned_start", lambda x, tau: (x - chunk) / tau[..., None, None], action)

    assert float(_optimum(loss, ())) == pytest.approx((2.0 - 0.25) / 0.5)


def test_mip_is_best_at_the_mean_and_then_at_the_denoised_action():
    action = _actions()
    weights = _optimum(lambda w: _loss("mip", _regressor(w), action), (2, 2))
    t = MIP_LEVEL
    slope = (1 - t) * SPREAD**2 / (t**2 + (1 - t) ** 2 * SPREAD**2)
    assert weights[0, 1] == pytest.approx(MEAN)
    assert weights[1, 0] == pytest.approx(slope, abs=5e-3)
    assert weights[1, 1] == pytest.approx(MEAN * (1 - slope * (1 - t)), abs=5e-3)


def test_mip_weighs_both_steps_as_velocities():
    action = torch.ones(3, 2, 1, dtype=DOUBLE)
    seen = []

    def silent(x, tau):
        seen.append((x, tau))
        return x / tau[..., None, None]  # â = 0 everywhere

    assert _loss("mip", silent, action) == pytest.approx(1.0 + 1.0 / 0.1**2)
    (x, tau) = seen[0]
    assert not x[:, 0].any()
    assert (tau[:, 0] == 1.0).all()
    assert torch.allclose(tau[:, 1:], torch.full((3, 8), 0.1, dtype=DOUBLE))
    assert x[:, 1:].mean() == pytest.approx(0.9, abs=0.05)
    assert x[:, 1:].std() == pytest.approx(0.1, abs=0.03)


def _counting(calls):
    """A network of everything: it depends on x and on τ, and counts how often it is asked."""

    def velocity(x, tau):
        calls.append(float(tau[0, 0]))
        t = tau[..., None, None]
        return torch.sin(3.0 * x + t) + torch.linspace(0, 1, 3, dtype=x.dtype)

    return velocity


@pytest.mark.parametrize("steps", [1, 2, 5, 10])
@pytest.mark.parametrize("objective", OBJECTIVES[1:])
def test_what_is_not_flow_decodes_the_same_for_any_steps_and_noise(objective, steps):
    zero = torch.zeros(2, 1, 5, 3, dtype=DOUBLE)
    calls = []
    chunk = euler(decodable(objective, _counting([]), zero), zero, 1)
    flow = decodable(objective, _counting(calls), zero)
    noise = torch.randn((2, 4, 5, 3), generator=torch.Generator().manual_seed(0), dtype=DOUBLE)
    assert torch.allclose(euler(flow, noise, steps), chunk.expand_as(noise), atol=1e-12)
    assert calls == pytest.approx([1.0, MIP_LEVEL] if objective == "mip" else [1.0])


def test_flow_decodes_with_one_evaluation_a_step():
    calls = []
    zero = torch.zeros(2, 1, 5, 3)
    euler(decodable("flow", _counting(calls), zero), zero, 4)
    assert calls == pytest.approx([1.0, 0.75, 0.5, 0.25])


def _linear_loss(objective, mask, weight):
    """Each output element has a weight of its own, (5, 3); τ keeps the steps apart."""
    action = torch.randn((4, 5, 3), generator=torch.Generator().manual_seed(2), dtype=DOUBLE)
    velocity = lambda x, tau: weight * (1.0 + x + tau[..., None, None])  # noqa: E731
    return _loss(objective, velocity, action, mask=mask)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_is_masked_has_no_gradient_at_all(objective):
    mask = torch.tensor([True, False, True])
    weight = torch.ones(5, 3, dtype=DOUBLE, requires_grad=True)
    _linear_loss(objective, mask, weight).backward()
    assert (weight.grad[:, ~mask] == 0.0).all()
    assert (weight.grad[:, mask] != 0.0).all()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_mask_of_everything_changes_nothing(objective):
    weight = torch.linspace(0, 1, 15, dtype=DOUBLE).view(5, 3)
    plain = _linear_loss(objective, None, weight)
    assert torch.isfinite(plain)
    for shape in ((3,), (4, 5, 3)):
        full = _linear_loss(objective, torch.ones(shape, dtype=torch.bool), weight)
        assert full == pytest.approx(float(plain), rel=1e-12)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_mask_averages_over_what_counts(objective):
    weight = torch.linspace(0, 1, 15, dtype=DOUBLE).view(5, 3)
    one = [_linear_loss(objective, torch.arange(3) == d, weight) for d in range(3)]
    two = _linear_loss(objective, torch.tensor([True, False, True]), weight)
    assert two == pytest.approx(float(one[0] + one[2]) / 2, rel=1e-12)
    every = torch.zeros(4, 5, 3, dtype=torch.bool)
    every[..., 0] = every[..., 2] = True
    assert _linear_loss(objective, every, weight) == pytest.approx(float(two), rel=1e-12)


def test_padding_that_is_not_finite_does_not_spoil_a_masked_regression():
    action = torch.zeros(2, 3, 2)
    action[..., 1] = torch.nan
    weight = torch.ones(2, requires_grad=True)
    mask = torch.tensor([True, False])
    loss = training_loss(
        "regression", lambda x, tau: weight.expand_as(x), action, Schedule(), 1, mask=mask
    )
    loss.backward()
    assert weight.grad.tolist() == [2.0, 0.0]


def test_a_mask_of_nothing_is_a_loss_of_zero():
    assert _linear_loss("flow", torch.zeros(3, dtype=torch.bool), torch.ones(5, 3)) == 0.0


@pytest.mark.parametrize("shape", [(5, 3), (4,), (4, 1, 5, 3)])
def test_a_mask_of_another_shape_is_refused(shape):
    with pytest.raises(ConfigError, match=r"mask.*allowed.*\(3,\).*\(4, 5, 3\)"):
        _linear_loss("flow", torch.ones(shape, dtype=torch.bool), torch.ones(5, 3))


def test_an_unknown_objective_is_refused_with_all_that_are_known():
    with pytest.raises(ConfigError, match="loud.*learned_start"):
        _linear_loss("loud", None, torch.ones(5, 3))


def test_training_loss_of_flow_is_the_velocity_loss_to_the_bit():
    action = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(1))
    velocity = lambda x, tau: 0.3 * x + tau[..., None, None]  # noqa: E731
    draw = lambda: torch.Generator().manual_seed(7)  # noqa: E731
    plain = velocity_loss(velocity, action, Schedule(), 4, draw())
    assert training_loss("flow", velocity, action, Schedule(), 4, draw()) == plain
    # the draws of a run that was trained before there were other objectives
    generator = draw()
    noise = torch.randn((3, 4, 5, 2), generator=generator)
    tau = Schedule().sample((3, 4), generator)
    a = action.unsqueeze(1)
    t = tau[..., None, None]
    error = velocity(t * noise + (1 - t) * a, tau) - (noise - a)
    assert error.square().mean() == plain


def test_flow_without_any_noise_is_the_regression():
    """v(0, 1) = −â, so the loss is that of the chunk which one step from zero noise gives."""
    action = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(1))
    velocity = lambda x, tau: 0.3 * x - 0.2 * tau[..., None, None]  # noqa: E731
    found = training_loss("flow", velocity, action, Schedule(zero_share=1.0), 2)
    assert found == pytest.approx(float((action - 0.2).square().mean()))
    assert found == pytest.approx(
        float(training_loss("regression", velocity, action, Schedule(), 1))
    )


def test_draws_without_noise_keep_their_given_waypoints():
    action = torch.randn(4, 5, 2, generator=torch.Generator().manual_seed(1))
    seen = []

    def velocity(x, tau):
        seen.append((x, tau))
        return torch.zeros_like(x)

    schedule = Schedule(zero_share=1.0)
    training_loss(
        "flow", velocity, action, schedule, 8, torch.Generator().manual_seed(3), prefix=4
    )
    ((x, tau),) = seen
    given = tau == 0.0
    assert 0 < given.sum() < given.numel()
    assert (tau[~given] == 1.0).all()
    assert (x[~given] == 0.0).all()
    assert torch.equal(x[given], action.unsqueeze(1).expand_as(x)[given])
