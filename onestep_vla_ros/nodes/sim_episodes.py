# SPDX-License-Identifier: Apache-2.0
"""The episodes of a simulated world: seeds, success, and what sim/state says of them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from onestep_vla_ros.core.config import SimNodeConfig
from onestep_vla_ros.nodes.sim_clock import SimClock
from onestep_vla_ros.nodes.sim_wire import SimWire
from onestep_vla_ros.nodes.status import OK, make_status
from onestep_vla_ros.sim.world import World

_STATUS_S = 0.1
_EPS_S = 1e-6


class SimEpisodes:
    """Counts episodes, each with the seed after the last one's; number 0 is before the first.

    Args:
        world: Used by the calling thread only.
        wire: Topics and services.
        clock: Of /clock.
        config: First seed and mode.
    """

    def __init__(
        self, world: World, wire: SimWire, clock: SimClock, config: SimNodeConfig
    ) -> None:
        self._world, self._wire, self._clock, self._mode = world, wire, clock, config.mode
        self.number, self._seed = 0, config.seed
        self._success_s = math.nan
        self._due_s = self._reset_s = clock.now_s

    def begin(self) -> None:
        """Set the world up as the seed says, and tell the instruction."""
        self._world.reset(self._seed)
        self._success_s = math.nan
        self._due_s = self._reset_s = self._clock.now_s
        self._wire.publish_instruction(self._world.instruction)

    def advance(self) -> None:
        """Count the next episode; commands for the last one are dropped."""
        self._seed += self.number > 0
        self.number += 1
        self._wire.take_commands()

    def answer(self) -> None:
        """Tell who asked for the reset that it is done."""
        self._wire.answer_reset(f"seed {self._seed}: {self._world.instruction}")

    def watch(self) -> None:
        """Note the moment of success."""
        if self._world.success() and math.isnan(self._success_s):
            self._success_s = self._world.time_s
            self._due_s = 0.0

    @property
    def is_status_due(self) -> bool:
        """Is it time for the next `publish_status`?"""
        return self._clock.now_s >= self._due_s - _EPS_S

    def publish_status(self, more: Mapping[str, object]) -> None:
        """Publish sim/state, with what only the loop knows."""
        now_s = self._clock.now_s
        self._due_s = now_s + _STATUS_S
        values = {
            "now_s": now_s,
            "task": self._world.task,
            "mode": self._mode,
            "episode": self.number,
            "seed": self._seed,
            "instruction": self._world.instruction,
            "since_reset_s": now_s - self._reset_s,
            "episode_time_s": self._world.time_s,
            "timeout_s": self._world.timeout_s,
            "success": not math.isnan(self._success_s),
            "success_time_s": self._success_s,
            "wrong_object": self._world.wrong_object(),
            "real_time_factor": self._clock.real_time_factor(),
            **more,
        }
        self._wire.publish_status(make_status("sim", OK, "running", values), now_s)
