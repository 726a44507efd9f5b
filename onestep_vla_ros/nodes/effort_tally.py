# SPDX-License-Identifier: Apache-2.0
"""What the answers of a policy took, and how ambiguous what it saw was, for diagnostics."""

from __future__ import annotations

from collections import deque

import numpy as np

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.observation import Observation
from onestep_vla_ros.core.running_plan import RunningPlan
from onestep_vla_ros.policy.policy import OneStepPolicy

_KEPT = 10_000


class EffortTally:
    """Stands before a policy and keeps its efforts.

    Thread: `infer` on the worker's, `values` on any.

    Args:
        policy: Loaded.
        plan: What its chunks go on from.
    """

    def __init__(self, policy: OneStepPolicy, plan: RunningPlan) -> None:
        self._policy, self._plan = policy, plan
        self._continued = 0
        self._ambiguities: deque[float] = deque(maxlen=_KEPT)
        self._chunks = self._evaluations = self._more_steps = 0

    def infer(self, observation: Observation) -> Chunk:
        """Return the policy's chunk."""
        given = self._plan.ahead(observation.stamp_s)
        chunk = self._policy.infer(observation, given)
        self._continued += len(given) > 0
        effort = self._policy.effort
        assert effort is not None  # noqa: S101 - there was an answer
        self._chunks += 1
        self._evaluations += effort.evaluations
        self._more_steps += effort.steps > 1
        if effort.ambiguity is not None:
            self._ambiguities.append(effort.ambiguity)
        return chunk

    def values(self) -> dict[str, object]:
        """Return the figures by key; of the ambiguity only what was measured.

        `ambiguity_*` in normalised units, see `ambiguity.gap`, over the last 10,000 chunks;
        `mean_steps` counts evaluations of the head a chunk, those of the measurement included;
        `more_steps` the chunks that took more than one step; `continued` those that go on from
        waypoints of the running plan, where the checkpoint can.
        """
        found: dict[str, object] = {"more_steps": self._more_steps}
        if self._policy.longest_prefix:
            found["continued"] = self._continued
        if self._chunks:
            found["mean_steps"] = self._evaluations / self._chunks
        gaps = list(self._ambiguities)
        if gaps:
            p50, p99 = np.percentile(np.array(gaps), [50, 99])
            found |= {"ambiguity": gaps[-1], "ambiguity_p50": p50, "ambiguity_p99": p99}
        calibration = self._policy.checkpoint.decoding.calibration
        if calibration is not None:
            found["ambiguity_threshold"] = calibration.threshold
        if self._policy.noise_leak is not None:
            found["noise_leak"] = self._policy.noise_leak
        return found
