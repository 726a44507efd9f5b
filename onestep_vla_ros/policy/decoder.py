# SPDX-License-Identifier: Apache-2.0
"""Decoding an action chunk from noise in K Euler steps, K = 1 first."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from onestep_vla_ros.core.errors import ConfigError, raise_all
from onestep_vla_ros.policy.objective import Velocity

NOISES: tuple[str, ...] = ("zero", "seeded", "sampled", "mean_k")
"""Where decoding starts.

zero: ε = 0. seeded: the same ε at every call. sampled: a new ε at every call, from a
seeded stream. mean_k: the mean of `MEAN_DRAWS` decoded chunks, each from its seeded ε.
"""

MAX_STEPS = 100
MEAN_DRAWS = 4


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a chunk is decoded.

    Attributes:
        steps: Euler steps K, 1 to 100.
        noise: One of `NOISES`.
        seed: Seed of the noise.
    """

    steps: int = 1
    noise: str = "zero"
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise `ConfigError` listing everything that cannot be used."""
        faults = []
        is_count = isinstance(self.steps, int) and not isinstance(self.steps, bool)
        if not is_count or not 1 <= self.steps <= MAX_STEPS:
            hint = " ('auto' is not offered yet)" if self.steps == "auto" else ""
            faults.append(
                f"steps: got {self.steps!r}{hint}; allowed: a whole number 1 to {MAX_STEPS}"
                " (1 default, 2 safe, 10 for ambiguous demonstrations)"
            )
        if self.noise not in NOISES:
            faults.append(f"noise: got {self.noise!r}; allowed: {list(NOISES)}")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or self.seed < 0:
            faults.append(f"seed: got {self.seed!r}; allowed: a whole number >= 0")
        raise_all(ConfigError, "decoding", faults, "use the allowed values")


def euler(velocity: Velocity, noise: torch.Tensor, steps: int) -> torch.Tensor:
    """Integrate from τ = 1 to 0: x ← x − (1/K)·v(x, τ); for K = 1 â = ε − v(ε, 1).

    Args:
        velocity: The head with its condition bound.
        noise: Start ε, (B, N, H, D).
        steps: K ≥ 1.

    Returns:
        (B, N, H, D).
    """
    x = noise
    exact = torch.promote_types(x.dtype, torch.float32)  # half a float would blur the levels
    for i in range(steps):
        tau = torch.full(x.shape[:2], 1.0 - i / steps, dtype=exact, device=x.device)
        x = x - velocity(x, tau) / steps
    return x


class Decoder:
    """Draws the start noise of a `Decoding` and integrates; keeps the stream of `sampled`.

    Thread: one caller at a time.
    """

    def __init__(self, decoding: Decoding) -> None:
        self.decoding = decoding
        self._stream = torch.Generator().manual_seed(decoding.seed)

    def start(self, batch: int, horizon: int, dof: int) -> torch.Tensor:
        """Return the start noise (B, N, H, D) on the CPU, N = 4 for mean_k and 1 otherwise."""
        kind = self.decoding.noise
        shape = (batch, MEAN_DRAWS if kind == "mean_k" else 1, horizon, dof)
        if kind == "zero":
            return torch.zeros(shape)
        if kind in ("seeded", "mean_k"):
            self._stream.manual_seed(self.decoding.seed)
        return torch.randn(shape, generator=self._stream)

    def decode(
        self, velocity: Velocity, batch: int, horizon: int, dof: int, device: torch.device
    ) -> torch.Tensor:
        """Return normalised chunks (B, H, D)."""
        noise = self.start(batch, horizon, dof).to(device)
        return euler(velocity, noise, self.decoding.steps).mean(dim=1)
