# SPDX-License-Identifier: Apache-2.0
"""The action head: a pre-LN Transformer over [condition; noisy action + time] tokens.

Condition tokens do not see action tokens, so their keys and values are the same at every
decoding step and for every draw of noise: `prepare` computes them once per chunk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from onestep_vla_ros.core.parameter import param
from onestep_vla_ros.policy.encoder import Context
from onestep_vla_ros.policy.objective import OBJECTIVES, Velocity, decodable

TIME_FEATURES = 64
"""Sine and cosine features of the noise level."""


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """Size of the flow head."""

    horizon: int = param("Waypoints H a chunk", low=1, high=200)
    dof: int = param("Entries D a waypoint", low=1, high=64)
    width: int = param("Token width, a multiple of heads", low=8, high=4096)
    layers: int = param("Transformer layers", low=1, high=64)
    heads: int = param("Attention heads", low=1, high=64)
    mlp: int = param("Hidden width of the MLP", low=8, high=16384)
    objective: str = param("What the head was trained for", choices=OBJECTIVES)
    prefix: int = param("Most waypoints it can be given to go on from; 0 is none", low=0, high=199)

    @staticmethod
    def contradictions(values: Mapping[str, Any]) -> list[str]:
        """Return what contradicts itself among the `values` that were read, a line each."""
        faults = []
        if {"width", "heads"} <= values.keys() and values["width"] % values["heads"]:
            faults.append(f"width: got: {values['width']}; allowed: a multiple of heads")
        longest = values.get("prefix", 0)
        if longest >= values.get("horizon", 200):
            faults.append(f"prefix: got: {longest}; allowed: less than the horizon")
        if longest and values.get("objective", "flow") != "flow":
            faults.append(f"prefix: got: {longest}; allowed: 0 unless the objective is flow")
        return faults


@dataclass(frozen=True, slots=True)
class Memory:
    """Keys and values of the condition tokens in every layer, computed once per chunk.

    Attributes:
        keys: Per layer (B, heads, T, d).
        values: Per layer (B, heads, T, d).
        bias: (B, 1, 1, T) added to attention scores, 0 or −inf; None without padding.
    """

    keys: tuple[torch.Tensor, ...]
    values: tuple[torch.Tensor, ...]
    bias: torch.Tensor | None


class Block(nn.Module):
    """One pre-LN layer; the same weights serve condition and action tokens."""

    def __init__(self, width: int, heads: int, mlp: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, mlp)
        self.fc2 = nn.Linear(mlp, width)

    def _project(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Split queries, keys and values of x (B, T, W) into three (B, heads, T, d)."""
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        return q / math.sqrt(width // self.heads), k, v

    def _finish(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """Add attention (B, heads, T, d) and the MLP to x (B, T, W)."""
        x = x + self.proj(attended.transpose(1, 2).reshape(x.shape))
        return x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))

    def keys_values(self, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return keys and values (B, heads, T, d) of condition tokens c (B, T, W)."""
        _, k, v = self._project(c)
        return k, v

    def condition(
        self, c: torch.Tensor, bias: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Update condition tokens c (B, T, W) from themselves; also return keys and values."""
        q, k, v = self._project(c)
        scores = q @ k.transpose(-1, -2)
        if bias is not None:
            scores = scores + bias
        return self._finish(c, torch.softmax(scores, dim=-1).to(v.dtype) @ v), k, v

    def action(
        self,
        x: torch.Tensor,
        draws: int,
        keys: torch.Tensor,
        values: torch.Tensor,
        bias: torch.Tensor | None,
    ) -> torch.Tensor:
        """Update action tokens x (B, N·H, W) from the condition and from their own draw.

        The condition's keys are shared by the N draws: one product, no copies.
        """
        q, k, v = self._project(x)
        batch, heads, tokens, d = q.shape
        split = (batch, heads, draws, tokens // draws, d)
        to_condition = q @ keys.transpose(-1, -2)  # (B, heads, N·H, T)
        if bias is not None:
            to_condition = to_condition + bias
        to_action = (q.view(split) @ k.view(split).transpose(-1, -2)).flatten(2, 3)
        weights = torch.softmax(torch.cat([to_condition, to_action], dim=-1), dim=-1)
        weights = weights.to(v.dtype)
        on_condition, on_action = weights.split([keys.shape[2], tokens // draws], dim=-1)
        attended = on_condition @ values
        own = on_action.reshape(*split[:4], tokens // draws) @ v.view(split)
        return self._finish(x, attended + own.flatten(2, 3))


class FlowHead(nn.Module):
    """Velocity v(x_τ, τ, c) of an action chunk.

    flow: `velocity` is `net + x_τ`, so at τ = 1 the network itself has to produce −a. Decoding
    follows it. All other objectives: the network says −â and `velocity` is (x − â)/τ; it is
    asked at x = 0, τ = 1 (mip: and once below), and decoding follows the straight flow to the
    chunk found there. learned_start moves x by a parameter `start` (H, D), at first N(0, I).

    Args:
        config: Sizes.
        context_width: Width of the encoder's tokens.
    """

    def __init__(self, config: HeadConfig, context_width: int) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.context_in = nn.Linear(context_width, width)
        self.action_in = nn.Linear(config.dof, width)
        self.time_in = nn.Linear(TIME_FEATURES, width)
        self.time_out = nn.Linear(width, width)
        self.position = nn.Parameter(0.02 * torch.randn(config.horizon, width))
        self.blocks = nn.ModuleList(
            Block(width, config.heads, config.mlp) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, config.dof)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        is_learned = config.objective == "learned_start"
        start = nn.Parameter(torch.randn(config.horizon, config.dof)) if is_learned else None
        self.register_parameter("start", start)

    def prepare(self, context: Context) -> Memory:
        """Return keys and values of the condition tokens, to be used for every step."""
        bias = None
        if context.mask is not None:
            bias = torch.zeros(context.mask.shape, device=context.tokens.device)
            bias = bias.masked_fill(~context.mask, -torch.inf)[:, None, None, :]
        c = self.context_in(context.tokens)
        keys, values = [], []
        for block in self.blocks[:-1]:
            c, k, v = block.condition(c, bias)
            keys.append(k)
            values.append(v)
        k, v = self.blocks[-1].keys_values(c)
        return Memory((*keys, k), (*values, v), bias)

    def forward(self, x: torch.Tensor, tau: torch.Tensor, memory: Memory) -> torch.Tensor:
        """Return the velocity that decoding follows; `flow` gives many at less cost.

        Args:
            x: Noisy normalised chunks, (B, N, H, D): N draws for each condition.
            tau: Noise levels, (B, N) or one a waypoint (B, N, H); 1 is pure noise.
            memory: From `prepare`, for B conditions.

        Returns:
            (B, N, H, D) float32.
        """
        return self.flow(memory)(x, tau)

    def flow(self, memory: Memory) -> Velocity:
        """Return what `decoder.euler` integrates for the conditions in `memory`.

        Asks the layers once a step for flow, else once (mip: twice) for any number of steps.
        """
        shape = (memory.keys[0].shape[0], 1, self.config.horizon, self.config.dof)
        velocity = partial(self.velocity, memory=memory)
        return decodable(self.config.objective, velocity, self.position.new_zeros(shape))

    def velocity(self, x: torch.Tensor, tau: torch.Tensor, memory: Memory) -> torch.Tensor:
        """Return the velocity that `objective.training_loss` trains; shapes as in `forward`."""
        if self.config.objective == "flow":
            return self._net(x, tau, memory) + x
        shown = x if self.start is None else x + self.start
        return (x + self._net(shown, tau, memory)) / tau[..., None, None]

    def _net(self, x: torch.Tensor, tau: torch.Tensor, memory: Memory) -> torch.Tensor:
        """Return what the layers say, (B, N, H, D) float32."""
        batch, draws, horizon, _ = x.shape
        time = self.time_out(functional.silu(self.time_in(time_features(tau))))
        if tau.ndim == 2:
            time = time.unsqueeze(2)  # (B, N, 1, W): all waypoints alike
        h = self.action_in(x) + self.position + time
        h = h.view(batch, draws * horizon, -1)
        for block, k, v in zip(self.blocks, memory.keys, memory.values, strict=True):
            h = block.action(h, draws, k, v, memory.bias)
        out: torch.Tensor = self.out(self.norm(h)).view(x.shape).float()
        return out


def time_features(tau: torch.Tensor) -> torch.Tensor:
    """Return (…, 64) sines and cosines of τ with periods from 2π/1000 to 2π·4."""
    count = TIME_FEATURES // 2
    exponent = torch.linspace(0.0, 1.0, count, device=tau.device)
    frequency = 0.25 * torch.pow(torch.tensor(4000.0, device=tau.device), exponent)
    angle = tau.unsqueeze(-1) * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=-1)
