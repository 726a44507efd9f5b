# SPDX-License-Identifier: Apache-2.0
"""The bridge's parameter schema for arms that take increments, one a control period.

Values live in config/*.yaml only. Lists follow `state_names` or `action_names`. What has the
same name as in `BridgeConfig` means the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from onestep_vla_ros.core.bridge_config import PROFILES, BridgeConfig
from onestep_vla_ros.core.contradiction import order_contradictions
from onestep_vla_ros.core.parameter import param
from onestep_vla_ros.core.rules import ChunkRules, StateRules

_ROUNDING_S = 1e-6
"""A chunk's period went through whole nanoseconds."""


def _same(name: str) -> Any:  # noqa: ANN401 - a field, as `param` returns
    """Return the field of the same parameter of `BridgeConfig`."""
    return field(metadata=BridgeConfig.__dataclass_fields__[name].metadata)


@dataclass(frozen=True, slots=True)
class DeltaConfig:
    """Parameters of bridge_node with `profile: deltas`."""

    profile: str = _same("profile")
    control_period_s: float = param(
        "Control period Tc, and the time between the actions of a chunk: 0.05 in LIBERO",
        unit="s",
        low=0.001,
        high=1.0,
    )
    state_names: tuple[str, ...] = param("Names of the measured state on joint_states")
    action_names: tuple[str, ...] = param("Names of an action's parts on action_chunk")
    kept_actions: tuple[str, ...] = param(
        "Parts that stay as they were last commanded while the arm is to be still, as a gripper; "
        "the others are increments and become 0"
    )
    action_low: tuple[float, ...] = param(
        "Lowest action that is commanded; what is lower is raised to it; LIBERO -1, which is "
        "-0.05 m or -0.5 rad",
        low=-1000.0,
        high=1000.0,
    )
    action_high: tuple[float, ...] = param(
        "Highest action that is commanded; LIBERO 1", low=-1000.0, high=1000.0
    )
    action_excess: float = param(
        "How far outside these limits an action of a chunk may lie and not be refused; typical 1",
        low=0.0,
        high=1000.0,
    )
    state_low: tuple[float, ...] = param(
        "Lowest state that may be measured", low=-1000.0, high=1000.0
    )
    state_high: tuple[float, ...] = param(
        "Highest state that may be measured", low=-1000.0, high=1000.0
    )
    max_state_rate: tuple[float, ...] = param(
        "A state that changes faster than this is refused, three in a row are a fault",
        low=0.001,
        high=10000.0,
    )
    joint_state_timeout_s: float = _same("joint_state_timeout_s")
    joint_state_fault_s: float = _same("joint_state_fault_s")
    max_observation_age_s: float = _same("max_observation_age_s")
    max_plan_age_s: float = _same("max_plan_age_s")
    future_tolerance_s: float = _same("future_tolerance_s")
    min_waypoints: int = param(
        "Fewer actions than this that are not past make a chunk late; typical 1", low=1, high=100
    )
    max_waypoints: int = _same("max_waypoints")
    start_check: str = param(
        "A state outside the policy's start states: off ignores it, refuse refuses to enable",
        choices=("off", "refuse"),
    )
    start_tolerance: float = param(
        "How far outside the policy's start states counts as inside", low=0.0, high=10.0
    )
    resume_chunks: int = _same("resume_chunks")
    fault_chunks: int = _same("fault_chunks")
    cpu_affinity: str = _same("cpu_affinity")
    fifo_priority: int = _same("fifo_priority")
    status_period_s: float = _same("status_period_s")
    ledger_window: int = _same("ledger_window")

    @property
    def chunk_rules(self) -> ChunkRules:
        """What the chunk gate goes by."""
        return ChunkRules(
            joint_names=self.action_names,
            position_low=self.action_low,
            position_high=self.action_high,
            jump_limit=(self.action_excess,) * len(self.action_names),
            min_waypoints=self.min_waypoints,
            max_waypoints=self.max_waypoints,
            min_period_s=self.control_period_s - _ROUNDING_S,
            max_period_s=self.control_period_s + _ROUNDING_S,
            max_horizon_s=math.inf,  # the number of actions limits it
            future_tolerance_s=self.future_tolerance_s,
            max_observation_age_s=self.max_observation_age_s,
        )

    @property
    def state_rules(self) -> StateRules:
        """What the watch over joint states and the start pose go by."""
        return StateRules(
            joint_names=self.state_names,
            position_low=self.state_low,
            position_high=self.state_high,
            measured_overshoot=0.0,
            state_jump_factor=1.0,
            max_velocity=self.max_state_rate,
            tracking_error_limit=(math.inf,) * len(self.state_names),
            tracking_error_timeout_s=0.0,
            joint_state_timeout_s=self.joint_state_timeout_s,
            control_period_s=self.control_period_s,
            future_tolerance_s=self.future_tolerance_s,
            start_check=self.start_check,
            start_tolerance=self.start_tolerance,
            start_velocity=1.0,  # of the ramp, which there is none of
        )

    @staticmethod
    def contradictions(values: Mapping[str, Any]) -> list[str]:
        """Return what contradicts itself among the `values` that were read, a line each."""
        faults = [*order_contradictions(values)]
        if values.get("profile", PROFILES[1]) != PROFILES[1]:
            faults.append(f"profile: got: {values['profile']!r}; allowed here: {PROFILES[1]!r}")
        for names, lists in _LISTS.items():
            known = values.get(names, ())
            if not known or len(set(known)) != len(known):
                faults.append(f"{names}: got: {list(known)}; allowed: one or more, each once")
            faults += [
                f"{key}: got: {len(values[key])} entries; allowed: {len(known)}, as {names}"
                for key in lists
                if key in values and len(values[key]) != len(known)
            ]
        actions = values.get("action_names", ())
        strays = [name for name in values.get("kept_actions", ()) if name not in actions]
        if strays:
            faults.append(f"kept_actions: got: {strays}; allowed: of {list(actions)}")
        return faults + _ranges(values)


_LISTS = {
    "state_names": ("state_low", "state_high", "max_state_rate"),
    "action_names": ("action_low", "action_high"),
}


def _ranges(values: Mapping[str, Any]) -> list[str]:
    """Return which limits leave nothing, or, for an increment, not even standing still."""
    faults = []
    for what in ("state", "action"):
        pairs = zip(values.get(f"{what}_low", ()), values.get(f"{what}_high", ()), strict=False)
        for i, (low, high) in enumerate(pairs):
            if low >= high:
                faults.append(f"{what}_low/high[{i}]: got: {low} to {high}; allowed: low < high")
    moving = set(values.get("action_names", ())) - set(values.get("kept_actions", ()))
    for i, name in enumerate(values.get("action_names", ())):
        lows, highs = values.get("action_low", ()), values.get("action_high", ())
        if name in moving and i < min(len(lows), len(highs)) and not lows[i] <= 0.0 <= highs[i]:
            faults.append(
                f"action_low/high[{i}] of {name}: got: {lows[i]} to {highs[i]}; "
                "allowed: a range with 0, which is to be still"
            )
    return faults
