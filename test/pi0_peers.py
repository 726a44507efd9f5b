# SPDX-License-Identifier: Apache-2.0
"""Tiny random pi0 policies, in memory as transformers has them and on disk as each project does.

`policy/peers/lerobot.json` and `openpi.json` beside it were recorded outside of this repository
from the projects' own code: names and shapes of the tensors, documents, and the chunks that the
model made, whose weights, images and state follow from formulas (`wave`, `picture`, `measured`).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PI0Config, PI0ForConditionalGeneration

from onestep_vla_ros.core.observation import Observation

EDGE, HORIZON, WIDTH = 28, 5, 32
VOCABULARY = 320
SENTENCE = "put the red cube on the plate"
START, PAD = "<bos>", "<pad>"


def random_pi0(seed: int = 0) -> PI0ForConditionalGeneration:
    """Return a pi0 of 0.2 M weights, large enough that a swapped pair of them shows."""
    torch.manual_seed(seed)
    gemma = {
        "model_type": "gemma",
        "num_hidden_layers": 3,
        "num_attention_heads": 8,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "vocab_size": VOCABULARY,
    }
    config = PI0Config(
        vlm_config={
            "model_type": "paligemma",
            "projection_dim": 64,
            "image_token_id": VOCABULARY - 1,
            "text_config": {**gemma, "hidden_size": 64, "intermediate_size": 96},
            "vision_config": {
                "model_type": "siglip_vision_model",
                "hidden_size": 32,
                "intermediate_size": 48,
                "num_hidden_layers": 2,
                "num_attention_heads": 16,
                "patch_size": 14,
                "image_size": EDGE,
                "projection_dim": 64,
                "vision_use_head": False,
            },
        },
        dit_config={**gemma, "hidden_size": 48, "intermediate_size": 40},
        chunk_size=HORIZON,
    )
    model = PI0ForConditionalGeneration(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.08)
    return model


def write_tokenizer(folder: Path) -> None:
    """Write a byte-level tokenizer with a start token and, as PaliGemma, <image> at the end."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=[PAD, "<eos>", START],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    raw.train_from_iterator([SENTENCE], trainer)
    data = json.loads(raw.to_str())
    extra = {**data["added_tokens"][-1], "id": raw.get_vocab_size(), "content": "<image>"}
    data["added_tokens"].append(extra)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(data))


def statistics(length: int, seed: int) -> dict[str, list[float]]:
    """Return made-up statistics of a state or an action."""
    rng = np.random.default_rng(seed)
    mean, std = rng.normal(0.3, 0.2, length), rng.uniform(0.1, 0.4, length)
    numbers = {
        "mean": mean,
        "std": std,
        "min": mean - 3 * std,
        "max": mean + 2.5 * std,
        "q01": mean - 2 * std,
        "q99": mean + 2.2 * std,
    }
    return {name: value.tolist() for name, value in numbers.items()}


def write_transformers(folder: Path, model: PI0ForConditionalGeneration, state: int, dof: int):
    """Write a transformers folder; its tokenizer lies in it."""
    model.save_pretrained(folder)
    write_tokenizer(folder)
    own, action = statistics(state, 1), statistics(dof, 2)
    document = {
        "processor_class": "PI0Processor",
        "state_mean": own["mean"],
        "state_std": own["std"],
        "actions_mean": action["mean"],
        "actions_std": action["std"],
        "max_state_dim": WIDTH,
        "chunk_size": HORIZON,
    }
    (folder / "processor_config.json").write_text(json.dumps(document))
    return folder


KEPT = "paligemma_with_expert.paligemma.lm_head.weight"
TIED = "paligemma_with_expert.paligemma.model.language_model.embed_tokens.weight"
RECORDED = Path(__file__).parent / "policy" / "peers"


def sheet(images: tuple[str, str], **more: object) -> dict[str, object]:
    """Return a robot's sheet with the two cameras of the recorded model."""
    return {
        "embodiment": "libero_panda",
        "cameras": {
            "agent": {"image": images[0], "height": 20, "width": 30},
            "wrist": {"image": images[1], "height": 36, "width": 24},
        },
        "period_s": 0.05,
        "instruction_examples": [SENTENCE],
        "start_low": [0.0] * 8,
        "start_high": [1.0] * 8,
        **more,
    }


def observation() -> Observation:
    """Return what the recorded model saw."""
    images = {"agent": picture(20, 30, 0), "wrist": picture(36, 24, 1)}
    stamps = dict.fromkeys(images, 0.0)
    return Observation(images, stamps, measured(8), np.zeros(8), 0.0, SENTENCE)


def recorded(project: str) -> dict:
    """Return what was recorded of a project's own model: names, shapes, documents, chunks."""
    return json.loads((RECORDED / f"{project}.json").read_text(encoding="utf-8"))


def wave(shape: tuple[int, ...], place: int) -> torch.Tensor:
    """Return the weights that the recorded model had, the `place`-th of its sorted names."""
    count = np.arange(int(np.prod(shape)), dtype=np.float64)
    values = 0.14 * np.sin(count * 12.9898 + place * 7.233)
    return torch.from_numpy(values.reshape(shape).astype(np.float32))


def picture(height: int, width: int, phase: int) -> np.ndarray:
    """Return the image that the recorded model saw, (h, w, 3) uint8."""
    count = np.arange(height * width * 3, dtype=np.float64)
    values = (np.sin(count * 0.7 + phase) * 0.5 + 0.5) * 255
    return values.astype(np.uint8).reshape(height, width, 3)


def measured(length: int) -> np.ndarray:
    """Return the state that the recorded model read."""
    return np.sin(np.arange(length, dtype=np.float64) * 1.7 + 3) * 0.5


def recorded_weights(names: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    """Return the tensors of the recorded model under its own names."""
    places = {name: place for place, name in enumerate(sorted({*names, TIED}))}
    places[KEPT] = places[TIED]  # openpi's save keeps one name of the two
    return {name: wave(tuple(shape), places[name]) for name, shape in names.items()}


def write_lerobot(folder: Path, case: str) -> Path:
    """Write the folder that LeRobot wrote of the recorded model."""
    record = recorded("lerobot")
    folder.mkdir(parents=True)
    for name, document in record["cases"][case]["documents"].items():
        (folder / name).write_text(json.dumps(document))
    stats = {"observation.state": statistics(8, 1), "action": statistics(7, 2)}
    flat = {
        f"{k}.{n}": torch.tensor(v) for k, numbers in stats.items() for n, v in numbers.items()
    }
    for step in (
        "policy_preprocessor_step_6_normalizer_processor",
        "policy_postprocessor_step_0_unnormalizer_processor",
    ):
        safetensors.torch.save_file(flat, folder / f"{step}.safetensors")
    tensors = recorded_weights(record["tensors"])
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    return folder


def write_openpi(folder: Path) -> Path:
    """Write the folder that openpi's conversion would have written of the recorded model."""
    record = recorded("openpi")
    assets = folder / "assets" / "robot"
    assets.mkdir(parents=True)
    tensors = recorded_weights(record["tensors"])
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(record["config.json"]))
    stats = {"state": statistics(8, 1), "actions": statistics(7, 2)}
    (assets / "norm_stats.json").write_text(json.dumps({"norm_stats": stats}))
    return folder
