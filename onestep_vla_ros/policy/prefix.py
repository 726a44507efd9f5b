# SPDX-License-Identifier: Apache-2.0
"""Chunks that begin with waypoints which are decided already.

While the policy looks and thinks, the arms go on along the running plan: by the time its chunk
arrives, the first waypoints are past. A head that is given them as they will be continues the
motion instead of starting another one. In training the first d waypoints of a chunk are shown
clean, at their own noise level 0, the others at τ as ever, and only those count in the loss;
d ~ U{0, …, longest} is drawn for each sample (`objective.draw_given`). Decoding takes no more
steps than without.

Source: "Training-Time Action Conditioning for Efficient Real-Time Chunking" (arXiv 2512.05964),
read in what its authors and others say of it; its text was not at hand.
"""

from __future__ import annotations

import torch

from onestep_vla_ros.policy.objective import Velocity


def continued(velocity: Velocity, given: torch.Tensor) -> Velocity:
    """Return a velocity whose integral from any noise begins with `given`.

    The head is shown the given waypoints clean, at level 0, whatever x holds there.

    Args:
        velocity: A head that was trained with prefixes at least as long, its condition bound.
        given: First waypoints, normalised, (B, d, D) with d >= 1.

    Returns:
        As `velocity`; its τ stays (B, N).
    """
    known = given.unsqueeze(1)  # (B, 1, d, D)
    count = given.shape[1]

    def flow(x: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
        first, rest = x[:, :, :count], x[:, :, count:]
        level = tau.unsqueeze(-1).expand(x.shape[:3]).clone()
        level[:, :, :count] = 0.0
        shown = torch.cat([known.expand_as(first), rest], dim=2)
        found = velocity(shown, level)
        # the straight way from where x is: K Euler steps end on the given waypoints
        straight = (first - known) / tau[..., None, None]
        return torch.cat([straight, found[:, :, count:]], dim=2)

    return flow
