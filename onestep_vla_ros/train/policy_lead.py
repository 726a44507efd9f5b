# SPDX-License-Identifier: Apache-2.0
"""Demonstrations that begin where a policy has got to: the expert shows what it should do there.

A policy leaves the states its demonstrations know, and nothing tells it how to come back. Here it
drives for a while, through the bridge and as late as at evaluation, and the expert goes on from
there; only the expert's part is recorded.

Source: DAgger, "A Reduction of Imitation Learning and Structured Prediction to No-Regret Online
Learning" (arXiv 1011.0686), with one change of hands an episode instead of labels at every step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.command import Command
from onestep_vla_ros.sim.yam_station import YamStation
from onestep_vla_ros.train.cells import Cell
from onestep_vla_ros.train.runner import Runner, resolve

LEAD_S = (1.0, 12.0)
"""How long the policy drives, drawn evenly [s]."""
_BEFORE_END = 0.8
_SHORTEST_S = 0.5


class PolicyLead:
    """Drives a station to where a demonstration begins.

    Thread: one, the one that made it.

    Args:
        policy: Checkpoint folder; decoded as it is by default.
        task: A name in `sim.tasks.TASKS`.
    """

    def __init__(self, policy: str, task: str) -> None:
        self._cell = resolve(Cell(policy=policy, task=task))
        self._runner = Runner()

    def __call__(self, world: YamStation, seed: int) -> NDArray[np.float64]:
        """Reset `world` with `seed` and let the policy drive; it never gets to finish the task.

        Returns:
            What the arms were told last, (14,). Where they are is no target: fingers that press
            would let go, and arms that sag would be told to stay below where they should be.
        """
        drive_s = float(np.random.default_rng([seed, 4]).uniform(*LEAD_S))
        while True:
            told: list[NDArray[np.float64]] = []

            def keep(command: Command, told: list[NDArray[np.float64]] = told) -> None:
                if command.q is not None:
                    told[:] = [command.q]

            episode = self._runner.drive(world, self._cell, seed, drive_s, keep)
            if not episode.success or drive_s <= _SHORTEST_S:
                return told[0] if told else world.stage.q
            drive_s = _BEFORE_END * min(drive_s, episode.time_s)
