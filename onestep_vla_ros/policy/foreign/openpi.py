# SPDX-License-Identifier: Apache-2.0
"""A folder of openpi's PyTorch side.

    model.safetensors                  weights
    config.json                        action_horizon; only the conversion from JAX writes it
    assets/<asset>/norm_stats.json     {"norm_stats": {"state": …, "actions": …}}

Optimizer and metadata (`*.pt`) are pickles and are not opened. The folder does not say which
normalisation its training configuration chose, which actions that made relative to the state,
nor (without config.json) the horizon: these come from the robot's sheet.

Source: examples/convert_jax_model_to_pytorch.py, scripts/train_pytorch.py,
src/openpi/shared/normalize.py, src/openpi/policies (openpi 15a9616).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onestep_vla_ros.core.errors import CheckpointError, raise_all
from onestep_vla_ros.policy.foreign.affine import faults_of, openpi_affine
from onestep_vla_ros.policy.foreign.folder import WEIGHTS, read_json, read_tensors
from onestep_vla_ros.policy.foreign.sheet import Sheet
from onestep_vla_ros.policy.foreign.source import Source
from onestep_vla_ros.policy.foreign.weights import renamed, sizes

IMAGES = ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")
"""The three images of every pi0, in token order; those a robot lacks are masked."""
PERIODS = (4e-3, 4.0)
MAX_TOKENS, STEPS = 48, 10


def read_openpi(folder: Path, sheet: Sheet) -> Source:
    """Return the policy in an openpi folder.

    Raises:
        CheckpointError: Lists every fault of the weights, or of the rest.
    """
    faults: list[str] = []
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    horizon = config.get("action_horizon", sheet.horizon or None)
    if not isinstance(horizon, int) or isinstance(horizon, bool) or horizon < 1:
        faults.append(f"horizon: got: {horizon!r}; do: give `horizon` in the robot's sheet")
    stats = _norm_stats(folder, sheet.asset, faults)
    keys = ("q01", "q99") if sheet.statistics == "quantiles" else ("mean", "std")
    for part in ("state", "actions") if stats else ():
        faults += faults_of(stats.get(part), keys, f"norm_stats.json: {part}")
    raise_all(CheckpointError, f"openpi folder {folder}", faults, "see checkpoints.md")
    weights = renamed(read_tensors(folder / WEIGHTS))
    model, expert = sizes(weights)
    is_quantile = sheet.statistics == "quantiles"
    return Source(
        project="openpi",
        weights=weights,
        model=model,
        expert=expert,
        horizon=int(horizon),  # type: ignore[call-overload]
        periods=PERIODS,
        time="float64",
        fit="smooth",
        max_tokens=MAX_TOKENS,
        steps=STEPS,
        images=IMAGES,
        state=openpi_affine(stats["state"], is_quantile),
        action=openpi_affine(stats["actions"], is_quantile),
        relative=None,
        tokenizer=folder,
        is_padded=True,
        is_tidied=True,
    )


def _norm_stats(folder: Path, asset: str, faults: list[str]) -> dict[str, Any]:
    """Return the statistics of `asset`, or of the only one there is."""
    found = {
        path.parent.relative_to(folder / "assets").as_posix(): path
        for path in sorted((folder / "assets").rglob("norm_stats.json"))
    }
    if asset not in found and (asset or len(found) != 1):
        faults.append(
            f"assets/<asset>/norm_stats.json: got: {asset or 'no choice'}; "
            f"allowed: {sorted(found)}; do: give `asset` in the robot's sheet"
        )
        return {}
    data = read_json(found[asset] if asset else next(iter(found.values())))
    stats = data.get("norm_stats")
    if not isinstance(stats, dict):
        faults.append(f"norm_stats.json: got: {sorted(data)}; allowed: norm_stats")
        return {}
    return stats
