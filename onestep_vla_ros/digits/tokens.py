# SPDX-License-Identifier: Apache-2.0
"""Ten fixed embeddings: how a digit reads as a continuous action and back."""

from __future__ import annotations

import torch

CLASSES = 10
DOF = 16
"""Entries D of an embedding."""
_SEED = 20


def make_codebook() -> torch.Tensor:
    """Return (10, 16) float32: a regular simplex, so that every confusion is as far.

    Entries have mean 0 over the digits and mean square 1; each of the ten has length 4, any
    two are 4·√(20/9) = 5.96 apart.
    """
    generator = torch.Generator().manual_seed(_SEED)
    frame, _ = torch.linalg.qr(torch.randn(DOF, CLASSES, generator=generator))
    corners = frame.T - frame.T.mean(dim=0)
    return corners / corners.square().mean().sqrt()


def nearest(chunk: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    """Return the digit (…,) whose embedding is nearest to each entry of chunk (…, 16)."""
    score = chunk @ codebook.T - 0.5 * codebook.square().sum(dim=1)
    return score.argmax(dim=-1)
