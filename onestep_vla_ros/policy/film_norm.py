# SPDX-License-Identifier: Apache-2.0
"""GroupNorm, FiLM, shortcut and ReLU of channels-last features in one function.

Per sample and channel all of it is one scale and one offset, y = relu(A·x + S + shortcut), so
the features are read twice forward and twice backward, in float32. PyTorch's own GroupNorm of
channels-last bfloat16 takes ten times as long on a CPU, and its convolutions like that layout.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

Film = tuple[torch.Tensor, torch.Tensor]
"""γ and β of a FiLM (1 + γ)·n + β, (B, C) each."""


def rows(x: torch.Tensor) -> torch.Tensor:
    """Return features (B, C, h, w) as (B, h·w, C): a view when memory is channels-last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def film_norm(
    x: torch.Tensor,
    norm: nn.GroupNorm,
    film: Film | None = None,
    shortcut: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return relu((1 + γ)·norm(x) + β + shortcut), in the layout and type of `x`.

    Args:
        x: Features (B, C, h, w), channels-last for speed.
        norm: Groups, weight, bias and ε.
        film: γ and β; None leaves FiLM out.
        shortcut: Like `x`; None adds nothing.
    """
    gamma, beta = film if film is not None else (None, None)
    out: torch.Tensor = _FilmNorm.apply(
        x, norm.weight, norm.bias, gamma, beta, shortcut, norm.num_groups, norm.eps
    )
    return out


class _FilmNorm(torch.autograd.Function):
    """The formula above with its gradient; names as there, n = (x − μ)/σ·weight + bias."""

    @staticmethod
    def forward(  # noqa: D102
        ctx: Any,  # noqa: ANN401
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        gamma: torch.Tensor | None,
        beta: torch.Tensor | None,
        shortcut: torch.Tensor | None,
        groups: int,
        eps: float,
    ) -> torch.Tensor:
        batch, channels, height, width = x.shape
        flat = rows(x).float()  # (B, P, C)
        sums = torch.stack([flat.sum(1), (flat * flat).sum(1)])  # (2, B, C)
        mean, square = (_spread(sums, groups) / flat.shape[1]).unbind(0)  # (B, C) each
        scale = (square - mean * mean).clamp_(min=0.0).add_(eps).rsqrt_()  # 1/σ
        factor = weight * scale
        offset = bias - mean * factor
        if gamma is not None and beta is not None:
            factor = factor * (1.0 + gamma.float())
            offset = offset * (1.0 + gamma.float()) + beta.float()
        y = torch.addcmul(offset.unsqueeze(1), flat, factor.unsqueeze(1))
        if shortcut is not None:
            y += rows(shortcut)
        y = y.relu_().to(x.dtype)
        ctx.save_for_backward(x, y, weight, bias, gamma, mean, scale, factor)
        ctx.groups, ctx.has_shortcut = groups, shortcut is not None
        return y.unflatten(1, (height, width)).permute(0, 3, 1, 2)

    @staticmethod
    def backward(  # type: ignore[override]  # noqa: D102
        ctx: Any,  # noqa: ANN401
        grad: torch.Tensor,
    ) -> tuple[torch.Tensor | None, ...]:
        x, y, weight, bias, gamma, mean, scale, factor = ctx.saved_tensors
        grad = torch.ops.aten.threshold_backward(rows(grad), y, 0)
        g, flat = grad.float(), rows(x).float()  # (B, P, C)
        beta_grad = g.sum(1)  # (B, C)
        seen = ((g * flat).sum(1) - mean * beta_grad) * scale  # Σ g·(x − μ)/σ
        gamma_grad = weight * seen + bias * beta_grad
        lift = 1.0 if gamma is None else 1.0 + gamma.float()
        means = torch.stack([lift * weight * beta_grad, lift * weight * seen])
        first, second = (_spread(means, ctx.groups) / flat.shape[1]).unbind(0)
        slope = -scale * scale * second
        offset = -scale * first - slope * mean
        x_grad = torch.addcmul(offset.unsqueeze(1), flat, slope.unsqueeze(1))
        x_grad = x_grad.addcmul_(g, factor.unsqueeze(1)).to(x.dtype)
        shape = (x.shape[2], x.shape[3])
        return (
            x_grad.unflatten(1, shape).permute(0, 3, 1, 2),
            (lift * seen).sum(0),
            (lift * beta_grad).sum(0),
            None if gamma is None else gamma_grad.to(gamma.dtype),
            None if gamma is None else beta_grad.to(gamma.dtype),
            grad.unflatten(1, shape).permute(0, 3, 1, 2) if ctx.has_shortcut else None,
            None,
            None,
        )


def _spread(sums: torch.Tensor, groups: int) -> torch.Tensor:
    """Return the mean over each group's channels at every channel, (…, B, C)."""
    return (
        sums.unflatten(-1, (groups, -1))
        .mean(-1, keepdim=True)
        .expand(*sums.shape[:-1], groups, sums.shape[-1] // groups)
    ).flatten(-2)
