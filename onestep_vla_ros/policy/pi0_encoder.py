# SPDX-License-Identifier: Apache-2.0
"""pi0's image and word half: SigLIP and the Gemma layers whose keys and values the head reads.

Source: `embed_prefix` of src/openpi/models_pytorch/pi0_pytorch.py (openpi 15a9616), of
policies/pi0/modeling_pi0.py (lerobot 0.6.1) and of models/pi0/modeling_pi0.py (transformers
5.23): three writings of one computation. A camera that a robot does not have is masked there,
its tokens seen by nobody and counted nowhere; here it has no tokens, which is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PaliGemmaConfig, PaliGemmaModel

from onestep_vla_ros.core.parameter import param
from onestep_vla_ros.policy.encoder import Context, Text
from onestep_vla_ros.policy.gemma_layers import Seen, read
from onestep_vla_ros.policy.letterbox import FITS, letterbox


@dataclass(frozen=True, slots=True)
class Pi0EncoderConfig:
    """Architecture of the image and word half."""

    model: dict = param("Content of a transformers PaliGemmaConfig")  # type: ignore[type-arg]
    dtype: str = param("Weights of the backbone", choices=("float32", "bfloat16"))
    max_tokens: int = param("Longest instruction, its start and end included", low=4, high=1024)
    fit: str = param("How images become squares, see `letterbox.FITS`", choices=FITS)

    @staticmethod
    def contradictions(values: Mapping[str, Any]) -> list[str]:
        """Return what contradicts itself among the `values` that were read, a line each."""
        try:
            config: Any = PaliGemmaConfig.from_dict(dict(values.get("model", {})))
            found = config.projection_dim, config.text_config.hidden_size
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            return [f"model: got: {error}; allowed: a PaliGemmaConfig as a mapping"]
        if found[0] == found[1] or "model" not in values:
            return []
        return [f"model: got: projection {found[0]}; allowed: the language width {found[1]}"]

    @property
    def paligemma(self) -> Any:  # noqa: ANN401 - its sections are typed as maybe mappings
        """The configuration as transformers has it, a PaliGemmaConfig."""
        return PaliGemmaConfig.from_dict(dict(self.model))

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids."""
        return int(self.paligemma.text_config.vocab_size)


@dataclass(frozen=True, slots=True)
class Pi0Context(Context):
    """What the action expert may look at.

    Attributes:
        seen: Keys and values of `tokens` in every language layer.
        state: The normalised robot state, (B, D).
    """

    seen: Seen | None = None
    state: torch.Tensor | None = None


class Pi0Encoder(nn.Module):
    """SigLIP and Gemma behind the encoder protocol.

    Args:
        config: Architecture.
        cameras: Camera names, in the order of their tokens.
        dof: Not read: the state goes to the head, which pads it.
    """

    def __init__(self, config: Pi0EncoderConfig, cameras: tuple[str, ...], dof: int) -> None:
        super().__init__()
        self.config, self.cameras = config, cameras
        self.backbone = PaliGemmaModel(config.paligemma).to(getattr(torch, config.dtype))
        self.edge = int(config.paligemma.vision_config.image_size)
        self.width = int(config.paligemma.text_config.hidden_size)

    def encode(
        self, images: Mapping[str, torch.Tensor], text: Text, state: torch.Tensor
    ) -> Pi0Context:
        """Return the tokens that enter the language layers, and what the head sees of them.

        Args:
            images: Camera name to (B, 3, h, w), uint8 or float in 0..255, RGB, of any size.
            text: The instructions.
            state: Normalised robot state, (B, D).
        """
        model, batch = self.backbone, len(state)
        views = [letterbox(images[name], self.edge, self.config.fit) for name in self.cameras]
        pixels = torch.cat(views).to(model.dtype)  # (C·B, 3, s, s)
        vision = model.vision_tower(pixel_values=pixels).last_hidden_state
        seen = model.multi_modal_projector(vision)  # (C·B, P, W)
        seen = seen.view(len(self.cameras), batch, -1, self.width).transpose(0, 1).flatten(1, 2)
        # Not through the embedding's own forward: whether that scales depends on the version.
        scale = torch.tensor(self.width**0.5).to(model.dtype)
        words = functional.embedding(text.ids, model.get_input_embeddings().weight) * scale
        tokens = torch.cat([seen, words], dim=1)
        mask = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        mask[:, seen.shape[1] :] = text.mask
        return Pi0Context(tokens, mask, read(model.language_model, tokens, mask), state)
