# SPDX-License-Identifier: Apache-2.0
"""Finding out who wrote a foreign folder, and reading it; or saying why it cannot be read."""

from __future__ import annotations

from pathlib import Path

from onestep_vla_ros.core.errors import CheckpointError
from onestep_vla_ros.policy.foreign.folder import WEIGHTS, read_json
from onestep_vla_ros.policy.foreign.lerobot import read_lerobot
from onestep_vla_ros.policy.foreign.openpi import read_openpi
from onestep_vla_ros.policy.foreign.sheet import Sheet
from onestep_vla_ros.policy.foreign.source import Source
from onestep_vla_ros.policy.foreign.transformers_pi0 import read_transformers

ALLOWED = (
    "a pi0 folder of LeRobot (config.json with type pi0), of openpi's PyTorch side "
    "(model.safetensors and assets/), or of transformers (config.json with model_type pi0)"
)
JAX_DO = (
    "convert it with openpi first: python examples/convert_jax_model_to_pytorch.py "
    "--checkpoint_dir FOLDER --config_name NAME --output_path OUT; it takes pi0, not the "
    "paper's heads: see checkpoints.md"
)


def open_source(folder: Path, sheet: Sheet) -> Source:
    """Return the policy in `folder`.

    Raises:
        CheckpointError: It is none that can be read, and what to do instead; or its faults.
    """
    if not folder.is_dir():
        raise CheckpointError(f"folder {folder} is missing", allowed=ALLOWED)
    if (folder / "params").is_dir():
        raise CheckpointError(
            f"folder {folder} is a JAX checkpoint",
            got="params/, which orbax wrote",
            allowed=ALLOWED,
            do=JAX_DO,
        )
    path = folder / "config.json"
    config = read_json(path) if path.is_file() else {}
    if config.get("model_type") == "pi0":
        return read_transformers(folder)
    if config.get("type") == "pi0":
        return read_lerobot(folder)
    is_nameless = "type" not in config and "model_type" not in config
    if is_nameless and (folder / WEIGHTS).is_file() and "format" not in config:
        return read_openpi(folder, sheet)
    raise CheckpointError(
        f"folder {folder} holds no policy that can be wrapped", got=_what(config), allowed=ALLOWED
    )


def _what(config: dict[str, object]) -> str:
    if "type" in config:
        return f"a LeRobot policy of type {config['type']!r}"
    if "model_type" in config:
        return f"a transformers model of type {config['model_type']!r}"
    if "format" in config:
        return f"{config['format']!r}: one of our own checkpoints, which load_policy opens"
    return f"no config.json and no {WEIGHTS}" if not config else f"{sorted(config)} in config.json"
