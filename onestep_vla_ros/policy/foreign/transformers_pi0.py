# SPDX-License-Identifier: Apache-2.0
"""A folder that `PI0ForConditionalGeneration.save_pretrained` of transformers wrote.

    config.json                   sizes, chunk_size, periods
    *.safetensors                 weights, in one file or several
    processor_config.json         state_mean, state_std, actions_mean, actions_std
    tokenizer.json                of PaliGemma

Source: models/pi0 of transformers 5.23.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import transformers

from onestep_vla_ros.core.errors import CheckpointError, raise_all
from onestep_vla_ros.policy.foreign.affine import Affine, faults_of
from onestep_vla_ros.policy.foreign.folder import read_json
from onestep_vla_ros.policy.foreign.source import Source
from onestep_vla_ros.policy.foreign.weights import renamed

PROCESSOR = "processor_config.json"
EPS = 1e-8
"""Added to the standard deviations by `PI0Processor.normalize`."""
MAX_TOKENS = 48


def read_transformers(folder: Path) -> Source:
    """Return the policy in a transformers folder.

    Raises:
        CheckpointError: Lists every fault: weights that are missing, unknown or of another
            shape, statistics that are missing.
    """
    model = _load(folder)
    config = model.config
    weights = renamed(model.state_dict())
    stats = read_json(folder / PROCESSOR)
    given = {
        name: {"mean": stats.get(f"{name}_mean"), "std": stats.get(f"{name}_std")}
        for name in ("state", "actions")
    }
    faults = [
        fault
        for name, numbers in given.items()
        for fault in faults_of(numbers, ("mean", "std"), f"{PROCESSOR}: {name}")
    ]
    raise_all(
        CheckpointError,
        f"statistics in {folder}",
        faults,
        "make the processor with the mean and std of the training data and save it here again",
    )
    return Source(
        project="transformers",
        weights=weights,
        model=config.vlm_config.to_dict(),
        expert=config.dit_config.to_dict(),
        horizon=int(config.chunk_size),
        periods=(float(config.min_period), float(config.max_period)),
        time="float32",
        fit="corner",
        max_tokens=MAX_TOKENS,
        steps=int(config.num_inference_steps),
        images=None,
        state=_affine(given["state"]),
        action=_affine(given["actions"]),
        relative=None,
        tokenizer=folder,
    )


def _affine(numbers: Mapping[str, object]) -> Affine:
    return Affine.of_moments(numbers, EPS)


def _load(folder: Path) -> Any:  # noqa: ANN401 - a class that early transformers 5 has not
    """Return the model as it was saved: its own type of number, nothing filled in."""
    kind = getattr(transformers, "PI0ForConditionalGeneration", None)
    if kind is None:
        raise CheckpointError(
            "this transformers has no pi0",
            got=transformers.__version__,
            do="pip install --upgrade 'transformers<6'",
        )
    try:
        loaded = kind.from_pretrained(
            str(folder),
            dtype="auto",
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"transformers folder {folder} cannot be used",
            got=(str(error) or repr(error)).splitlines()[0],
            allowed="config.json and *.safetensors of PI0ForConditionalGeneration",
        ) from None
    model, report = loaded
    faults = [f"{name}: missing" for name in sorted(report["missing_keys"])]
    faults += [f"{name}: unknown tensor" for name in sorted(report["unexpected_keys"])]
    faults += [f"{name}: of another shape" for name in sorted(map(str, report["mismatched_keys"]))]
    raise_all(CheckpointError, f"weights in {folder}", faults, "copy the folder again, whole")
    return model
