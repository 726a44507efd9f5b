# SPDX-License-Identifier: Apache-2.0
"""Whether a foreign policy and a robot's sheet speak of the same robot."""

from __future__ import annotations

from onestep_vla_ros.core.embodiment import EMBODIMENTS, Embodiment
from onestep_vla_ros.core.errors import CheckpointError
from onestep_vla_ros.policy.foreign.sheet import Sheet
from onestep_vla_ros.policy.foreign.source import Source


def robot_of(sheet: Sheet) -> Embodiment:
    """Return the embodiment that the sheet names by its `robot_type`.

    Raises:
        CheckpointError: There is none of that name.
    """
    found = {robot.robot_type: robot for robot in EMBODIMENTS}
    if sheet.embodiment not in found:
        raise CheckpointError(
            "robot's sheet: embodiment", got=repr(sheet.embodiment), allowed=sorted(found)
        )
    return found[sheet.embodiment]


def misfits(source: Source, sheet: Sheet, robot: Embodiment) -> list[str]:
    """Return every way in which policy and robot do not fit, a line each."""
    faults = []
    parts = (
        ("state", source.state, robot.state_names, source.state_width),
        (
            "action",
            source.action,
            robot.action_names,
            source.action_width,
        ),
    )
    for name, affine, names, most in parts:
        length, wanted = len(affine.offset), len(names)
        if length < wanted or wanted > most or (length > wanted and not source.is_padded):
            faults.append(f"{name}: got: {length} entries; allowed: {wanted}: {', '.join(names)}")
    for key in ("start_low", "start_high"):
        if len(getattr(sheet, key)) != len(robot.state_names):
            got, allowed = len(getattr(sheet, key)), len(robot.state_names)
            faults.append(f"{key}: got: {got} entries; allowed: {allowed}")
    told = robot.action_names[: len(robot.state_names)]
    faults += [
        f"relative: got: {name!r}; allowed: {list(told)}"
        for name in sheet.relative
        if name not in told
    ]
    if sheet.relative and source.relative is not None:
        faults.append("relative: got: a list; allowed: none, for this folder says it")
    images = [camera["image"] for camera in sheet.cameras.values()]
    if source.images is not None:
        faults += [
            f"cameras: image: got: {image!r}; allowed: {list(source.images)}"
            for image in images
            if image not in source.images
        ]
        if len(set(images)) < len(images):
            faults.append(f"cameras: image: got: {images}; allowed: each once")
    return faults


def relative_of(source: Source, sheet: Sheet, robot: Embodiment) -> tuple[int, ...]:
    """Return which actions are relative to the state: the folder's word, else the sheet's."""
    if source.relative is None:
        return tuple(i for i, name in enumerate(robot.action_names) if name in sheet.relative)
    return tuple(i for i, is_relative in enumerate(source.relative) if is_relative)
