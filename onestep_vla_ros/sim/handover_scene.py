# SPDX-License-Identifier: Apache-2.0
"""What an episode of the handover task has beyond every scene's."""

from __future__ import annotations

from dataclasses import dataclass

from onestep_vla_ros.sim.scene import Scene
from onestep_vla_ros.sim.table import other_arm

BAR = "bar"
BAR_HALF_M, BAR_THICK_M = 0.085, 0.03
"""Half the length of the bar along its own x axis, and the edge of its square section [m]."""
GRASP_OFF_M = 0.055
"""Distance from the bar's centre to where an arm takes it [m]; one end for each arm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverScene(Scene):
    """One episode of the handover task.

    Attributes:
        giver: The arm on whose side the bar lies.
    """

    giver: str

    @property
    def receiver(self) -> str:
        """The arm that puts the bar on the plate."""
        return other_arm(self.giver)
