# SPDX-License-Identifier: Apache-2.0
"""The audit of a joint_trajectory_controller: which of its parameters make it unsafe, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

MARK = "interpolate_from_desired_state"
"""A controller without this parameter is no joint_trajectory_controller."""


def audited_names(joints: Sequence[str]) -> list[str]:
    """Return the parameters to ask a controller of these `joints` for."""
    return [
        MARK,
        "allow_nonzero_velocity_at_trajectory_end",
        "cmd_timeout",
        "constraints.goal_time",
        "joints",
        "command_interfaces",
        *(f"constraints.{joint}.trajectory" for joint in joints),
    ]


def audit_controller(
    parameters: Mapping[str, object], joints: Sequence[str], grippers: Sequence[str] = ()
) -> list[str]:
    """Return what is unsafe in a controller's parameters, a line each; [] when nothing is.

    Why each matters was measured on ros2_control's joint_trajectory_controller (Jazzy): a new
    trajectory starts from the measured, sagging state unless it interpolates from the desired
    one, and without tolerances it drives on however far off the arm is.

    Args:
        parameters: Name to value as the controller answered; None or a missing name is unset.
        joints: The joints we send it, by their names on the wire.
        grippers: Those of them that need no tolerance: closed on a thing they never arrive.
    """
    if parameters.get(MARK) is None:
        return []
    return list(_faults(parameters, joints, grippers))


def _faults(
    parameters: Mapping[str, object], joints: Sequence[str], grippers: Sequence[str]
) -> Iterator[str]:
    if parameters[MARK] is not True:
        yield f"{MARK}: got: {parameters[MARK]}; allowed: true"
    name = "allow_nonzero_velocity_at_trajectory_end"
    if parameters.get(name) is True:
        yield f"{name}: got: True; allowed: false"
    for joint in joints:
        if joint in grippers:
            continue
        name = f"constraints.{joint}.trajectory"
        tolerance = parameters.get(name)
        if not isinstance(tolerance, float) or not tolerance > 0.0:
            yield f"{name}: got: {tolerance}; allowed: above 0, typical 0.1 rad"
    timeout, goal_time = parameters.get("cmd_timeout"), parameters.get("constraints.goal_time")
    if not isinstance(timeout, float) or not timeout > 0.0:
        yield f"cmd_timeout: got: {timeout}; allowed: above 0, typical 0.1 s"
    elif isinstance(goal_time, float) and timeout <= goal_time:
        yield (
            f"cmd_timeout: got: {timeout}, not above constraints.goal_time {goal_time}, which "
            "makes the controller ignore it; allowed: above it"
        )
    owned = parameters.get("joints")
    if isinstance(owned, (list, tuple)) and sorted(map(str, owned)) != sorted(joints):
        yield f"joints: got: {list(owned)}; allowed: {list(joints)}"
    interfaces = parameters.get("command_interfaces")
    if isinstance(interfaces, (list, tuple)) and list(interfaces) != ["position"]:
        yield f"command_interfaces: got: {list(interfaces)}; allowed: [position]"
