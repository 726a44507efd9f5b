# SPDX-License-Identifier: Apache-2.0
"""The layers of a Gemma model run token block by token block, keys and values kept.

A block of tokens sees the blocks before it, through their keys and values, and itself. Blocks
that change no more are run once: image and word tokens once per chunk, action tokens at every
decoding step. The layers are transformers' own; only their order of calls is made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from transformers import GemmaModel
from transformers.models.gemma.modeling_gemma import apply_rotary_pos_emb

Pair = tuple[torch.Tensor, torch.Tensor]
Layer = Any
"""A `GemmaDecoderLayer`, whose parts nn.Module types as Tensor or Module."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Keys and values of the tokens that later blocks may look at.

    Attributes:
        layers: Per layer keys and values, each (B, key heads, T, d), rotated to their positions.
        mask: (B, T) bool, False on padding.
    """

    layers: tuple[Pair, ...]
    mask: torch.Tensor

    @property
    def count(self) -> torch.Tensor:
        """Number of tokens that are no padding: the position of the next one, (B, 1)."""
        return self.mask.sum(dim=1, keepdim=True)

    def followed_by(self, other: Seen) -> Seen:
        """Return these tokens and then `other`'s."""
        layers = tuple(
            (torch.cat([k, k2], dim=2), torch.cat([v, v2], dim=2))
            for (k, v), (k2, v2) in zip(self.layers, other.layers, strict=True)
        )
        return Seen(layers, torch.cat([self.mask, other.mask], dim=1))


def read(model: GemmaModel, x: torch.Tensor, mask: torch.Tensor, seen: Seen | None = None) -> Seen:
    """Return keys and values of a block whose output nobody needs.

    Args:
        model: The layers; the last one is left after its keys and values.
        x: Tokens, (B, T, W); among each other they are not causal.
        mask: (B, T) bool, False on padding, which must be at the end of the block.
        seen: What came before; None for nothing.
    """
    start = mask.new_zeros(len(x), 1, dtype=torch.long) if seen is None else seen.count
    turn = model.rotary_emb(x, start + mask.cumsum(dim=1) - 1)
    sight = mask[:, None, None, :]
    if seen is not None:
        sight = torch.cat([seen.mask[:, None, None, :], sight], dim=3)
    sight = sight.expand(-1, -1, x.shape[1], -1)
    kept: list[Pair] = []
    for i, layer in enumerate(model.layers):
        query, key, value = _project(layer, x, turn)
        kept.append((key, value))
        if i + 1 < len(model.layers):
            past = None if seen is None else seen.layers[i]
            x = _finish(layer, x, query, _after(past, (key, value)), sight)
    return Seen(tuple(kept), mask)


def answer(model: GemmaModel, x: torch.Tensor, draws: int, seen: Seen) -> torch.Tensor:
    """Return the output of the last layer after its norm, (B, N·H, W).

    Args:
        model: The layers.
        x: Tokens of N draws of a block of H, (B, N·H, W): a draw sees itself and `seen`, and all
            draws stand at the same positions.
        draws: N.
        seen: What came before.
    """
    batch, tokens, _ = x.shape
    own = torch.arange(tokens, device=x.device)
    length = tokens // draws
    turn = model.rotary_emb(x, seen.count + (own % length))
    block = (own[:, None] // length == own // length).expand(batch, 1, -1, -1)
    before = seen.mask[:, None, None, :].expand(-1, -1, tokens, -1)
    sight = torch.cat([before, block], dim=3)
    for layer, past in zip(model.layers, seen.layers, strict=True):
        query, key, value = _project(layer, x, turn)
        x = _finish(layer, x, query, _after(past, (key, value)), sight)
    out: torch.Tensor = model.norm(x)
    return out


def _project(layer: Layer, x: torch.Tensor, turn: Pair) -> tuple[torch.Tensor, ...]:
    """Return queries (B, heads, T, d), keys and values (B, key heads, T, d) of x (B, T, W)."""
    attention = layer.self_attn
    h = layer.input_layernorm(x)
    query, key, value = (
        project(h).unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)
        for project in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    query, key = apply_rotary_pos_emb(query, key, *turn)
    return query, key, value


def _after(past: Pair | None, own: Pair) -> Pair:
    if past is None:
        return own
    return torch.cat([past[0], own[0]], dim=2), torch.cat([past[1], own[1]], dim=2)


def _finish(
    layer: Layer, x: torch.Tensor, query: torch.Tensor, among: Pair, sight: torch.Tensor
) -> torch.Tensor:
    """Add attention over `among` and the MLP to x (B, T, W)."""
    share = query.shape[1] // among[0].shape[1]  # heads that look at the same keys
    key, value = (
        part.unsqueeze(2).expand(-1, -1, share, -1, -1).flatten(1, 2) for part in among
    )  # no copy for one key head, which is what pi0 has
    attended = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=sight, scale=layer.self_attn.scaling
    )
    x = x + layer.self_attn.o_proj(attended.transpose(1, 2).flatten(2))
    out: torch.Tensor = x + layer.mlp(layer.post_attention_layernorm(x))
    return out
