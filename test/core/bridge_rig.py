# SPDX-License-Identifier: Apache-2.0
"""A bridge on a fake clock, with arms that are wherever the last command sent them."""

from __future__ import annotations

import numpy as np

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.supervisor import Mode

TC = 0.01


class Rig:
    """A bridge, its clock, and arms that are wherever the last command sent them."""

    def __init__(self, config, home) -> None:
        self.bridge, self.config, self.home = Bridge(config), config, home
        self.tick_count, self.commands = 0, []
        self.has_states = True
        self.q = home.copy()

    @property
    def now(self) -> float:
        return self.tick_count * TC

    def tick(self, count=1):
        for _ in range(count):
            self.tick_count += 1
            if self.has_states:
                self.bridge.on_joint_state(self.q, np.zeros(14), self.now, self.now)
            command = self.bridge.tick(self.now)
            self.commands.append(command)
            if command.q is not None:
                self.q = command.q
        return self.commands[-1]

    def enable(self):
        self.tick()
        verdict = self.bridge.enable(self.now)
        assert verdict.is_accepted, verdict
        return self.tick()

    def wave(self, stamp, points=16):
        t = stamp + 0.04 * np.arange(1, points + 1)
        return self.home + 0.2 * np.sin(2.0 * t)[:, None]

    def send(self, age=0.05, **change):
        stamp = self.now - age
        q = change.pop("q", None)
        chunk = Chunk(self.wave(stamp) if q is None else q, stamp, change.pop("period", 0.04))
        return self.bridge.on_chunk(chunk, self.now)

    def run(self, ticks=60):
        """Get going: a chunk every 16 ticks for `ticks`."""
        for k in range(ticks):
            if k % 16 == 0:
                verdict = self.send(age=0.0)
                assert verdict.is_accepted, verdict
            self.tick()
        assert self.commands[-1].mode is Mode.RUN
        assert np.abs(self.commands[-1].qd).max() > 0.05
        return self


def is_braking(before, after) -> bool:
    """Is `after` one period along the stop that `before` announced?"""
    return np.allclose(before.stop.sample(TC)[0], after.q, atol=1e-12, rtol=0)
