# SPDX-License-Identifier: Apache-2.0
"""Foreign statistics as what they all are: x ↦ (x − offset)/scale, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MODES: dict[str, tuple[str, ...]] = {
    "MEAN_STD": ("mean", "std"),
    "MIN_MAX": ("min", "max"),
    "QUANTILES": ("q01", "q99"),
    "QUANTILE10": ("q10", "q90"),
}
"""LeRobot's name of a normalisation to the two statistics it takes."""

TINY = 1e-8
"""Scale of an entry that never moved: small enough to stay where it was, and not zero."""


@dataclass(frozen=True, slots=True)
class Affine:
    """A normalisation of D entries.

    Attributes:
        offset: (D,) in the robot's units.
        scale: (D,) > 0, in the robot's units.
    """

    offset: NDArray[np.float64]
    scale: NDArray[np.float64]

    @staticmethod
    def of_moments(stats: Mapping[str, object], eps: float) -> Affine:
        """Return (x − mean)/(std + eps)."""
        mean, std = (np.asarray(stats[key], dtype=np.float64) for key in ("mean", "std"))
        return Affine(mean, std + eps)

    @staticmethod
    def of_range(low: NDArray[np.float64], width: NDArray[np.float64]) -> Affine:
        """Return 2·(x − low)/width − 1, which is (x − low − width/2)/(width/2)."""
        return Affine(low + width / 2.0, width / 2.0)


def faults_of(stats: object, keys: tuple[str, ...], where: str) -> list[str]:
    """Return why `stats` has not the statistics `keys` of one length, a line each."""
    if not isinstance(stats, Mapping):
        return [f"{where}: got: {type(stats).__name__}; allowed: a mapping with {list(keys)}"]
    faults, shapes = [], set()
    for key in keys:
        try:
            value = np.asarray(stats[key], dtype=np.float64)
        except KeyError:
            faults.append(f"{where}.{key}: missing; got: {sorted(stats)}")
            continue
        except (TypeError, ValueError):
            faults.append(f"{where}.{key}: got: {type(stats[key]).__name__}; allowed: numbers")
            continue
        shapes.add(value.shape)
        if value.ndim != 1 or not value.size or not np.isfinite(value).all():
            faults.append(f"{where}.{key}: got: shape {value.shape}; allowed: (D,), finite")
    if not faults and len(shapes) > 1:
        faults.append(f"{where}: got: shapes {sorted(shapes)}; allowed: one length for all")
    return faults


def openpi_affine(stats: Mapping[str, object], is_quantile: bool) -> Affine:
    """Return openpi's normalisation of a state or of actions.

    (x − mean)/(std + 1e-6), or 2·(x − q01)/(q99 − q01 + 1e-6) − 1.
    Source: `Normalize` and `Unnormalize` of src/openpi/transforms.py (openpi 15a9616).
    """
    if not is_quantile:
        return Affine.of_moments(stats, 1e-6)
    low, high = (np.asarray(stats[key], dtype=np.float64) for key in ("q01", "q99"))
    return Affine.of_range(low, high - low + 1e-6)


def lerobot_affine(stats: Mapping[str, object], mode: str, eps: float, is_action: bool) -> Affine:
    """Return LeRobot's normalisation `mode`, a key of `MODES`.

    eps is added to the standard deviation on the way in and not on the way out; a range of no
    width becomes one of eps.
    Source: `_apply_transform` of processor/normalize_processor.py (lerobot 0.6.1).
    """
    if mode == "MEAN_STD":
        found = Affine.of_moments(stats, 0.0 if is_action else eps)
        return Affine(found.offset, np.maximum(found.scale, TINY))
    low, high = (np.asarray(stats[key], dtype=np.float64) for key in MODES[mode])
    return Affine.of_range(low, np.where(high == low, eps, high - low))
