# SPDX-License-Identifier: Apache-2.0
"""pi0's action half: the expert, a Gemma that looks at the language layers' keys and values.

The state token sees images, words and itself; action tokens see all that and each other. So
the state, too, is run once per chunk, and a decoding step costs the action tokens alone.

Source: "π0: A Vision-Language-Action Flow Model for General Robot Control" (arXiv 2410.24164);
`embed_suffix` and `denoise_step` of src/openpi/models_pytorch/pi0_pytorch.py (openpi 15a9616).
Noise at t = 1 and velocity ε − a are ours already: `convention.OPENPI`.
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
from transformers import GemmaConfig, GemmaModel

from onestep_vla_ros.core.parameter import param
from onestep_vla_ros.policy.gemma_layers import Seen, answer, read
from onestep_vla_ros.policy.objective import Velocity
from onestep_vla_ros.policy.pi0_encoder import Pi0Context, Pi0EncoderConfig

PRECISIONS = ("float32", "float64")


@dataclass(frozen=True, slots=True)
class Pi0HeadConfig:
    """Architecture of the action half."""

    horizon: int = param("Waypoints H a chunk", low=1, high=200)
    dof: int = param("Entries of a waypoint that are decoded", low=1, high=256)
    used: int = param("Those at its start that are the robot's actions", low=1, high=256)
    state: int = param("Entries of the state, padded with zeros", low=1, high=256)
    expert: dict = param("Content of a transformers GemmaConfig")  # type: ignore[type-arg]
    dtype: str = param("Weights of the expert", choices=("float32", "bfloat16"))
    min_period: float = param("Shortest period of the time features", low=1e-6, high=1e6)
    max_period: float = param("Longest one", low=1e-6, high=1e6)
    time: str = param("Precision of their angles: 1570·τ at most for pi0", choices=PRECISIONS)

    @staticmethod
    def contradictions(values: Mapping[str, Any]) -> list[str]:
        """Return what contradicts itself among the `values` that were read, a line each."""
        try:
            width = GemmaConfig.from_dict(dict(values.get("expert", {}))).hidden_size
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            return [f"expert: got: {error}; allowed: a GemmaConfig as a mapping"]
        faults = [f"expert: got: width {width}; allowed: an even one"] if width % 2 else []
        if values.get("used", 0) > values.get("dof", 256):
            faults.append(f"used: got: {values['used']}; allowed: at most dof")
        return faults

    @property
    def objective(self) -> str:
        """What it was trained for, one of `objective.OBJECTIVES`."""
        return "flow"

    @property
    def prefix(self) -> int:
        """Most waypoints it can be given to go on from."""
        return 0

    @property
    def gemma(self) -> GemmaConfig:
        """The expert as transformers has it, but for its token embedding, which nobody reads."""
        no_words = {"vocab_size": 1, "pad_token_id": 0, "bos_token_id": None, "eos_token_id": None}
        return GemmaConfig.from_dict({**self.expert, **no_words})

    def misfits(self, encoder: Pi0EncoderConfig) -> list[str]:
        """Return why the expert cannot look at the language layers of `encoder`, a line each."""
        own, other = self.gemma, encoder.paligemma.text_config
        return [
            f"head.expert.{name}: got: {getattr(own, name)}; "
            f"allowed: {getattr(other, name)} as in encoder.model.text_config"
            for name in ("num_hidden_layers", "num_key_value_heads", "head_dim")
            if getattr(own, name) != getattr(other, name)
        ]


class Pi0Head(nn.Module):
    """Velocity v(x_τ, τ, c) of an action chunk.

    Args:
        config: Architecture.
        context_width: Not read: the two halves share keys and values, not their widths.
    """

    def __init__(self, config: Pi0HeadConfig, context_width: int) -> None:
        super().__init__()
        self.config = config
        expert: Any = GemmaModel(config.gemma)
        expert.embed_tokens = None
        self.expert = expert.to(getattr(torch, config.dtype))
        width = int(config.gemma.hidden_size)
        self.state_proj = nn.Linear(config.state, width)
        self.action_in_proj = nn.Linear(config.dof, width)
        self.action_time_mlp_in = nn.Linear(2 * width, width)
        self.action_time_mlp_out = nn.Linear(width, width)
        self.action_out_proj = nn.Linear(width, config.dof)

    def prepare(self, context: Pi0Context) -> Seen:
        """Return keys and values of image, word and state tokens, to be used for every step."""
        seen, state = context.seen, context.state
        assert seen is not None  # noqa: S101 - `Pi0Encoder.encode` gives both
        assert state is not None  # noqa: S101
        state = functional.pad(state.float(), (0, self.config.state - state.shape[1]))
        token = self.state_proj(state).unsqueeze(1).to(self.expert.dtype)  # (B, 1, W)
        mask = torch.ones(len(state), 1, dtype=torch.bool, device=state.device)
        return seen.followed_by(read(self.expert, token, mask, seen))

    def forward(self, x: torch.Tensor, tau: torch.Tensor, memory: Seen) -> torch.Tensor:
        """Return the velocity; `flow` is what decoding takes."""
        return self.velocity(x, tau, memory)

    def flow(self, memory: Seen) -> Velocity:
        """Return what `decoder.euler` integrates for the conditions in `memory`."""
        return partial(self.velocity, memory=memory)

    def velocity(self, x: torch.Tensor, tau: torch.Tensor, memory: Seen) -> torch.Tensor:
        """Return ε − a for N draws of each condition.

        Args:
            x: Noisy normalised chunks, (B, N, H, D).
            tau: Noise levels, (B, N) or one a waypoint (B, N, H); 1 is pure noise.
            memory: From `prepare`, for B conditions.

        Returns:
            (B, N, H, D) float32.
        """
        action = self.action_in_proj(x)  # (B, N, H, W)
        if tau.ndim == 2:
            tau = tau.unsqueeze(2)
        time = self._time_features(tau).to(action).expand(action.shape)
        h = self.action_time_mlp_in(torch.cat([action, time], dim=-1))
        h = self.action_time_mlp_out(functional.silu(h)).flatten(1, 2).to(self.expert.dtype)
        out = answer(self.expert, h, x.shape[1], memory).to(self.action_out_proj.weight.dtype)
        said: torch.Tensor = self.action_out_proj(out).view(x.shape).float()
        return said

    def _time_features(self, tau: torch.Tensor) -> torch.Tensor:
        """Return (…, W) sines and cosines of τ, periods in geometric order.

        At the shortest period a turn is 0.004: rounded to float32 the angle 2π·τ/0.004 is off by
        up to 6e-5, so the precision is a part of what was trained.
        """
        config, exact = self.config, getattr(torch, self.config.time)
        half = self.action_in_proj.out_features // 2
        share = torch.linspace(0.0, 1.0, half, dtype=exact, device=tau.device)
        period = config.min_period * (config.max_period / config.min_period) ** share
        angle = 1.0 / period * 2.0 * math.pi * tau.to(exact).unsqueeze(-1)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)
