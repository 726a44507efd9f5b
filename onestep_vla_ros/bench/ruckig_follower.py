# SPDX-License-Identifier: Apache-2.0
"""ruckig (Berscheid and Kröger, 2021) as one would put it behind a policy, for comparison."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.limits import Limits


def is_ruckig_installed() -> bool:
    """Is the PyPI package `ruckig` there? It is for development only."""
    return importlib.util.find_spec("ruckig") is not None


class RuckigFollower:
    """Time-optimal steps towards each reference; brakes where ruckig has no answer.

    What a careful user would build: a minimum duration of one period, so that a moving target
    is met when it is due; no waiting of joints for each other on the way to a resting one;
    targets clipped into the limits; where ruckig has no answer, its velocity interface brakes.

    Args:
        limits: What to keep.
        period_s: Control period Tc [s].
    """

    def __init__(self, limits: Limits, period_s: float) -> None:
        import ruckig

        self._ruckig = ruckig
        joints = len(limits.low)
        self._otg = ruckig.Ruckig(joints, period_s)
        self._output = ruckig.OutputParameter(joints)
        self._input = ruckig.InputParameter(joints)
        self._brake = ruckig.InputParameter(joints)
        for parameter in (self._input, self._brake):
            parameter.max_velocity = list(limits.velocity)
            parameter.max_acceleration = list(limits.acceleration)
            parameter.max_jerk = list(limits.jerk)
            parameter.min_position = list(limits.low)
            parameter.max_position = list(limits.high)
            parameter.synchronization = ruckig.Synchronization.TimeIfNecessary
        # without it a target that moves is met too soon, and left again before the period ends
        self._input.minimum_duration = period_s
        self._brake.control_interface = ruckig.ControlInterface.Velocity
        self._brake.target_velocity = self._brake.target_acceleration = [0.0] * joints
        self._limits = limits
        self.refused = 0
        self.start(0.5 * (limits.low + limits.high))

    def start(self, q: NDArray[np.float64]) -> None:
        """Rest at `q` (J,)."""
        self._state = np.stack([q, 0.0 * q, 0.0 * q])

    def follow(self, reference: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return q, qd, qdd, (3, J), one period later, on the way to `reference` (3, J)."""
        limits, wanted = self._limits, self._input
        most = (1.0 - 1e-9) * limits.acceleration
        a = np.clip(reference[2], -most, most)
        # ruckig refuses a target that could not be reached, or left, within V
        most = (1.0 - 1e-9) * np.maximum(limits.velocity - 0.5 * a * a / limits.jerk, 0.0)
        wanted.target_position = list(np.clip(reference[0], limits.low, limits.high))
        wanted.target_velocity = list(np.clip(reference[1], -most, most))
        wanted.target_acceleration = list(a)
        if not self._update(wanted):
            self.refused += 1
            self._update(self._brake)
        output = self._output
        state = [output.new_position, output.new_velocity, output.new_acceleration]
        self._state = np.array(state)
        return self._state

    def _update(self, parameter: Any) -> bool:  # noqa: ANN401
        """Work out one period; return whether ruckig had an answer."""
        parameter.current_position = list(self._state[0])
        parameter.current_velocity = list(self._state[1])
        parameter.current_acceleration = list(self._state[2])
        try:
            result = self._otg.update(parameter, self._output)
        except self._ruckig.RuckigError:
            return False
        return result in (self._ruckig.Result.Working, self._ruckig.Result.Finished)
