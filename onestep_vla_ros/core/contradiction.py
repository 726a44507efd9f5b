# SPDX-License-Identifier: Apache-2.0
"""Parameters that are each in range and together make no sense."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from onestep_vla_ros.core.joints import ARM_DOF, ARMS

_ORDERED = (
    ("joint_state_timeout_s", "joint_state_fault_s"),
    ("max_observation_age_s", "max_plan_age_s"),
    ("min_period_s", "max_period_s"),
    ("min_waypoints", "max_waypoints"),
)
"""Pairs of which the first may not lie above the second."""

_LEAST_SCALE = 1e-6
"""Smallest size of a scale of the wire: below it nothing could be read back."""

_LEAST_RANGE = 0.01
"""Smallest range of positions a joint may be left with [rad]."""


def bridge_contradictions(values: Mapping[str, Any]) -> list[str]:
    """Return what contradicts itself in bridge_node's parameters, a line each.

    Args:
        values: The parameters that were read without a fault; the others are not judged.
    """
    judges = (_names, _output_joints, _scales, _positions, _velocities, order_contradictions)
    return [fault for judge in judges for fault in judge(values)]


def _names(values: Mapping[str, Any]) -> Iterator[str]:
    names = values.get("joint_names", ())
    if len(set(names)) != len(names) or "" in names:
        yield f"joint_names: got: {list(names)}; allowed: each name once, none empty"


def _output_joints(values: Mapping[str, Any]) -> Iterator[str]:
    if "joint_names" not in values or "gripper_output" not in values:
        return
    names = values["joint_names"]
    count = ARM_DOF if values["gripper_output"] == "in_arm" else ARM_DOF - 1
    for i, arm in enumerate(ARMS):
        key = f"{arm}_output_joints"
        wanted = names[i * ARM_DOF : i * ARM_DOF + count]
        if key in values and sorted(values[key]) != sorted(wanted):
            yield f"{key}: got: {list(values[key])}; allowed: each of {list(wanted)} once"


def _scales(values: Mapping[str, Any]) -> Iterator[str]:
    for i, scale in enumerate(values.get("wire_scale", ())):
        if abs(scale) < _LEAST_SCALE:
            yield f"wire_scale[{i}]: got: {scale}; allowed: at least {_LEAST_SCALE} in size"


def _positions(values: Mapping[str, Any]) -> Iterator[str]:
    keys = ("position_low", "position_high", "position_margin")
    if not all(key in values for key in keys):
        return
    period_s = values.get("control_period_s", 0.0)
    rates = values.get("max_acceleration", [0.0] * len(values["position_low"]))
    limits = zip(*(values[key] for key in keys), rates, strict=True)
    for i, (low, high, margin, acceleration) in enumerate(limits):
        # on either side the governor leaves free what a joint can add between two samples
        least = _LEAST_RANGE + acceleration * period_s**2 / 4.0
        if high - low <= 2.0 * margin + least:
            yield (
                f"position_low/high[{i}]: got: {low} to {high}, margin {margin}; "
                f"allowed: low + margin at least {least:g} below high - margin"
            )


def _velocities(values: Mapping[str, Any]) -> Iterator[str]:
    if not all(key in values for key in ("max_velocity", "max_jerk", "control_period_s")):
        return
    for i, (v, j) in enumerate(zip(values["max_velocity"], values["max_jerk"], strict=True)):
        least = j * values["control_period_s"] ** 2
        if v <= least:
            allowed = f"> max_jerk x control_period_s^2 = {least:g}"
            yield f"max_velocity[{i}]: got: {v}; allowed: {allowed}"


def order_contradictions(values: Mapping[str, Any]) -> Iterator[str]:
    """Return which of two parameters lies above the one it may not exceed, a line each."""
    for lower, upper in _ORDERED:
        if lower in values and upper in values and values[lower] > values[upper]:
            got = f"{values[lower]} and {values[upper]}"
            yield f"{lower}, {upper}: got: {got}; allowed: {lower} <= {upper}"
