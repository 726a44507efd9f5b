# SPDX-License-Identifier: Apache-2.0
"""Where in the flow a head is trained: noise levels by a base distribution and the α-shift.

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
        zero_share: Part of the draws that are at τ = 1 with no noise at all (ε = 0), where one
            step from zero noise begins: far from every sample of N(0, I), so that a head that
            never saw it extrapolates there. Not the paper's, which has 0.
    """

    base: str = "uniform"
    alpha: float = 4.0
    zero_share: float = 0.0

    def __post_init__(self) -> None:
        """Raise `ConfigError` for an unknown base, a shift below 1 or a share that is none."""
        if self.base not in BASES:
            raise ConfigError("unknown base of the schedule", got=self.base, allowed=list(BASES))
        if not 1.0 <= self.alpha <= 100.0:
            raise ConfigError("shift alpha out of range", got=self.alpha, allowed="1 to 100")
        if not 0.0 <= self.zero_share <= 1.0:
            raise ConfigError("share of zero noise", got=self.zero_share, allowed="0 to 1")

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

    def without_noise(
        self, shape: tuple[int, ...], generator: torch.Generator | None = None
    ) -> torch.Tensor | None:
        """Return which draws are at zero noise, bool of `shape`; None, undrawn, when none are."""
        if not self.zero_share:
            return None
        device = generator.device if generator is not None else None
        return torch.rand(shape, generator=generator, device=device) < self.zero_share
