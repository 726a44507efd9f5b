# SPDX-License-Identifier: Apache-2.0
"""A checkpoint folder: safetensors and JSON under a manifest of hashes, nothing else.

    model.safetensors  weights of encoder and head
    config.json        architecture, decoding defaults and calibration, schedule, held-out K table
    contract.json      what the robot must be
    stats.json         normalisation
    tokenizer/         files of the tokenizer
    manifest.json      size and sha256 of every file above

Loading reads no byte as code, and lists every fault before anything else happens.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from transformers import PreTrainedTokenizerBase

from onestep_vla_ros.core.embodiment import BIMANUAL_YAM
from onestep_vla_ros.core.errors import CheckpointError, ConfigError, raise_all
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.policy.calibration import Calibration
from onestep_vla_ros.policy.contract import Contract
from onestep_vla_ros.policy.decoder import Decoding
from onestep_vla_ros.policy.manifest import (
    MANIFEST,
    relist,
    verify_files,
    weight_faults,
    write_json,
    write_manifest,
)
from onestep_vla_ros.policy.model import ModelConfig, OneStepModel
from onestep_vla_ros.policy.normalizer import Normalizer
from onestep_vla_ros.policy.tokenizer import load_tokenizer

FORMAT = "onestep-vla-checkpoint/0"
WEIGHTS, CONFIG, CONTRACT, STATS = (
    "model.safetensors",
    "config.json",
    "contract.json",
    "stats.json",
)
TOKENIZER = "tokenizer"
DO = "train again, or copy the folder again from where it was whole"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything a folder holds.

    Attributes:
        model: Encoder and head, float weights, in evaluation mode.
        contract: What the robot must be.
        normalizer: Dataset statistics.
        tokenizer: Instruction to ids.
        decoding: Default decoding; older ones have no calibration.
        training: Facts of the run: schedule, steps, samples, data; for people.
        held_out: The K table on held-out data: {"episodes", "frames", "rows"}.
    """

    model: OneStepModel
    contract: Contract
    normalizer: Normalizer
    tokenizer: PreTrainedTokenizerBase
    decoding: Decoding = field(default_factory=Decoding)
    training: Mapping[str, object] = field(default_factory=dict)
    held_out: Mapping[str, object] = field(default_factory=dict)


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` to `folder` in one move; an older checkpoint there is replaced.

    Raises:
        CheckpointError: `folder` holds something that is no checkpoint.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise CheckpointError(
            f"folder {folder} is not empty and holds no checkpoint", do="name another folder"
        )
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    state = {k: v.detach().cpu().contiguous() for k, v in checkpoint.model.state_dict().items()}
    safetensors.torch.save_file(state, partial / WEIGHTS, metadata={"format": FORMAT})
    write_json(
        partial / CONFIG,
        {
            "format": FORMAT,
            **checkpoint.model.config.to_json(),
            "decoding": _decoding_json(checkpoint.decoding),
            "training": dict(checkpoint.training),
            "held_out": dict(checkpoint.held_out),
        },
    )
    write_json(partial / CONTRACT, checkpoint.contract.to_json())
    write_json(partial / STATS, checkpoint.normalizer.to_json())
    checkpoint.tokenizer.save_pretrained(str(partial / TOKENIZER))
    write_manifest(partial)
    _swap(partial, folder)


def save_decoding(folder: Path, decoding: Decoding) -> None:
    """Write `decoding` into the checkpoint in `folder`, in one move; all else stays as it is.

    Raises:
        CheckpointError: There is no checkpoint, or a damaged one.
    """
    load_checkpoint(folder)  # a manifest written anew must not make damage look whole
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(folder, partial)
    data = json.loads((partial / CONFIG).read_text(encoding="utf-8"))
    write_json(partial / CONFIG, {**data, "decoding": _decoding_json(decoding)})
    relist(partial, CONFIG)
    _swap(partial, folder)


def _decoding_json(decoding: Decoding) -> dict[str, object]:
    data: dict[str, object] = {"steps": decoding.steps, "noise": decoding.noise}
    if decoding.calibration is not None:
        data["calibration"] = asdict(decoding.calibration)
    return data


def _swap(partial: Path, folder: Path) -> None:
    """Put `partial` in the place of `folder`, whether there is one or not."""
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Return the checkpoint in `folder` after checking every byte of it.

    Raises:
        CheckpointError: Lists every fault: missing, unlisted or foreign files, wrong
            sizes or hashes, pickle or zip bytes, wrong shapes or types, weights or
            statistics that are not finite, parts that contradict each other.
    """
    if not folder.is_dir():
        raise CheckpointError(
            f"checkpoint folder {folder} is missing",
            do="name a folder written by onestep-vla train, or leave the option out",
        )
    required = (WEIGHTS, CONFIG, CONTRACT, STATS, f"{TOKENIZER}/tokenizer.json")
    faults = verify_files(folder, required)
    data, config, contract, normalizer = _documents(folder, faults)
    raise_all(CheckpointError, f"checkpoint {folder}", faults, DO)
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    bad = [k for k, v in tensors.items() if v.is_floating_point() and not v.isfinite().all()]
    faults = [f"{WEIGHTS}: {name} holds NaN or infinity" for name in bad]
    tokenizer = _tokenizer(folder, config, faults)
    decoding = _decoding(data, faults)
    raise_all(CheckpointError, f"checkpoint {folder}", faults, DO)
    model = OneStepModel(config)
    model.load_state_dict(tensors)
    model.eval().requires_grad_(False)
    facts = (data.get("training", {}), data.get("held_out", {}))
    return Checkpoint(model, contract, normalizer, tokenizer, decoding, *facts)


def _documents(
    folder: Path, faults: list[str]
) -> tuple[dict[str, Any], ModelConfig, Contract, Normalizer]:
    """Return config.json, the architecture, the contract and the statistics.

    What cannot be read is None, and then `faults` is not empty.
    """
    data, promise, stats = (_document(folder / n, faults) for n in (CONFIG, CONTRACT, STATS))
    config = _config(data, faults)
    contract, problems = Contract.from_json(promise)
    faults += problems if promise else []
    normalizer = None
    if config is not None:
        head = config.head
        robot = contract.embodiment if contract is not None else BIMANUAL_YAM
        normalizer, problems = Normalizer.from_json(
            stats, head.horizon, config.action_dof, config.state_dof, robot.relative
        )
        faults += problems if stats else []
        faults += _contradictions(config, contract) if contract is not None else []
        faults += weight_faults(folder / WEIGHTS, _shapes(config))
    return data, config, contract, normalizer  # type: ignore[return-value]


def _document(path: Path, faults: list[str]) -> dict[str, Any]:
    """Return the JSON mapping in `path`, or {} with a fault (a missing file has one already)."""
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        faults.append(f"{path.name}: got: no JSON ({error})")
        return {}
    if not isinstance(data, dict):
        faults.append(f"{path.name}: got: {type(data).__name__}; allowed: a mapping")
        return {}
    return data


def _config(data: dict[str, object], faults: list[str]) -> ModelConfig | None:
    if not data:
        return None
    if data.get("format") != FORMAT:
        faults.append(f"{CONFIG}: format: got: {data.get('format')!r}; allowed: {FORMAT!r}")
    try:
        return ModelConfig.from_json(data)
    except ConfigError as error:
        faults.append(f"{CONFIG}: {error.what}")
        return None


def _contradictions(config: ModelConfig, contract: Contract) -> list[str]:
    faults = []
    if config.head.horizon != contract.horizon:
        faults.append(
            f"{CONTRACT}: horizon: got: {contract.horizon}; allowed: {config.head.horizon} "
            f"as in {CONFIG}"
        )
    if config.action_dof != len(contract.joint_names):
        faults.append(
            f"{CONFIG}: head.dof: got: {config.action_dof}; allowed: {len(contract.joint_names)}"
        )
    states = len(contract.embodiment.state_names)
    if (config.state_dof or config.action_dof) != states:
        faults.append(f"{CONFIG}: state_dof: got: {config.state_dof}; allowed: {states}")
    ours = [c.name for c in config.cameras]
    theirs = [c.name for c in contract.cameras]
    if ours != theirs:
        faults.append(f"{CONTRACT}: cameras: got: {theirs}; allowed: {ours} as in {CONFIG}")
    return faults


def _shapes(config: ModelConfig) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return name to (shape, type) of the weights `config` asks for, without memory."""
    with torch.device("meta"):
        state = OneStepModel(config).state_dict()
    return {k: (tuple(v.shape), str(v.dtype).removeprefix("torch.")) for k, v in state.items()}


def _tokenizer(
    folder: Path, config: ModelConfig | None, faults: list[str]
) -> PreTrainedTokenizerBase | None:
    try:
        tokenizer = load_tokenizer(folder / TOKENIZER)
    except Exception as error:  # the tokenizers library raises bare Exceptions on bad files
        faults.append(
            f"{TOKENIZER}: cannot be read: {(str(error) or repr(error)).splitlines()[0]}"
        )
        return None
    known = config.text_ids if config is not None else len(tokenizer)
    if len(tokenizer) > known:
        faults.append(f"{TOKENIZER}: got: {len(tokenizer)} ids; allowed: {known}")
    return tokenizer


def _decoding(data: dict[str, object], faults: list[str]) -> Decoding:
    section = data.get("decoding")
    try:
        given = section.get("calibration")  # type: ignore[union-attr]
        calibration = None if given is None else from_mapping(Calibration, given, "calibration")
        return Decoding(section["steps"], section["noise"], 0, calibration)  # type: ignore[index]
    except (KeyError, TypeError, AttributeError):
        faults.append(f"{CONFIG}: decoding: got: {section!r}; allowed: steps, noise")
    except ConfigError as error:
        faults.append(f"{CONFIG}: {error.what}")
    return Decoding()
