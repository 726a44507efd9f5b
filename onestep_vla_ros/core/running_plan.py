# SPDX-License-Identifier: Apache-2.0
"""The plan as the bridge tells it, and what of it is decided before a new chunk can arrive."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.joints import DOF
from onestep_vla_ros.core.spline import Spline


class RunningPlan:
    """Waypoints for `OneStepPolicy.infer` to go on from.

    Thread: `take` may run on another than `ahead`.

    Args:
        period_s: Time between the policy's waypoints [s].
        prefix_s: Time from an observation to its chunk at the bridge to count on [s].
        longest: Most waypoints the policy can go on from.
    """

    def __init__(self, period_s: float, prefix_s: float, longest: int) -> None:
        self._period_s = period_s
        self.count = min(longest, math.ceil(prefix_s / period_s - 1e-9))
        """Waypoints that `ahead` gives at most."""
        self._spline: Spline | None = None

    def take(self, plan: Chunk | None) -> None:
        """Take what the bridge follows from now on, None when it follows nothing."""
        if plan is None or len(plan.q) < 2 or not np.isfinite(plan.q).all():
            self._spline = None
        else:
            self._spline = Spline(plan.q, plan.times_s[0], plan.period_s)

    def ahead(self, stamp_s: float) -> NDArray[np.float64]:
        """Return the first waypoints after an observation of `stamp_s`, (d, 14) with d <= count.

        They end where the plan told last does: nothing is guessed.
        """
        spline = self._spline
        times = stamp_s + self._period_s * np.arange(1.0, self.count + 1)
        rows = []
        for t_s in times.tolist():
            if spline is None or not spline.start_s <= t_s <= spline.end_s:
                break
            rows.append(spline.sample(t_s)[0])
        return np.array(rows).reshape(len(rows), DOF)
