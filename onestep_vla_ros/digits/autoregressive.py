# SPDX-License-Identifier: Apache-2.0
"""The autoregressive baseline: the flow head's layers, one digit after another."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from onestep_vla_ros.digits.tokens import nearest
from onestep_vla_ros.policy.flow_head import Block, FlowHead, HeadConfig, Memory
from onestep_vla_ros.train.batches import Batch
from onestep_vla_ros.train.learner import Learner


class CausalBlock(Block):
    """The same layer and weights; a token sees the condition, itself and those before it."""

    def action(
        self,
        x: torch.Tensor,
        draws: int,
        keys: torch.Tensor,
        values: torch.Tensor,
        bias: torch.Tensor | None,
    ) -> torch.Tensor:
        """Update tokens x (B, H, W) from the condition and from the past; `draws` is 1."""
        q, k, v = self._project(x)
        own = q @ k.transpose(-1, -2)  # (B, heads, H, H)
        future = torch.ones(own.shape[-2:], dtype=torch.bool, device=x.device).triu(1)
        condition = q @ keys.transpose(-1, -2)
        if bias is not None:
            condition = condition + bias
        scores = torch.cat([condition, own.masked_fill(future, -torch.inf)], dim=-1)
        attended = torch.softmax(scores, dim=-1) @ torch.cat([values, v], dim=-2)
        return self._finish(x, attended)


class AutoregressiveHead(FlowHead):
    """Says the next digit's embedding from the condition and the digits so far.

    The weights of the noise level stay unused (15 k of 230 k at the shipped size).
    """

    def __init__(self, config: HeadConfig, context_width: int) -> None:
        super().__init__(config, context_width)
        width = config.width
        self.blocks = nn.ModuleList(
            CausalBlock(width, config.heads, config.mlp) for _ in range(config.layers)
        )

    def logits(self, before: torch.Tensor, memory: Memory, codebook: torch.Tensor) -> torch.Tensor:
        """Return (B, T, 10): which digit comes at each place.

        Args:
            before: (B, T, D) the embedding of the digit before each place, zeros for the first.
            memory: From `prepare`.
            codebook: (10, D).
        """
        h = self.action_in(before) + self.position[: before.shape[1]]
        for block, k, v in zip(self.blocks, memory.keys, memory.values, strict=True):
            h = block.action(h, 1, k, v, memory.bias)
        says: torch.Tensor = self.out(self.norm(h)).float() @ codebook.T
        return says

    def greedy(self, memory: Memory, codebook: torch.Tensor, count: int) -> torch.Tensor:
        """Return chunks (B, H, D): always the most likely next digit's embedding.

        Args:
            memory: From `prepare`, for B conditions.
            codebook: (10, D).
            count: B.
        """
        said = codebook.new_zeros((count, 1, codebook.shape[1]))
        for _ in range(self.config.horizon):
            digit = self.logits(said, memory, codebook)[:, -1:].argmax(dim=-1)
            said = torch.cat([said, codebook[digit]], dim=1)
        return said[:, 1:]


class AutoregressiveLearner(Learner):
    """The policy's learner with cross-entropy under teacher forcing."""

    codebook: torch.Tensor

    def _losses(
        self, batch: Batch, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        head = self.model.head
        memory = head.prepare(self.model.encode(batch.images, batch.text, batch.state))
        before = functional.pad(batch.action[:, :-1], (0, 0, 1, 0))
        logits = head.logits(before, memory, self.codebook)
        loss = functional.cross_entropy(
            logits.flatten(0, 1), nearest(batch.action, self.codebook).flatten()
        )
        return loss, torch.zeros_like(loss)
