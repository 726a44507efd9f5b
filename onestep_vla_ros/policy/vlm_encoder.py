# SPDX-License-Identifier: Apache-2.0
"""A PaliGemma-class model (SigLIP vision tower + Gemma layers) behind the encoder protocol.

The vision tower, the projector and the language model are called directly, with
positions and mask made here: no processor, no placeholder search, no host round trip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PaliGemmaConfig, PaliGemmaModel

from onestep_vla_ros.core.errors import CheckpointError
from onestep_vla_ros.core.parameter import param
from onestep_vla_ros.policy.encoder import Context, Text


@dataclass(frozen=True, slots=True)
class VlmConfig:
    """Architecture of the backbone."""

    model: dict = param(  # type: ignore[type-arg]
        "Content of a transformers PaliGemmaConfig; the paper's full encoder has "
        "text_config.num_hidden_layers 4"
    )
    dtype: str = param("Weights of the backbone", choices=("float32", "bfloat16"))
    max_tokens: int = param("Longest instruction [tokens]", low=4, high=1024)

    @staticmethod
    def contradictions(values: Mapping[str, Any]) -> list[str]:
        """Return what contradicts itself among the `values` that were read, a line each."""
        if "model" not in values:
            return []
        try:
            config = PaliGemmaConfig.from_dict(dict(values["model"]))
            vision, text = config.vision_config, config.text_config
            if vision.projection_dim == text.hidden_size:
                return []
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            return [f"model: got: {error}; allowed: a PaliGemmaConfig as a mapping"]
        return [
            f"model: got: vision projection {vision.projection_dim}; "
            f"allowed: the language width {text.hidden_size}"
        ]

    @property
    def image_size(self) -> int:
        """Edge of the square images the vision tower reads [pixels]."""
        return int(PaliGemmaConfig.from_dict(dict(self.model)).vision_config.image_size)

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids."""
        return int(PaliGemmaConfig.from_dict(dict(self.model)).text_config.vocab_size)


class VlmEncoder(nn.Module):
    """SigLIP + Gemma as encoder.

    Args:
        config: Architecture.
        cameras: Camera names, in the order of their tokens.
        dof: Entries of the state.
    """

    def __init__(self, config: VlmConfig, cameras: tuple[str, ...], dof: int) -> None:
        super().__init__()
        model_config = PaliGemmaConfig.from_dict(dict(config.model))
        self.config, self.cameras = config, cameras
        self.backbone = PaliGemmaModel(model_config).to(getattr(torch, config.dtype))
        self.width = int(model_config.text_config.hidden_size)
        self.state_in = nn.Linear(dof, self.width)

    def load_pretrained(self, folder: Path) -> None:
        """Take the backbone's weights from a local transformers folder (safetensors only).

        Raises:
            CheckpointError: The folder is missing or of another architecture.
        """
        try:
            source = PaliGemmaModel.from_pretrained(
                str(folder),
                config=self.backbone.config,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
            )
            self.backbone.load_state_dict(source.state_dict())
        except (OSError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"backbone folder {folder} cannot be used",
                got=str(error).splitlines()[0],
                allowed="a local PaliGemma folder with config.json and *.safetensors",
            ) from None

    def encode(
        self, images: Mapping[str, torch.Tensor], text: Text, state: torch.Tensor
    ) -> Context:
        """Return image and word tokens after the language layers, then the state token."""
        batch, dtype = len(state), self.backbone.dtype
        stack = torch.cat([images[name] for name in self.cameras])  # (C·B, 3, s, s)
        pixels = stack.to(dtype) / 127.5 - 1.0
        vision = self.backbone.vision_tower(pixel_values=pixels).last_hidden_state
        seen = self.backbone.multi_modal_projector(vision)  # (C·B, P, W)
        seen = seen.view(len(self.cameras), batch, -1, self.width).transpose(0, 1).flatten(1, 2)
        words = self.backbone.get_input_embeddings()(text.ids)
        tokens = torch.cat([seen, words.to(seen.dtype)], dim=1)
        mask = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        mask[:, seen.shape[1] :] = text.mask
        # A prefix without causality: every token sees every token that is not padding.
        bias = torch.zeros(batch, 1, 1, mask.shape[1], dtype=tokens.dtype, device=mask.device)
        bias = bias.masked_fill(~mask[:, None, None, :], torch.finfo(tokens.dtype).min)
        positions = torch.arange(1, mask.shape[1] + 1, device=mask.device).unsqueeze(0)
        hidden = self.backbone.language_model(
            inputs_embeds=tokens,
            attention_mask=bias.expand(-1, -1, mask.shape[1], -1),
            position_ids=positions.expand(batch, -1),
            use_cache=False,
        ).last_hidden_state
        own = self.state_in(state).unsqueeze(1)
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        return Context(torch.cat([hidden.float(), own.float()], dim=1), mask)
