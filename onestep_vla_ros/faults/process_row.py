# SPDX-License-Identifier: Apache-2.0
"""What a process row is: cases with their bounds, each a repetition that returns a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.faults.process_graph import bridge_parameters
from onestep_vla_ros.faults.process_rig import Rig

_P = bridge_parameters()


def _number(name: str) -> float:
    return float(_P[name])  # type: ignore[arg-type]


def _most(name: str) -> list[float]:
    return [float(value) for value in _P[name]]  # type: ignore[attr-defined]


TC_S = _number("control_period_s")
JOINT_TIMEOUT_S = _number("joint_state_timeout_s")
JOINT_FAULT_S = _number("joint_state_fault_s")
PLAN_AGE_S = _number("max_plan_age_s")
TRACKING_S = _number("tracking_error_timeout_s")
T_STOP_S = max(
    v / a + 2.0 * a / j
    for v, a, j in zip(
        _most("max_velocity"), _most("max_acceleration"), _most("max_jerk"), strict=True
    )
)
"""Longest stop, max over joints of V/A + 2A/J [s]."""

ALLOWANCE_S = 0.03
"""Added to the matrix's bound on real processes [s]: three control periods, for a tick that a
shared core starts late and the message that carries the fault (measured here: ticks up to 10 ms,
messages up to 5 ms late with both cores in use)."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way to inject a row's fault.

    Attributes:
        name: What is injected, in words.
        run: One repetition: rig and its number to a time [s], or None where none is bounded.
        bound_s: The matrix's bound [s]; None for none.
        allowance_s: What real processes may take beyond it [s].
        setting: The graph it needs, or "none" for a case that starts its own processes.
        publishers: Most publishers the wire checker may see on a controller's topic.
    """

    name: str
    run: Callable[[Rig, int], float | None]
    bound_s: float | None = None
    allowance_s: float = ALLOWANCE_S
    setting: str = "source"
    publishers: int = 1


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A row of the fault matrix with real processes."""

    row: int
    cases: tuple[Case, ...]


def tracking_limit() -> NDArray[np.float64]:
    """Return the allowed gap of command and measured state, (14,) [rad, gripper 0..1]."""
    return np.array(_most("tracking_error_limit"))
