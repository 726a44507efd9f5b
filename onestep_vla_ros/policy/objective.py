# SPDX-License-Identifier: Apache-2.0
"""The training objectives: the plain velocity loss, and regression as its null hypothesis."""

from __future__ import annotations

from collections.abc import Callable

import torch

from onestep_vla_ros.policy.schedule import Schedule

OBJECTIVES: tuple[str, ...] = ("flow", "regression")
"""flow: the velocity loss over noise levels. regression: the clean chunk in one step."""

Velocity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""v(x, τ): x (B, N, H, D) and τ (B, N) to a velocity (B, N, H, D)."""


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


def velocity_loss(
    velocity: Velocity,
    action: torch.Tensor,
    schedule: Schedule,
    draws: int,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Return E‖v(x_τ, τ) − (ε − a)‖², averaged over every element.

    Args:
        velocity: The head with its condition bound; called once for all draws, so they
            share one pass of the encoder.
        action: Normalised clean chunks a, (B, H, D).
        schedule: Distribution of τ.
        draws: Number N of (ε, τ) pairs for each chunk.
        generator: Source of randomness, on the device of `action`.

    Returns:
        A scalar tensor.
    """
    batch = action.shape[0]
    action = action.unsqueeze(1)  # (B, 1, H, D)
    noise = torch.randn(
        (batch, draws, *action.shape[2:]), generator=generator, device=action.device
    )
    tau = schedule.sample((batch, draws), generator).to(action.device)
    predicted = velocity(interpolate(action, noise, tau), tau)
    return (predicted.float() - target_velocity(action, noise)).square().mean()


def regression_loss(velocity: Velocity, action: torch.Tensor) -> torch.Tensor:
    """Return E‖â − a‖² of the chunk â = −v(0, 1) that one step from no noise gives.

    The null hypothesis of one-step decoding: the same head, no noise, no level. A head of
    this objective (`HeadConfig.objective`) answers every (x, τ) with the straight flow to â,
    so decoding gives the same chunk for any K and any noise.

    Args:
        velocity: The head with its condition bound.
        action: Normalised clean chunks a, (B, H, D).

    Returns:
        A scalar tensor.
    """
    x = torch.zeros_like(action).unsqueeze(1)  # (B, 1, H, D)
    tau = torch.ones(x.shape[:2], device=x.device)
    predicted = clean_action(x, velocity(x, tau).float(), tau).squeeze(1)
    return (predicted - action).square().mean()
