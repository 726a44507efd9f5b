# SPDX-License-Identifier: Apache-2.0
"""Ambiguity: how far a second decoding step moves the chunk that one step gave.

One step answers with the mean â₁ of all chunks that the demonstrations leave open. A second one
looks again from half-way back to noise, x = ½·ε + ½·â₁ at τ = ½, and says â₂ = x − ½·v(x, ½).
Where one chunk is right, â₂ is â₁ again; where several are, ε decides for one of them.
"""

from __future__ import annotations

import torch

from onestep_vla_ros.policy.objective import Velocity, clean_action, interpolate

GAP_LEVEL = 0.5
"""Noise level τ of the second look, that of the second step of two."""

GAP_DRAWS = 4
"""Draws of ε, evaluated at once: a single one may happen to lie between two right chunks."""

ROUNDING = 1e-5
"""Gaps below are 0: what float32 leaves of heads that know one chunk (all but flow)."""


def gap(velocity: Velocity, one: torch.Tensor) -> torch.Tensor:
    """Return the root mean square of â₂ − â₁ over draws, waypoints and joints, (B,).

    In normalised units: 1 is the standard deviation of the demonstrated chunks at that waypoint
    and joint. Takes one evaluation. The draws are the same at every call, so the gap is a
    function of the observation alone.

    Never ε = 0: x is then as far from either of two equally likely chunks, â₂ stays in the
    middle, and a perfect head would show no gap at all. Worthless for a head that was trained
    on pure noise alone: it has never seen τ = ½.

    Args:
        velocity: The head with its condition bound.
        one: The one-step chunks â₁, normalised, (B, H, D).
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((1, GAP_DRAWS, *one.shape[1:]), generator=generator).to(one)
    tau = torch.full((len(one), GAP_DRAWS), GAP_LEVEL, dtype=one.dtype, device=one.device)
    chunk = one.unsqueeze(1)  # (B, 1, H, D)
    x = interpolate(chunk, noise.expand(len(one), -1, -1, -1), tau)
    two = clean_action(x, velocity(x, tau), tau)
    size = (two - chunk).square().mean(dim=(1, 2, 3)).sqrt()
    return size.where(~(size < ROUNDING), 0.0)  # NaN stays NaN
