# SPDX-License-Identifier: Apache-2.0
"""Names of pi0's tensors in other projects, and the sizes that can be read off them.

    theirs (openpi; LeRobot has `model.` before each)             ours
    paligemma_with_expert.paligemma.model.vision_tower[.vision_model].…
                                                    encoder.backbone.vision_tower.…
    paligemma_with_expert.paligemma.model.multi_modal_projector.… encoder.backbone.multi_…
    paligemma_with_expert.paligemma.model.language_model[.model].…
                                                    encoder.backbone.language_model.…
    paligemma_with_expert.paligemma.lm_head.weight  …language_model.embed_tokens.weight, where that
                                                    is missing: the two are one when they are tied
    paligemma_with_expert.gemma_expert.model.…      head.expert.…
    paligemma_with_expert.gemma_expert.lm_head.…    not read by anyone, left out
    state_proj, action_in_proj, action_time_mlp_in, action_time_mlp_out, action_out_proj
                                                    head.…
    transformers in memory: model.vlm.…, model.dit.…, embed_action_time.…, action_out_proj

Source: examples/convert_jax_model_to_pytorch.py (openpi 15a9616), policies/pi0/modeling_pi0.py
(lerobot 0.6.1), conversion_mapping.py (transformers 5.23).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from onestep_vla_ros.core.errors import CheckpointError, raise_all

EMBEDDING = "encoder.backbone.language_model.embed_tokens.weight"
SPARE = "spare embedding"
VISION_HEADS = 16
"""Attention heads of SigLIP So400m, the vision tower of every PaliGemma."""

_PROJECTION = r"(state_proj|action_in_proj|action_out_proj|action_time_mlp_in|action_time_mlp_out)"
_RULES: tuple[tuple[str, str], ...] = (
    (r"(model\.)?paligemma_with_expert\.gemma_expert\.(lm_head|model\.embed_tokens)\..*", ""),
    (r"model\.dit\.embed_tokens\..*", ""),
    (r".*vision_tower\.(vision_model\.)?head\..*", ""),
    (r"(model\.)?paligemma_with_expert\.paligemma\.lm_head\.weight", SPARE),
    (
        r"(?:model\.)?paligemma_with_expert\.paligemma\.model\.language_model\.model\.(.*)",
        r"encoder.backbone.language_model.\1",
    ),
    (
        r"(?:(?:model\.)?paligemma_with_expert\.paligemma\.model|model\.vlm)"
        r"\.vision_tower\.vision_model\.(.*)",
        r"encoder.backbone.vision_tower.\1",
    ),
    (
        r"(?:(?:model\.)?paligemma_with_expert\.paligemma\.model|model\.vlm)\.(.*)",
        r"encoder.backbone.\1",
    ),
    (
        r"(?:(?:model\.)?paligemma_with_expert\.gemma_expert\.model|model\.dit)\.(.*)",
        r"head.expert.\1",
    ),
    (rf"(?:model\.|embed_action_time\.)?{_PROJECTION}\.(.*)", r"head.\1.\2"),
)
"""Their name to ours, the first that fits; "" leaves the tensor out."""

_REFUSED: tuple[tuple[str, str], ...] = (
    (r"(model\.)?time_mlp_in\..*", "pi0.5 (adaptive norms, the state as words)"),
    (r".*norm\.dense\..*", "pi0.5 (adaptive norms, the state as words)"),
    (r".*lora.*", "LoRA factors that were not merged into their weights"),
    (r"(un)?normalize_(inputs|targets|outputs)\..*", "statistics among the weights: before 0.4"),
)
"""Tensor names that give away what is no pi0, and what it is instead."""


def renamed(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors under our names.

    Raises:
        CheckpointError: Lists what is no pi0, unknown names and tensors that are there twice.
    """
    found: dict[str, torch.Tensor] = {}
    alien = dict.fromkeys(
        f"got: {what}, as in {name}"
        for pattern, what in _REFUSED
        for name in tensors
        if re.fullmatch(pattern, name)
    )
    shown = dict.fromkeys(line.split(", as in ")[0] for line in alien)
    faults = [next(line for line in alien if line.startswith(what)) for what in shown]
    for name, tensor in tensors.items() if not faults else ():
        ours = our_name(name)
        if ours is None:
            faults.append(f"{name}: unknown tensor")
        elif ours in found:
            faults.append(f"{name}: another tensor is {ours} here already")
        elif ours:
            found[ours] = tensor
    raise_all(CheckpointError, "weights of pi0", faults, "name a pi0 folder; see checkpoints.md")
    spare = found.pop(SPARE, None)
    return found if spare is None else {EMBEDDING: spare, **found}


def our_name(name: str) -> str | None:
    """Return our name of a foreign tensor, "" when nobody reads it, None when it is unknown."""
    for pattern, ours in _RULES:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(ours)
    return None


def sizes(weights: Mapping[str, torch.Tensor]) -> tuple[dict[str, object], dict[str, object]]:
    """Return PaliGemmaConfig and GemmaConfig as the shapes of renamed weights tell them.

    Three numbers no shape tells are those of every pi0: one key head, `VISION_HEADS`, and the
    head width that follows from the first.

    Raises:
        CheckpointError: A tensor that tells a size is missing.
    """
    vision, language = "encoder.backbone.vision_tower.", "encoder.backbone.language_model."
    needed = [
        EMBEDDING,
        f"{vision}embeddings.patch_embedding.weight",
        f"{vision}embeddings.position_embedding.weight",
        f"{vision}encoder.layers.0.mlp.fc1.weight",
        "head.state_proj.weight",
        "head.action_out_proj.bias",
        *(
            f"{gemma}layers.0.{part}.weight"
            for gemma in (language, "head.expert.")
            for part in _TOLD
        ),
    ]
    faults = [f"{name}: missing" for name in needed if name not in weights]
    raise_all(CheckpointError, "weights of pi0", faults, "copy the folder again, whole")
    patch = weights[needed[1]].shape  # (W, 3, p, p)
    side = round(weights[needed[2]].shape[0] ** 0.5)
    text = _gemma(weights, language)
    text["vocab_size"] = weights[EMBEDDING].shape[0]
    model: dict[str, object] = {
        "image_token_index": text["vocab_size"],
        "projection_dim": text["hidden_size"],
        "text_config": text,
        "vision_config": {
            "model_type": "siglip_vision_model",
            "hidden_size": patch[0],
            "intermediate_size": weights[needed[3]].shape[0],
            "num_hidden_layers": _layers(weights, f"{vision}encoder."),
            "num_attention_heads": VISION_HEADS,
            "patch_size": patch[2],
            "image_size": side * patch[2],
            "projection_dim": text["hidden_size"],
            "vision_use_head": False,
        },
    }
    return model, _gemma(weights, "head.expert.")


_TOLD = ("self_attn.q_proj", "self_attn.k_proj", "mlp.up_proj")
"""Tensors of a Gemma layer that tell its sizes."""


def _gemma(weights: Mapping[str, torch.Tensor], prefix: str) -> dict[str, object]:
    query, key, up = (weights[f"{prefix}layers.0.{part}.weight"].shape for part in _TOLD)
    return {
        "model_type": "gemma",
        "hidden_size": query[1],
        "intermediate_size": up[0],
        "num_hidden_layers": _layers(weights, prefix),
        "num_attention_heads": query[0] // key[0],
        "num_key_value_heads": 1,
        "head_dim": key[0],
    }


def _layers(weights: Mapping[str, torch.Tensor], prefix: str) -> int:
    pattern = re.compile(re.escape(prefix) + r"layers\.(\d+)\.")
    return 1 + max(int(m[1]) for m in map(pattern.match, weights) if m)
