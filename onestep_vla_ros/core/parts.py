# SPDX-License-Identifier: Apache-2.0
"""What a profile of the bridge is made of; who supervises them is the same in all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.action_governor import ActionGovernor
from onestep_vla_ros.core.action_plan import ActionPlan
from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.delta_config import DeltaConfig
from onestep_vla_ros.core.gate import ChunkGate
from onestep_vla_ros.core.governor import Governor
from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.plan import Plan
from onestep_vla_ros.core.start_pose import StartPose
from onestep_vla_ros.core.stop import Stop
from onestep_vla_ros.core.verdict import Verdict
from onestep_vla_ros.core.watch import JointStateWatch


class PlanPart(Protocol):
    """What the arms are to do when; see `Plan`, `ActionPlan`."""

    @property
    def is_active(self) -> bool:
        """Is there a chunk, run out or not?"""

    @property
    def stamp_s(self) -> float:
        """Capture time of the observation the plan rests on; nan without a plan [s]."""

    @property
    def seam(self) -> NDArray[np.float64] | None:
        """How far the last chunk's first waypoint lay from the plan it replaced, if any."""

    @property
    def end_s(self) -> float:
        """Time from which nothing is planned; -inf without a plan [s]."""

    def problem(self, now_s: float) -> str:
        """Return why the plan may not be followed at `now_s`, "" when it may."""

    def clear(self) -> None:
        """Forget it."""

    def sample(self, t_s: float) -> NDArray[np.float64] | None:
        """Return what is wanted at `t_s`, (3, J), or None."""

    def ahead(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where the plan has the arms at `times_s`, (n, J), as far as it says."""

    def splice(self, chunk: Chunk, at_s: float, state: NDArray[np.float64]) -> Verdict:
        """Hand the future from `at_s` on over to `chunk`."""


class GovernorPart(Protocol):
    """What the arms are told this period; see `Governor`, `ActionGovernor`.

    Attributes:
        begins_at_rest: Is a run's first command what `reset` was given, not yet the plan's?
        is_told: Is there a command to give?
    """

    begins_at_rest: bool
    is_told: bool

    @property
    def state(self) -> NDArray[np.float64]:
        """What is commanded, (3, J), read-only."""

    @property
    def stop(self) -> Stop | None:
        """The way to rest from there; None where there is none to go."""

    @property
    def is_at_rest(self) -> bool:
        """Does the command stand still?"""

    def reset(self, q: NDArray[np.float64]) -> None:
        """Begin a run at the measured state."""

    def brake(self, duration_s: float | NDArray[np.float64] | None = None) -> None:
        """Go on to rest for `duration_s` [s]; default a control period."""

    def step(self, reference: NDArray[np.float64]) -> bool:
        """Take one period towards `reference`, (3, J); return whether a limit stood in the way."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What one Bridge is made of.

    Attributes:
        follows_tail: Which joints go on by themselves while ticks are missing, 1 or 0 each, (J,).
    """

    gate: ChunkGate
    watch: JointStateWatch
    plan: PlanPart
    governor: GovernorPart
    start: StartPose
    follows_tail: NDArray[np.float64]


def parts_of(config: BridgeConfig | DeltaConfig) -> Parts:
    """Return new parts for joint positions or for increments, as the configuration is."""
    if isinstance(config, DeltaConfig):
        rules = config.state_rules
        return Parts(
            ChunkGate(config.chunk_rules),
            JointStateWatch(rules),
            ActionPlan(config),
            ActionGovernor(config),
            StartPose(rules),
            np.zeros(len(config.action_names)),
        )
    limits = Limits.from_config(config)
    return Parts(
        ChunkGate(config),
        JointStateWatch(config),
        Plan(limits, config),
        Governor(limits, config.control_period_s),
        StartPose(config),
        np.array(config.follows_tail),
    )
