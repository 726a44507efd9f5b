# SPDX-License-Identifier: Apache-2.0
"""A pi0 folder of LeRobot, 0.4 and later.

    config.json                  type "pi0", features, normalization_mapping, chunk_size, periods
    model.safetensors            weights
    policy_preprocessor.json     steps before the model; the normalizer names its file
    policy_postprocessor.json    steps after it
    policy_*_normalizer_processor.safetensors    "observation.state.mean", "action.std", …

Source: configs/policies.py, policies/pi0, processor/pipeline.py, normalize_processor.py and
relative_action_processor.py (lerobot 0.6.1).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onestep_vla_ros.core.errors import CheckpointError, raise_all
from onestep_vla_ros.policy.foreign.affine import MODES, Affine, faults_of, lerobot_affine
from onestep_vla_ros.policy.foreign.folder import WEIGHTS, read_json, read_tensors
from onestep_vla_ros.policy.foreign.source import Source
from onestep_vla_ros.policy.foreign.weights import renamed, sizes

STATE, ACTION, IMAGES = "observation.state", "action", "observation.images."
BEFORE, AFTER = "policy_preprocessor.json", "policy_postprocessor.json"
KNOWN_STEPS: dict[str, frozenset[str]] = {
    BEFORE: frozenset(
        (
            "rename_observations_processor",
            "to_batch_processor",
            "pi0_new_line_processor",
            "tokenizer_processor",
            "device_processor",
            "relative_actions_processor",
            "normalizer_processor",
        )
    ),
    AFTER: frozenset(("unnormalizer_processor", "absolute_actions_processor", "device_processor")),
}
"""Steps whose effect is known; what else a folder asks for would be left out in silence."""


def read_lerobot(folder: Path) -> Source:
    """Return the policy in a LeRobot folder.

    Raises:
        CheckpointError: Lists every fault of the documents, or of the weights.
    """
    config = read_json(folder / "config.json")
    faults: list[str] = []
    before, after = (_steps(folder / name, faults) for name in (BEFORE, AFTER))
    images = _images(config, faults)
    state = _statistics(folder, before.get("normalizer_processor"), STATE, faults)
    action = _statistics(folder, after.get("unnormalizer_processor"), ACTION, faults)
    usual = {"chunk_size": None, "min_period": 4e-3, "max_period": 4.0}
    numbers: dict[str, Any] = {key: config.get(key, value) for key, value in usual.items()}
    faults += [
        f"config.json: {key}: got: {value!r}; allowed: a number > 0"
        for key, value in numbers.items()
        if not isinstance(value, (int, float)) or not value > 0
    ]
    raise_all(CheckpointError, f"LeRobot folder {folder}", faults, "see checkpoints.md")
    weights = renamed(read_tensors(folder / WEIGHTS))
    model, expert = sizes(weights)
    return Source(
        project="LeRobot",
        weights=weights,
        model=model,
        expert=expert,
        horizon=int(numbers["chunk_size"]),
        periods=(float(numbers["min_period"]), float(numbers["max_period"])),
        time="float64",
        fit="plain",
        max_tokens=int(before.get("tokenizer_processor", {}).get("max_length", 48)),
        steps=int(config.get("num_inference_steps", 10)),  # type: ignore[call-overload]
        images=images,
        state=state,  # type: ignore[arg-type]
        action=action,  # type: ignore[arg-type]
        relative=_relative(before.get("relative_actions_processor", {}), action),
        tokenizer=folder,
    )


def _steps(path: Path, faults: list[str]) -> dict[str, dict[str, Any]]:
    """Return the steps of a pipeline: name to configuration, its file's name under "file"."""
    if not path.is_file():
        faults.append(
            f"{path.name}: missing; do: for a folder from before LeRobot 0.4, first "
            "python -m lerobot.processor.migrate_policy_normalization"
        )
        return {}
    entries = read_json(path).get("steps")
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        faults.append(f"{path.name}: steps: got: {type(entries).__name__}; allowed: a list")
        return {}
    known = KNOWN_STEPS[path.name]
    names = [str(e.get("registry_name", e.get("class"))) for e in entries]
    faults += [
        f"{path.name}: step {name}: unknown; allowed: {sorted(known)}"
        for name in names
        if name not in known
    ]
    return {
        name: {**(entry.get("config") or {}), "file": entry.get("state_file")}
        for name, entry in zip(names, entries, strict=True)
    }


def _images(config: dict[str, object], faults: list[str]) -> tuple[str, ...]:
    """Return the names of the images in token order, the empty ones left out."""
    features, modes = config.get("input_features"), config.get("normalization_mapping")
    if not isinstance(features, dict) or not isinstance(modes, dict):
        faults.append("config.json: input_features, normalization_mapping: allowed: mappings")
        return ()
    if modes.get("VISUAL", "IDENTITY") != "IDENTITY":
        faults.append(f"config.json: VISUAL: got: {modes['VISUAL']}; allowed: IDENTITY")
    names = [
        key.removeprefix(IMAGES)
        for key, feature in features.items()
        if isinstance(feature, dict) and feature.get("type") == "VISUAL"
    ]
    return tuple(name for name in names if not name.startswith("empty_camera_"))


def _statistics(
    folder: Path, step: dict[str, Any] | None, key: str, faults: list[str]
) -> Affine | None:
    """Return the normalisation of `key` as the step in the pipeline does it."""
    if step is None or not step.get("file"):
        faults.append(
            f"{key}: no statistics; got: {'no normalizer' if step is None else 'no file of it'}; "
            "do: fine-tune the base model on your robot first"
        )
        return None
    mode = step.get("norm_map", {}).get("ACTION" if key == ACTION else "STATE")
    if mode not in MODES:
        faults.append(f"{key}: normalisation: got: {mode!r}; allowed: {list(MODES)}")
        return None
    # a name, never a path: the file lies beside the pipeline
    tensors = read_tensors(folder / Path(str(step["file"])).name)
    numbers = {
        name: tensors[f"{key}.{name}"].tolist()
        for name in MODES[mode]
        if f"{key}.{name}" in tensors
    }
    found = faults_of(numbers, MODES[mode], key)
    faults += found
    return None if found else lerobot_affine(numbers, mode, float(step["eps"]), key == ACTION)


def _relative(step: dict[str, Any], action: Affine | None) -> tuple[bool, ...] | None:
    """Return which actions are relative to the state: all but those that a word excludes."""
    if not step.get("enabled") or action is None:
        return (False,) * (0 if action is None else len(action.offset))
    words = [str(word).lower() for word in step.get("exclude_joints") or () if word]
    names = [str(name).lower() for name in step.get("action_names") or ()]
    kept = [any(word in name for word in words) for name in names]
    kept += [False] * (len(action.offset) - len(kept))
    return tuple(not is_kept for is_kept in kept[: len(action.offset)])
