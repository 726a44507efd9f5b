# SPDX-License-Identifier: Apache-2.0
"""Reading files of a foreign folder: JSON and safetensors, never anything that runs."""

from __future__ import annotations

import json
from pathlib import Path

import safetensors.torch
import torch

from onestep_vla_ros.core.errors import CheckpointError
from onestep_vla_ros.policy.manifest import JSON_CAP, read_header

WEIGHTS = "model.safetensors"


def read_json(path: Path) -> dict[str, object]:
    """Return the mapping in a JSON file.

    Raises:
        CheckpointError: It is missing, no JSON, no mapping or larger than 64 MiB.
    """
    do = "copy the folder again, whole"
    if not path.is_file():
        raise CheckpointError(f"file {path} is missing", do=do)
    if path.stat().st_size > JSON_CAP:
        raise CheckpointError(f"file {path} is too large", got=path.stat().st_size, do=do)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CheckpointError(f"file {path} is no JSON", got=error, do=do) from None
    if not isinstance(data, dict):
        raise CheckpointError(f"file {path}", got=type(data).__name__, allowed="a mapping", do=do)
    return data


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file.

    Raises:
        CheckpointError: It is missing or no safetensors file.
    """
    allowed = "a safetensors file; no pickle is opened"
    if not path.is_file():
        raise CheckpointError(f"file {path} is missing", allowed=allowed)
    header = read_header(path)
    if isinstance(header, str):
        raise CheckpointError(f"file {path}: {header}", allowed=allowed)
    try:
        tensors: dict[str, torch.Tensor] = safetensors.torch.load_file(path)
    except Exception as error:  # the library's own error derives from Exception alone
        raise CheckpointError(f"file {path} is damaged", got=error, allowed=allowed) from None
    return tensors
