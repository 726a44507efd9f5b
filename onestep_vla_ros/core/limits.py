# SPDX-License-Identifier: Apache-2.0
"""The limits of every joint that a commanded motion has to keep."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of J joints, each (J,), read-only.

    Attributes:
        low: Lowest commanded position, margin included [rad, gripper 0..1].
        high: Highest commanded position, margin included.
        velocity: V [rad/s].
        acceleration: A [rad/s^2].
        jerk: J [rad/s^3].
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    velocity: NDArray[np.float64]
    acceleration: NDArray[np.float64]
    jerk: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Copy read-only; raise `ConfigError` unless shapes agree and every range is open."""
        arrays: dict[str, ArrayLike] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in arrays.items():
            copy = np.array(value, dtype=np.float64)
            copy.flags.writeable = False
            object.__setattr__(self, name, copy)
        if len({getattr(self, name).shape for name in arrays}) != 1:
            raise ConfigError("limits differ in shape", allowed="one entry a joint in each")
        rates = (self.velocity, self.acceleration, self.jerk)
        if not (self.low < self.high).all() or not all((rate > 0).all() for rate in rates):
            raise ConfigError("limits leave no room", allowed="low < high and positive rates")

    @classmethod
    def from_config(cls, config: BridgeConfig) -> Limits:
        """Return the limits of `config`, with the position margin taken off."""
        margin = np.array(config.position_margin)
        return cls(
            low=np.array(config.position_low) + margin,
            high=np.array(config.position_high) - margin,
            velocity=np.array(config.max_velocity),
            acceleration=np.array(config.max_acceleration),
            jerk=np.array(config.max_jerk),
        )

    @property
    def stop_time_s(self) -> float:
        """Longest time any joint needs to rest, `max(V/A + 2A/J)` [s]."""
        times = self.velocity / self.acceleration + 2.0 * self.acceleration / self.jerk
        return float(times.max())
