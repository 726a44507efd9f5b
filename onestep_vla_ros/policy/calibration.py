# SPDX-License-Identifier: Apache-2.0
"""The calibration of `steps: auto`: which ambiguity is more than demonstrations usually have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.parameter import param

AUTO_QUANTILE = 0.95
"""Part of the held-out frames that one step answers.

It is a budget: on data like the demonstrations 5 chunks in 100 take ten steps more than the two
evaluations of the test, 2 + 0.05·10 = 2.5 on average. It does not say that 5 % are ambiguous.
"""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the gap was on demonstrations that were held out; see `ambiguity.gap`."""

    threshold: float = param("Gap above which auto takes more steps, normalised units", low=0.0)
    median: float = param("Half of the frames had a smaller gap", low=0.0)
    quantile: float = param("Part of the frames below the threshold", low=0.0, high=1.0)
    frames: int = param("How many frames", low=1)

    @staticmethod
    def fit(gaps: NDArray[np.float64], quantile: float = AUTO_QUANTILE) -> Calibration:
        """Return the calibration on gaps (N,), N >= 1."""
        median, threshold = np.quantile(gaps, [0.5, quantile])
        return Calibration(float(threshold), float(median), quantile, len(gaps))
