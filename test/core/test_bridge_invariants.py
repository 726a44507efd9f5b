# SPDX-License-Identifier: Apache-2.0
"""Whatever comes in, in any order: the invariants hold on every command that goes out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.supervisor import Mode

TC = 0.01

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *["chunk"] * 6,
                *["ticks"] * 4,
                "wild",
                "fast",
                "garbage",
                "duplicate",
                "old",
                "future",
                "lose",
                "noise",
                "bad_state",
                "overrun",
                "back",
                "stop",
                "disable",
                "recover",
                "recover",
            ]
        ),
        st.integers(0, 2**20),
    ),
    min_size=5,
    max_size=40,
)


class Storm:
    """Feeds a bridge one event after the other and keeps what it commands."""

    def __init__(self, config, home) -> None:
        self.bridge, self.config = Bridge(config), config
        self.now, self.q, self.commands = 5.0, home.copy(), []
        self.has_states, self.last_chunk = True, None
        self._tick(1)
        assert self.bridge.enable(self.now).is_accepted
        self._tick(2)

    def _tick(self, count) -> None:
        for _ in range(count):
            self.now += TC
            if self.has_states:
                self.bridge.on_joint_state(self.q, None, self.now, self.now)
            command = self.bridge.tick(self.now)
            self.commands.append(command)
            if command.q is not None:
                self.q = command.q

    def _send(self, q, age=0.0, period=0.04) -> None:
        self.last_chunk = Chunk(q, self.now - age, period)
        self.bridge.on_chunk(self.last_chunk, self.now)

    def apply(self, event: str, number: int) -> None:
        rng = np.random.default_rng(number)
        points = int(rng.integers(2, 20))
        walk = self.q + np.cumsum(rng.normal(0.0, rng.choice([0.003, 0.03]), (points, 14)), axis=0)
        if event == "chunk":
            self._send(walk, age=rng.uniform(0.0, 0.2))
        elif event == "wild":
            self._send(rng.uniform(-3.0, 4.0, (points, 14)))
        elif event == "fast":
            self._send(np.clip(self.q + rng.uniform(-0.3, 0.3, (points, 14)), 0.0, 1.0))
        elif event == "garbage":
            walk[rng.integers(points), rng.integers(14)] = rng.choice([np.nan, np.inf, -1e300])
            self._send(walk)
        elif event == "duplicate" and self.last_chunk is not None:
            self.bridge.on_chunk(self.last_chunk, self.now)
        elif event in ("old", "future"):
            self._send(walk, age=rng.uniform(0.2, 3.0) * (1 if event == "old" else -1))
        elif event == "lose":
            self.has_states = False
            self._tick(int(rng.choice([3, 8, 120])))
            self.has_states = True
        elif event == "noise":
            self.q = self.q + rng.normal(0.0, 0.02, 14)
        elif event == "bad_state":
            self.bridge.on_joint_state(np.full(14, np.nan), None, self.now, self.now)
        elif event == "overrun":
            self.now += rng.uniform(0.0, 0.2)
        elif event == "back":
            self.now -= rng.uniform(0.0, 1.0)
        elif event in ("stop", "disable"):
            getattr(self.bridge, event)(self.now)
        elif event == "recover":
            self.bridge.reset(self.now)
            self._tick(1)
            self.bridge.enable(self.now)
        self._tick(int(rng.integers(1, 30)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EVENTS)
def test_invariants_hold_in_any_storm(bridge_config, home, check_wire, events):
    storm = Storm(bridge_config, home)
    for event, number in events:
        storm.apply(event, number)
    check_wire(storm.commands, bridge_config)
    for before, after in zip(storm.commands, storm.commands[1:], strict=False):
        if after.q is None or before.q is None:
            continue
        if after.mode is not Mode.RUN:  # braking, or at rest: along the announced stop
            assert np.abs(after.q - before.stop.sample(TC)[0]).max() <= 1e-12
        assert after.stamp_s > before.stamp_s or after.mode is Mode.FAULT or after is before


@settings(max_examples=15, deadline=None)
@given(EVENTS)
def test_same_stream_gives_bit_identical_output(bridge_config, home, events):
    storms = [Storm(bridge_config, home) for _ in range(2)]
    for event, number in events:
        for storm in storms:
            storm.apply(event, number)
    for a, b in zip(storms[0].commands, storms[1].commands, strict=True):
        assert (a.mode, a.reason, a.stamp_s) == (b.mode, b.reason, b.stamp_s)
        assert a.q is b.q is None or (a.q == b.q).all()


@settings(max_examples=25, deadline=None)
@given(EVENTS)
def test_state_keeps_the_limits_when_the_controller_runs_the_tail(bridge_config, home, events):
    config = replace(bridge_config, output_mode=("joint_trajectory",) * 2)
    storm = Storm(config, home)
    for event, number in events:
        storm.apply(event, number)
    for command in storm.commands:
        if command.q is None:
            continue
        assert (np.abs(command.qd) <= np.array(config.max_velocity)).all()
        assert (np.abs(command.qdd) <= np.array(config.max_acceleration)).all()
        low, high = command.stop.range()
        margin = np.array(config.position_margin)
        assert (low >= np.array(config.position_low) + margin).all()
        assert (high <= np.array(config.position_high) - margin).all()


@pytest.mark.parametrize("seed", range(3))
def test_soak_with_a_wild_policy(bridge_config, home, check_wire, seed):
    """3 x 42,000 joint-samples of a policy that jumps about inside its gate."""
    rng = np.random.default_rng(seed)
    storm = Storm(bridge_config, home)
    low, high = np.array(bridge_config.position_low), np.array(bridge_config.position_high)
    for _ in range(300):
        reach = 0.3 * rng.uniform(-1.0, 1.0, (int(rng.integers(2, 20)), 14))
        reach = np.cumsum(reach * rng.choice([0.1, 1.0]), axis=0) + storm.q
        storm._send(np.clip(reach, low - 0.1, high + 0.1), age=rng.uniform(0.0, 0.1))
        storm._tick(10)
    assert storm.bridge.ledger.summary().governed_ticks > 100
    assert storm.commands[-1].mode in (Mode.RUN, Mode.HOLD)
    check_wire(storm.commands, bridge_config)
