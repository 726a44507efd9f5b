# SPDX-License-Identifier: Apache-2.0
"""The supervisor: which mode the arms are in, and why; the most severe one wins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected, Verdict


class Mode(IntEnum):
    """Modes by severity."""

    IDLE = 0
    """Not enabled: nothing is commanded."""
    RUN = 1
    """Following a plan."""
    START = 2
    """Going slowly to where the policy may start."""
    HOLD = 3
    """No plan to follow: at rest, or braking to it."""
    STOP = 4
    """Told to stop, or joint states are stale: braking, then at rest."""
    FAULT = 5
    """Latched until reset: braking, then at rest."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the supervisor decides on, at one moment.

    Attributes:
        state_age_s: Age of the newest good joint state, inf before the first [s].
        state_note: What is wrong with the newest joint state, "" for nothing.
        start_problem: What is still to be done before a policy may start, "" for nothing.
        plan_problem: Why the plan cannot be followed, "" when it can.
        is_at_rest: Does the command stand still?
    """

    state_age_s: float
    state_note: str
    start_problem: str
    plan_problem: str
    is_at_rest: bool


class Supervisor:
    """Modes, latches and deadlines; leaves a stop from rest only.

    Args:
        state_timeout_s: Joint states older than this stop the arms [s].
        state_fault_s: Joint states older than this are a fault [s].
    """

    def __init__(self, state_timeout_s: float, state_fault_s: float) -> None:
        self._state_timeout_s = state_timeout_s
        self._state_fault_s = state_fault_s
        self._fault = ""
        self._stop = ""
        self._braking = ""
        self._is_disabling = False
        self.has_output = False
        """Are the arms enabled, so that a command goes out every period?"""
        self.is_silent = False
        """Enabled, at rest, and the arms not seen: whoever comes back is not to be moved."""

    @property
    def latched(self) -> str:
        """The latched fault or stop in words, "" for none."""
        return self._fault or self._stop

    def enable(self) -> Verdict:
        """Let commands out from now on, unless a fault or a stop is latched."""
        if self.latched:
            return Rejected(Reason.STOPPED, f"{self.latched}; call bridge/reset first")
        if self._is_disabling:
            return Rejected(Reason.NOT_AT_REST, "still braking after disable")
        self.has_output, self._braking = True, ""
        return Accepted("enabled")

    def disable(self, is_at_rest: bool) -> Verdict:
        """Brake to rest, then let nothing out."""
        if self.has_output and not is_at_rest:
            self._is_disabling = True
            return Accepted("braking, then disabled")
        self.has_output = self._is_disabling = False
        return Accepted("disabled")

    def stop(self, why: str) -> None:
        """Latch a stop until `reset`."""
        self._stop = self._stop or why

    def fault(self, why: str) -> None:
        """Latch a fault until `reset`; the first one keeps its words."""
        self._fault = self._fault or why

    def reset(self, is_at_rest: bool) -> Verdict:
        """Clear the latches, from rest only; the arms are then not enabled."""
        if self.has_output and not is_at_rest:
            return Rejected(Reason.NOT_AT_REST, "still braking; call bridge/reset at rest")
        self._fault = self._stop = self._braking = ""
        self.has_output = self._is_disabling = False
        return Accepted("reset; call bridge/enable to move")

    def update(self, facts: Facts) -> tuple[Mode, str]:
        """Return the mode and the reason for it in words; deadlines are judged here."""
        if self._is_disabling and facts.is_at_rest:
            self.has_output = self._is_disabling = False
        stale = self._stale(facts)
        if self.has_output and facts.state_age_s > self._state_fault_s:
            self.fault(stale)
        self.is_silent = self.has_output and bool(stale) and facts.is_at_rest
        if self._fault:
            # the controllers hold what they have; arms that come back elsewhere stay there
            self.has_output = self.has_output and not facts.is_at_rest
            return Mode.FAULT, f"{self._fault}; call bridge/reset"
        if self._stop:
            return Mode.STOP, f"{self._stop}; call bridge/reset"
        if not self.has_output:
            return Mode.IDLE, "not enabled; call bridge/enable" + (f"; {stale}" if stale else "")
        if self._is_disabling:
            return Mode.STOP, "disabled, braking"
        if stale:
            self._braking = stale
            return Mode.STOP, stale
        if self._braking:
            if not facts.is_at_rest:
                return Mode.STOP, f"braking: {self._braking}"
            self._braking = ""
        if facts.start_problem:
            return Mode.START, facts.start_problem
        if facts.plan_problem:
            return Mode.HOLD, facts.plan_problem
        return Mode.RUN, "following the policy"

    def _stale(self, facts: Facts) -> str:
        """Return why joint states cannot be moved by, "" when they can."""
        if facts.state_age_s <= self._state_timeout_s:
            return ""
        note = f"; {facts.state_note}" if facts.state_note else ""
        if math.isinf(facts.state_age_s):
            return f"no joint_states yet{note}"
        age, allowed = f"{facts.state_age_s:.2f} s old", f"{self._state_timeout_s} s"
        return f"joint_states are {age}, allowed {allowed}{note}"
