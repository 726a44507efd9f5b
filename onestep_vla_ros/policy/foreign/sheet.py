# SPDX-License-Identifier: Apache-2.0
"""The robot's sheet: what a foreign folder does not say and our contract needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onestep_vla_ros.core.parameter import from_mapping, param
from onestep_vla_ros.policy.contract import STATES

STATISTICS: tuple[str, ...] = ("mean_std", "quantiles")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One robot and what the imported policy is told of it; read from YAML."""

    embodiment: str = param("The robot, by the name of its embodiment")
    cameras: dict = param(  # type: ignore[type-arg]
        "Our camera name to {image: the policy's name of it, height, width}"
    )
    period_s: float = param("Time between waypoints", unit="s", low=0.001, high=1.0)
    state: str = param("Which state the policy reads", choices=STATES)
    instruction_examples: tuple[str, ...] = param("Sentences it was trained on")
    start_low: tuple[float, ...] = param("Smallest start of its demonstrations, an entry each")
    start_high: tuple[float, ...] = param("Largest")
    relative: tuple[str, ...] = param(
        "Action entries that it states relative to the state, where the folder is silent"
    )
    horizon: int = param(
        "Waypoints a chunk, where the folder is silent (openpi); 0", low=0, high=200
    )
    statistics: str = param("Which of openpi's it was trained with", choices=STATISTICS)
    asset: str = param("Which of openpi's assets, when there are several")

    @staticmethod
    def contradictions(values: Mapping[str, Any]) -> list[str]:
        """Return what contradicts itself among the `values` that were read, a line each."""
        faults = []
        cameras = values.get("cameras", {"": {"image": "", "height": 16, "width": 16}})
        for name, camera in cameras.items():
            sizes = [camera.get(k) for k in ("height", "width")] if _is_camera(camera) else []
            if not sizes or not all(type(x) is int and 16 <= x <= 2048 for x in sizes):
                faults.append(
                    f"cameras.{name}: got: {camera!r}; "
                    "allowed: {image: name, height: 16 to 2048, width: 16 to 2048}"
                )
        if not cameras:
            faults.append("cameras: got: none; allowed: one or more")
        if not values.get("instruction_examples", ("",)):
            faults.append("instruction_examples: got: none; allowed: one or more")
        low, high = values.get("start_low", ()), values.get("start_high", ())
        if len(low) == len(high) and any(a > b for a, b in zip(low, high, strict=True)):
            faults.append(
                "start_low: got: an entry above that of start_high; allowed: low <= high"
            )
        return faults


OPTIONAL: dict[str, object] = {
    "state": "measured",
    "relative": [],
    "horizon": 0,
    "statistics": "mean_std",
    "asset": "",
}
"""What a sheet may leave out, and what then counts."""


def read_sheet(data: Mapping[str, object]) -> Sheet:
    """Return the sheet in a mapping.

    Raises:
        ConfigError: Lists every fault.
    """
    return from_mapping(Sheet, {**OPTIONAL, **data}, "robot's sheet")


def _is_camera(value: object) -> bool:
    names = {"image", "height", "width"}
    return isinstance(value, dict) and set(value) == names and isinstance(value["image"], str)
