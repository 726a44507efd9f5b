# SPDX-License-Identifier: Apache-2.0
"""What a bridge sends of a wild movement, message by message, for tests of the wire checker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.wire_check import WireCheck
from onestep_vla_ros.core.wire_units import WireUnits

TC = 0.01
ARMS = ("left", "right")


@dataclass
class Message:
    """One trajectory message of one arm, as it stands on the wire."""

    channel: str
    stamp_s: float
    names: list[str]
    times: np.ndarray
    q: np.ndarray
    qd: np.ndarray
    qdd: np.ndarray

    def to(self, check: WireCheck) -> None:
        check.on_trajectory(
            self.channel, self.stamp_s, self.names, self.times, self.q, self.qd, self.qdd
        )


def record(config, home, ticks, gaps=()):
    rng, units, bridge, sent = np.random.default_rng(5), WireUnits(config), Bridge(config), []
    q, now = home, 50.0
    bridge.on_joint_state(q, None, now, now)
    assert bridge.enable(now).is_accepted
    for k in range(ticks):
        now += TC + (0.03 if k in gaps else 0.0)
        bridge.on_joint_state(q, None, now, now)
        if k % 20 == 2:
            walk = np.clip(q + np.cumsum(rng.normal(0.0, 0.05, (12, 14)), axis=0), 0.0, 1.5)
            bridge.on_chunk(Chunk(walk, now - 0.03, 0.08), now)
        command = bridge.tick(now)
        q = command.q
        sent += [message(units, arm, i, command) for i, arm in enumerate(ARMS)]
    return sent


def message(units, arm, i, command) -> Message:
    tail = command.tail(slice(7 * i, 7 * i + 7))
    parts = [np.concatenate([p, p[-1:]]) for p in (tail.q, tail.qd, tail.qdd)]
    times = np.append(tail.times_s, tail.times_s[-1] + 0.1)
    return Message(arm, round(command.stamp_s, 9), units.names[arm], times, *parts)
