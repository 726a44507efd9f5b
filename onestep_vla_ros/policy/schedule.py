# SPDX-License-Identifier: Apache-2.0
"""How noise levels are drawn during training: a base distribution and the α-shift.

Source: "Let It Be Simple: One-Step Action Generation for Vision-Language-Action Models"
(arXiv 2606.05737). Canonical time of this project: τ = 1 is pure noise, τ = 0 is clean.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from onestep_vla_ros.core.errors import ConfigError

BASES: tuple[str, ...] = ("uniform", "beta", "pure_noise")
"""Base distributions of τ: U(0, 1); Beta(1.5, 1) · 0.999 + 0.001; τ = 1 always."""

BETA_A = 1.5
BETA_SCALE, BETA_OFFSET = 0.999, 0.001


def shift(tau: torch.Tensor, alpha: float) -> torch.Tensor:
    """Return τ' = α·τ / (1 + (α − 1)·τ): α > 1 moves mass toward pure noise (τ = 1)."""
    return alpha * tau / (1.0 + (alpha - 1.0) * tau)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Distribution of τ during training.

    Attributes:
        base: One of `BASES`; "pure_noise" trains one step alone, K > 1 is then meaningless.
        alpha: Shift α ≥ 1; 1 leaves the base as it is, the paper uses 3, 4 and 8.
            The median of the shifted uniform base is α / (1 + α).
    """

    base: str = "uniform"
    alpha: float = 4.0

    def __post_init__(self) -> None:
        """Raise `ConfigError` for an unknown base or a shift below 1."""
        if self.base not in BASES:
            raise ConfigError("unknown base of the schedule", got=self.base, allowed=list(BASES))
        if not 1.0 <= self.alpha <= 100.0:
            raise ConfigError("shift alpha out of range", got=self.alpha, allowed="1 to 100")

    def quantile(self, share: torch.Tensor) -> torch.Tensor:
        """Return the τ below which `share` (0 to 1) of the levels lie.

        uniform: shift(share). beta: shift(0.999 · share^(1/1.5) + 0.001). pure_noise: 1.
        """
        if self.base == "pure_noise":
            return torch.ones_like(share)
        if self.base == "beta":  # the inverse of the cumulative share = x^a of Beta(a, 1)
            share = share.pow(1.0 / BETA_A) * BETA_SCALE + BETA_OFFSET
        return shift(share, self.alpha)

    def sample(
        self, shape: tuple[int, ...], generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Return τ of `shape` in [0, 1], float32, drawn with `generator` on its device.

        Pure noise takes nothing from the generator.
        """
        device = generator.device if generator is not None else None
        if self.base == "pure_noise":
            return torch.ones(shape, device=device)
        return self.quantile(torch.rand(shape, generator=generator, device=device))
