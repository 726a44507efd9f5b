# SPDX-License-Identifier: Apache-2.0
"""What gate, watch and start pose go by where the bridge does not command joint positions.

`BridgeConfig` carries the same names; what they mean is said there.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChunkRules:
    """What a chunk has to be; lists have an entry for each of `joint_names`."""

    joint_names: tuple[str, ...]
    position_low: tuple[float, ...]
    position_high: tuple[float, ...]
    jump_limit: tuple[float, ...]
    min_waypoints: int
    max_waypoints: int
    min_period_s: float
    max_period_s: float
    max_horizon_s: float
    future_tolerance_s: float
    max_observation_age_s: float


@dataclass(frozen=True, slots=True)
class StateRules:
    """What a measured state has to be; lists have an entry for each of `joint_names`.

    Attributes:
        tracking_error_limit: Infinite: an increment is nowhere that the arm could be apart from.
    """

    joint_names: tuple[str, ...]
    position_low: tuple[float, ...]
    position_high: tuple[float, ...]
    measured_overshoot: float
    state_jump_factor: float
    max_velocity: tuple[float, ...]
    tracking_error_limit: tuple[float, ...]
    tracking_error_timeout_s: float
    joint_state_timeout_s: float
    control_period_s: float
    future_tolerance_s: float
    start_check: str
    start_tolerance: float
    start_velocity: float
