# SPDX-License-Identifier: Apache-2.0
"""The governor of an arm that takes increments: every action inside its limits, then none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.delta_config import DeltaConfig


class ActionGovernor:
    """The action of this control period; what `core.governor.Governor` is for positions.

    `a = clip(wanted, low, high)`, part by part. An arm that is told no further increment stands
    still within the period, so there is no way to rest to be planned: braking is an action whose
    increments are 0 and whose kept parts, a gripper's, stay as they were told last.

    Args:
        config: Limits, and which parts are kept.
    """

    begins_at_rest = False
    stop = None

    def __init__(self, config: DeltaConfig) -> None:
        self._low, self._high = np.array(config.action_low), np.array(config.action_high)
        self._is_kept = np.array([name in config.kept_actions for name in config.action_names])
        self._set(np.zeros(len(self._low)))
        self.is_told = not self._is_kept.any()
        """Is there an action to command? Not before one was told what to keep."""

    def reset(self, q: NDArray[np.float64]) -> None:
        """Begin a run: nothing is known of what is to be kept; `q` does not matter."""
        self._set(np.zeros(len(self._low)))
        self.is_told = not self._is_kept.any()

    @property
    def state(self) -> NDArray[np.float64]:
        """The action over two rows of zeros, (3, J), read-only."""
        return self._state

    @property
    def is_at_rest(self) -> bool:
        """Is every increment 0?"""
        return not self._state[0, ~self._is_kept].any()

    def brake(self, duration_s: float | NDArray[np.float64] | None = None) -> None:
        """Command no increment any more, for whatever time."""
        self._set(np.where(self._is_kept, self._state[0], 0.0))

    def step(self, reference: NDArray[np.float64]) -> bool:
        """Command the action `reference[0]`; return whether a limit stood in the way.

        Args:
            reference: (3, J). A part that is not finite counts as no increment, or is kept.
        """
        wanted, still = reference[0], np.where(self._is_kept, self._state[0], 0.0)
        is_sane = np.isfinite(wanted)
        action = np.clip(np.where(is_sane, wanted, still), self._low, self._high)
        self._set(action)
        self.is_told = self.is_told or bool(is_sane[self._is_kept].all())
        return not np.array_equal(action, wanted)

    def _set(self, action: NDArray[np.float64]) -> None:
        state = np.zeros((3, len(action)))
        state[0] = action
        state.flags.writeable = False
        self._state = state
