# SPDX-License-Identifier: Apache-2.0
"""The scripted demonstrator behind a policy's face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.observation import Observation
from onestep_vla_ros.sim.expert import Expert
from onestep_vla_ros.sim.motion import PERIOD_S
from onestep_vla_ros.sim.yam_station import YamStation

HORIZON = 16
"""Waypoints in the expert's chunks, `PERIOD_S` apart."""


class ExpertPolicy:
    """Looks ahead to the end of the present stretch, ignores the images.

    What comes after a stretch depends on how it went (is the cube grasped?), so a chunk waits
    at its end until an observation has come from there.
    """

    def __init__(self, world: YamStation) -> None:
        self._world = world
        self._expert: Expert | None = None
        self._start_s = self._last_s = 0.0
        self._plan: list[NDArray[np.float64]] = []

    def infer(self, observation: Observation) -> Chunk:
        """Return `HORIZON` waypoints from the observation's stamp on; a new episode restarts."""
        stamp_s = observation.stamp_s
        if self._expert is None or stamp_s < self._last_s:
            self._expert, self._start_s = self._world.expert(), stamp_s
            self._plan = [observation.q]
        self._last_s = stamp_s
        now = (stamp_s - self._start_s) / PERIOD_S
        due = now + np.arange(1, HORIZON + 1)
        plan = np.array(self._known_until(self._expert, now, due[-1] + 1))
        known = np.arange(len(plan))
        q = np.stack([np.interp(due, known, plan[:, j]) for j in range(plan.shape[1])], axis=1)
        return Chunk(q=q, stamp_s=stamp_s, period_s=PERIOD_S)

    def _known_until(self, expert: Expert, now: float, end: float) -> list[NDArray[np.float64]]:
        """Extend the plan to index `end`, or as far as it can be known at index `now`."""
        while len(self._plan) < end:
            last = len(self._plan) - 1
            if expert.must_look and last > now + 1e-6:
                break
            while last < int(now + 1e-6):  # it waited there
                self._plan.append(self._plan[-1])
                last += 1
            self._plan.append(expert.next())
        return self._plan
