# SPDX-License-Identifier: Apache-2.0
"""Decoding an action chunk from noise in K Euler steps, K = 1 first; or as many as it takes."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from onestep_vla_ros.core.errors import ConfigError, raise_all
from onestep_vla_ros.policy.ambiguity import gap
from onestep_vla_ros.policy.calibration import Calibration
from onestep_vla_ros.policy.objective import Velocity

NOISES: tuple[str, ...] = ("zero", "seeded", "sampled", "mean_k")
"""Where decoding starts.

zero: ε = 0. seeded: the same ε at every call. sampled: a new ε at every call, from a
seeded stream. mean_k: the mean of `MEAN_DRAWS` decoded chunks, each from its seeded ε.
"""

MAX_STEPS = 100
MEAN_DRAWS = 4

AUTO = "auto"
"""The `steps` that take one step, and `AUTO_STEPS` where the gap is above the threshold."""

AUTO_STEPS = 10


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a chunk is decoded.

    Attributes:
        steps: Euler steps K, 1 to 100, or `AUTO`.
        noise: One of `NOISES`. Under `AUTO` it is where the longer answer starts, and zero stands
            for sampled: from zero noise K steps end between two right chunks, as one step does.
            The one-step answer of `AUTO` is always that of zero noise.
        seed: Seed of the noise.
        calibration: Of the model; `AUTO` needs it.
    """

    steps: int | str = 1
    noise: str = "zero"
    seed: int = 0
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        """Raise `ConfigError` listing everything that cannot be used."""
        faults = []
        is_count = isinstance(self.steps, int) and not isinstance(self.steps, bool)
        if self.steps == AUTO and self.calibration is None:
            faults.append(
                "steps: got 'auto', but this checkpoint carries no threshold for it; do: "
                "onestep-vla check FOLDER --calibrate DEMONSTRATIONS, or take 1, 2 or 10"
            )
        elif self.steps != AUTO and not (is_count and 1 <= int(self.steps) <= MAX_STEPS):
            faults.append(
                f"steps: got {self.steps!r}; allowed: a whole number 1 to {MAX_STEPS}"
                " (1 default, 2 safe, 10 for ambiguous demonstrations) or 'auto'"
            )
        if self.noise not in NOISES:
            faults.append(f"noise: got {self.noise!r}; allowed: {list(NOISES)}")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or self.seed < 0:
            faults.append(f"seed: got {self.seed!r}; allowed: a whole number >= 0")
        raise_all(ConfigError, "decoding", faults, "use the allowed values")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A batch of chunks and what it took.

    Attributes:
        chunk: Normalised, (B, H, D).
        steps: K of each answer, (B,).
        evaluations: Evaluations of the velocity behind each answer, the gap's included, (B,).
        ambiguity: `ambiguity.gap` of each, (B,); None where nobody asked for it.
    """

    chunk: torch.Tensor
    steps: torch.Tensor
    evaluations: torch.Tensor
    ambiguity: torch.Tensor | None


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

    Args:
        decoding: How.
        is_measured: Give the ambiguity of each chunk also where `AUTO` does not need it. One
            evaluation more for one step from zero noise, two for anything else.
    """

    def __init__(self, decoding: Decoding, is_measured: bool = False) -> None:
        self.decoding = decoding
        self.is_measured = is_measured
        self._stream = torch.Generator().manual_seed(decoding.seed)

    def start(self, batch: int, horizon: int, dof: int) -> torch.Tensor:
        """Return the start noise (B, N, H, D) on the CPU, N = 4 for mean_k and 1 otherwise."""
        kind = self.decoding.noise
        if self.decoding.steps == AUTO and kind == "zero":
            kind = "sampled"
        shape = (batch, MEAN_DRAWS if kind == "mean_k" else 1, horizon, dof)
        if kind == "zero":
            return torch.zeros(shape)
        if kind in ("seeded", "mean_k"):
            self._stream.manual_seed(self.decoding.seed)
        return torch.randn(shape, generator=self._stream)

    def decode(
        self, velocity: Velocity, batch: int, horizon: int, dof: int, device: torch.device
    ) -> Decoded:
        """Return chunks for the conditions that are bound to `velocity`."""
        own, shape = self.decoding, (batch, horizon, dof)
        steps = torch.full((batch,), 1 if own.steps == AUTO else int(own.steps), device=device)
        if own.steps != AUTO and not self.is_measured:
            return Decoded(self._answer(velocity, shape, device), steps, steps, None)
        one = euler(velocity, torch.zeros(shape, device=device).unsqueeze(1), 1).squeeze(1)
        ambiguity = gap(velocity, one)
        if own.steps == AUTO:
            return self._auto(velocity, one, ambiguity)
        if (own.steps, own.noise) == (1, "zero"):
            return Decoded(one, steps, steps + 1, ambiguity)
        chunk = self._answer(velocity, shape, device)
        return Decoded(chunk, steps, steps + 2, ambiguity)

    def _auto(self, velocity: Velocity, one: torch.Tensor, ambiguity: torch.Tensor) -> Decoded:
        """Return `one` (B, H, D), and more steps for the rows whose gap is too large."""
        assert self.decoding.calibration is not None  # noqa: S101 - `Decoding` has checked
        is_long = ambiguity > self.decoding.calibration.threshold
        chunk = one
        if is_long.any():
            many = self._answer(velocity, tuple(one.shape), one.device)
            chunk = torch.where(is_long[:, None, None], many, one)
        steps = torch.where(is_long, AUTO_STEPS, 1)
        return Decoded(chunk, steps, 2 + AUTO_STEPS * is_long, ambiguity)

    def _answer(
        self, velocity: Velocity, shape: tuple[int, ...], device: torch.device
    ) -> torch.Tensor:
        """Return the chunks (B, H, D) that all steps give from the start noise."""
        steps = AUTO_STEPS if self.decoding.steps == AUTO else int(self.decoding.steps)
        return euler(velocity, self.start(*shape).to(device), steps).mean(dim=1)
