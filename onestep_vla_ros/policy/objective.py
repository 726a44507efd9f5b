# SPDX-License-Identifier: Apache-2.0
"""The training objectives: the plain velocity loss, and the regressions it has to beat.

Each of them trains a velocity v(x, τ), from which follows the clean chunk â = x − τ·v.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.policy.schedule import Schedule

OBJECTIVES: tuple[str, ...] = ("flow", "regression", "l1", "learned_start", "mip")
"""What a head can be trained for.

flow: the velocity over noise levels, the paper's loss.
regression: the clean chunk in one step from x = 0, squared error; what one step must beat.
l1: the same with absolute error, so that the optimum is the median and not the mean.
learned_start: squared error again, from a start the head learns. Where x enters the network
    through a linear layer beside a learned position, as in ours, this can express nothing that
    regression cannot.
mip: the minimal iterative policy, a regression in two steps.
"""

MIP_TIME = 0.9
"""t* of the second step of mip in its own time, in which t = 1 is the action.

Source: "Much Ado About Noising: Dispelling the Myths of Generative Robotic Control" (arXiv
2512.01809); `t_two_step` in mip/config.py of simchowitzlabpublic/much-ado-about-noising.
"""

MIP_LEVEL = 1.0 - MIP_TIME
"""The same in ours, a noise level τ."""

Velocity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""v(x, τ): x (B, N, H, D) and τ (B, N), or one a waypoint (B, N, H), to (B, N, H, D)."""


def _per_element(tau: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return tau.reshape(tau.shape + (1,) * (like.ndim - tau.ndim))


def interpolate(action: torch.Tensor, noise: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
    """Return x_τ = τ·ε + (1 − τ)·a; `tau` is broadcast over the trailing axes."""
    tau = _per_element(tau, noise)
    return tau * noise + (1.0 - tau) * action


def target_velocity(action: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Return v = ε − a, which is dx/dτ of the interpolant."""
    return noise - action


def clean_action(x: torch.Tensor, velocity: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
    """Return a = x_τ − τ·v, the action a velocity points at."""
    return x - _per_element(tau, x) * velocity


def training_loss(
    objective: str,
    velocity: Velocity,
    action: torch.Tensor,
    schedule: Schedule,
    draws: int,
    generator: torch.Generator | None = None,
    mask: torch.Tensor | None = None,
    prefix: int = 0,
) -> torch.Tensor:
    """Return the loss of `objective`, averaged over every element that counts.

    Args:
        objective: One of `OBJECTIVES`.
        velocity: The head with its condition bound; called once for all draws, so they
            share one pass of the encoder.
        action: Normalised clean chunks a, (B, H, D).
        schedule: Distribution of τ; flow alone reads it.
        draws: Number N of (ε, τ) pairs for each chunk of flow, of ε for mip.
        generator: Source of randomness, on the device of `action`; flow and mip read it.
        mask: Which elements count, bool (D,) or (B, H, D), as for actions padded to the width
            of another robot: the paper's "mask7" against its "full32". None counts all.
        prefix: Most waypoints at the start of a chunk that are given clean; see `prefix.py`.

    Returns:
        A scalar tensor.

    Raises:
        ConfigError: The objective is unknown or knows no prefix, or the mask is of another shape.
    """
    if prefix and objective != "flow":
        raise ConfigError("prefix of given waypoints", got=prefix, allowed="0 unless flow")
    if mask is not None and mask.shape not in (action.shape, action.shape[-1:]):
        allowed = [tuple(action.shape[-1:]), tuple(action.shape)]
        raise ConfigError("shape of the loss mask", got=tuple(mask.shape), allowed=allowed)
    if objective == "flow":
        return velocity_loss(velocity, action, schedule, draws, generator, mask, prefix)
    if objective in ("regression", "learned_start"):
        return regression_loss(velocity, action, mask=mask)
    if objective == "l1":
        return regression_loss(velocity, action, torch.abs, mask)
    if objective == "mip":
        return two_step_loss(velocity, action, draws, generator, mask)
    raise ConfigError("unknown objective", got=repr(objective), allowed=list(OBJECTIVES))


def velocity_loss(
    velocity: Velocity,
    action: torch.Tensor,
    schedule: Schedule,
    draws: int,
    generator: torch.Generator | None = None,
    mask: torch.Tensor | None = None,
    prefix: int = 0,
) -> torch.Tensor:
    """Return E‖v(x_τ, τ) − (ε − a)‖²; arguments as in `training_loss`."""
    batch = action.shape[0]
    action = action.unsqueeze(1)  # (B, 1, H, D)
    noise = _noise(action, draws, generator)
    tau = schedule.sample((batch, draws), generator).to(action)
    silent = schedule.without_noise((batch, draws), generator)
    if silent is not None:
        silent = silent.to(tau.device)
        noise = noise.masked_fill(_per_element(silent, noise), 0.0)
        tau = tau.masked_fill(silent, 1.0)
    if prefix:
        given = draw_given((batch, draws), action.shape[2], prefix, generator)
        tau = tau.unsqueeze(-1).masked_fill(given, 0.0)  # (B, N, H)
        mask = ~given.unsqueeze(-1) & _per_draw(mask) if mask is not None else ~given.unsqueeze(-1)
    predicted = velocity(interpolate(action, noise, tau), tau)
    return _mean(torch.square, predicted.to(action) - target_velocity(action, noise), mask)


def draw_given(
    shape: tuple[int, int], horizon: int, longest: int, generator: torch.Generator | None
) -> torch.Tensor:
    """Return which waypoints are given, (B, N, H) bool: the first d, d ~ U{0, …, longest}."""
    device = generator.device if generator is not None else None
    count = torch.randint(longest + 1, shape, generator=generator, device=device)
    return torch.arange(horizon, device=count.device) < count.unsqueeze(-1)


def regression_loss(
    velocity: Velocity,
    action: torch.Tensor,
    penalty: Callable[[torch.Tensor], torch.Tensor] = torch.square,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return E penalty(â − a) of the chunk â = −v(0, 1) that one step from no noise gives.

    The null hypothesis of one-step decoding: the same head, no noise, no level.
    Arguments as in `training_loss`.
    """
    action = action.unsqueeze(1)  # (B, 1, H, D)
    chunk = _one_step(velocity, torch.zeros_like(action))
    return _mean(penalty, chunk - action, mask)


def two_step_loss(
    velocity: Velocity,
    action: torch.Tensor,
    draws: int,
    generator: torch.Generator | None = None,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return E‖â₀ − a‖² + E‖(â₁ − a)/τ*‖², the loss of the minimal iterative policy.

    â₀ is what one step from x = 0 at τ = 1 gives, â₁ what a step from x = τ*·ε + (1 − τ*)·a
    gives, τ* = `MIP_LEVEL`: the error of the velocity at two levels, with noise at the lower
    one alone. Arguments as in `training_loss`.

    Source: as at `MIP_TIME`; x and both weights are those of `mip_origin_loss` in
    mip/losses.py, which that file calls the paper's form. Its default, `mip_loss`, does not
    shrink a in x and weighs the first term 1/0.81. The paper's own text was not at hand.
    """
    action = action.unsqueeze(1)  # (B, 1, H, D)
    noise = _noise(action, draws, generator)
    tau = action.new_ones((len(action), 1 + draws))
    tau[:, 1:] = MIP_LEVEL
    noisy = interpolate(action, noise, tau[:, 1:])
    x = torch.cat([torch.zeros_like(action), noisy], dim=1)  # (B, 1 + N, H, D)
    chunk = clean_action(x, velocity(x, tau).to(action), tau)
    error = (chunk - action) / _per_element(tau, x)
    first, second = error[:, :1], error[:, 1:]
    return _mean(torch.square, first, mask) + _mean(torch.square, second, mask)


def decodable(objective: str, velocity: Velocity, zero: torch.Tensor) -> Velocity:
    """Return what `decoder.euler` integrates for a head of `objective`.

    For flow the velocity itself. All others know one chunk â a condition, evaluated here (in
    one step, in two for mip); the straight flow (x − â)/τ takes any noise to it in any K.

    Args:
        objective: One of `OBJECTIVES`.
        velocity: The trained head with its condition bound.
        zero: Zeros, (B, 1, H, D).
    """
    if objective == "flow":
        return velocity
    chunk = _one_step(velocity, zero)
    if objective == "mip":
        tau = torch.full_like(zero[..., 0, 0], MIP_LEVEL)
        x = interpolate(chunk, zero, tau)
        chunk = clean_action(x, velocity(x, tau), tau)
    return lambda x, tau: (x - chunk) / _per_element(tau, x)


def _one_step(velocity: Velocity, zero: torch.Tensor) -> torch.Tensor:
    """Return â = 0 − v(0, 1) for `zero` (B, 1, H, D)."""
    tau = torch.ones_like(zero[..., 0, 0])
    return clean_action(zero, velocity(zero, tau).to(zero), tau)


def _noise(action: torch.Tensor, draws: int, generator: torch.Generator | None) -> torch.Tensor:
    """Return ε ~ N(0, I), (B, N, H, D), for `action` (B, 1, H, D)."""
    shape = (len(action), draws, *action.shape[2:])
    return torch.randn(shape, generator=generator, dtype=action.dtype, device=action.device)


def _per_draw(mask: torch.Tensor) -> torch.Tensor:
    """Return a mask (D,), (B, H, D) or (B, N, H, 1 or D) as it broadcasts over (B, N, H, D)."""
    return mask.unsqueeze(1) if mask.ndim == 3 else mask


def _mean(
    penalty: Callable[[torch.Tensor], torch.Tensor],
    error: torch.Tensor,
    mask: torch.Tensor | None,
) -> torch.Tensor:
    """Return the mean penalty of the elements of `error` (B, N, H, D) that count; 0 of none."""
    if mask is None:
        return penalty(error).mean()
    counts = _per_draw(mask).expand_as(error)
    # before the penalty: then what does not count has a gradient of exactly zero
    kept = error.where(counts, 0.0)
    return penalty(kept).sum() / counts.sum().clamp(min=1)
