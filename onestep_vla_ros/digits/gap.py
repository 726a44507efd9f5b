# SPDX-License-Identifier: Apache-2.0
"""What the gap of a second look tells: is the input ambiguous, and are more steps worth it.

"auto" is the policy's: one step from zero noise, a second look (`policy.ambiguity`), and where the
gap is above a threshold ten steps from sampled noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.policy.calibration import AUTO_QUANTILE
from onestep_vla_ros.policy.decoder import AUTO_STEPS
from onestep_vla_ros.trials import Z_95

LOOK = 2
"""Evaluations for one step and its gap; `AUTO_STEPS` come on top where it is too large."""
LOSS = 0.01
"""What a threshold set for accuracy may give away against ten steps, of 1."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Auroc:
    """Area under the ROC curve with its 95 % interval."""

    area: float
    interval: tuple[float, float]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON."""
        return {"area": self.area, "interval": list(self.interval)}


def auroc(score: Floats, is_positive: Flags) -> Auroc | None:
    """Return P(score of a positive > score of a negative), ties half; None without both.

    Source of the interval: J. A. Hanley and B. J. McNeil, "The meaning and use of the area
    under a receiver operating characteristic (ROC) curve", Radiology 143 (1982).
    """
    positive, negative = int(is_positive.sum()), int((~is_positive).sum())
    if not positive or not negative:
        return None
    values, where = np.unique(score, return_inverse=True)
    counts = np.bincount(where, minlength=len(values))
    ranks = np.cumsum(counts) - (counts - 1) / 2  # mean rank of equal values
    area = (ranks[where][is_positive].sum() - positive * (positive + 1) / 2) / (
        positive * negative
    )
    q1, q2 = area / (2 - area), 2 * area * area / (1 + area)
    variance = (
        area * (1 - area) + (positive - 1) * (q1 - area**2) + (negative - 1) * (q2 - area**2)
    )
    half = Z_95 * math.sqrt(max(variance, 0.0) / (positive * negative))
    return Auroc(float(area), (max(float(area) - half, 0.0), min(float(area) + half, 1.0)))


@dataclass(frozen=True, slots=True)
class Inputs:
    """Outcomes of the same inputs, entry i of every array the same one.

    Attributes:
        gap: (N,) of the second look, `policy.ambiguity.gap`.
        step_gap: (N,) root mean square of x₁ − x₂, one step less two from the same noise.
        is_ambiguous: (N,).
        one: (N,) right with one step from zero noise.
        two: Right with two steps from sampled noise; `ten` likewise.
    """

    gap: Floats
    step_gap: Floats
    is_ambiguous: Flags
    one: Flags
    two: Flags
    ten: Flags

    def weights(self, share: float) -> Floats:
        """Return weights (N,) that sum to 1 and give ambiguous inputs this share."""
        ambiguous = max(int(self.is_ambiguous.sum()), 1)
        clear = max(int((~self.is_ambiguous).sum()), 1)
        raw = np.where(self.is_ambiguous, share / ambiguous, (1.0 - share) / clear)
        return np.asarray(raw / raw.sum(), dtype=np.float64)

    def rate(self, right: Flags, share: float) -> float:
        """Return the success rate where ambiguous inputs have this share."""
        return float(self.weights(share) @ right)

    def auto(self, threshold: float, share: float) -> tuple[float, float]:
        """Return success rate and mean evaluations of "auto" with this threshold."""
        weights, more = self.weights(share), self.gap > threshold
        rate = float(weights @ np.where(more, self.ten, self.one))
        return rate, LOOK + AUTO_STEPS * float(weights @ more)

    def budget_threshold(self, share: float, quantile: float = AUTO_QUANTILE) -> float:
        """Return the threshold that the policy's calibration sets: a quantile of the gap.

        Of inputs of which ambiguous ones have this share, as in demonstrations held out.
        """
        order = np.argsort(self.gap)
        below = np.cumsum(self.weights(share)[order])
        first = int(np.searchsorted(below, quantile - 1e-9))
        return float(self.gap[order[min(first, len(order) - 1)]])

    def accuracy_threshold(self, share: float, loss: float = LOSS) -> float:
        """Return the largest threshold with which "auto" loses at most `loss` to ten steps."""
        target = self.rate(self.ten, share) - loss
        for threshold in np.unique(self.gap)[::-1]:
            if self.auto(float(threshold), share)[0] >= target:
                return float(threshold)
        return -1.0  # ten steps everywhere
