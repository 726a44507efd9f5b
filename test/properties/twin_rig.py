# SPDX-License-Identifier: Apache-2.0
"""Two bridges fed the same, arms that follow them, and the wire checker on what they send."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.command import Command
from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Accepted, Rejected
from onestep_vla_ros.core.wire_check import WireCheck
from onestep_vla_ros.core.wire_spec import POSITION, TRAJECTORY, channels_of
from onestep_vla_ros.core.wire_units import WireUnits
from onestep_vla_ros.files import read_parameters

HOME = np.array([0.0, 1.047, 1.047, 0.0, 0.0, 0.0, 0.7] * 2)


def make_config(**change) -> BridgeConfig:
    """The shipped parameters with changes; grippers of their own leave the arms' lists."""
    config = from_mapping(BridgeConfig, read_parameters("bridge.yaml"))
    if change.get("gripper_output", "in_arm") != "in_arm":
        change["left_output_joints"] = JOINT_NAMES[:6]
        change["right_output_joints"] = JOINT_NAMES[7:13]
    return replace(config, **change)


class TwinRig:
    """Every event goes to both bridges; I1 to I14 are asserted on what comes out.

    Attributes:
        now: Time of both [s].
        q: Where the arms are measured, (14,).
        sag: What gravity adds to where they were sent, (14,).
        last: The newest command.
    """

    def __init__(self, config: BridgeConfig, tail_every: int = 3) -> None:
        self.config, self.limits = config, Limits.from_config(config)
        self.bridges = Bridge(config), Bridge(config)
        self.wire = WireCheck(config, tail_every=tail_every)
        self._specs, self._units = channels_of(config), WireUnits(config)
        self.now, self.tc = 5.0, config.control_period_s
        self.q, self.sag = HOME.copy(), np.zeros(14)
        self.has_states = True
        self.last: Command | None = None
        self.modes: set[Mode] = set()
        self._is_latched = False
        self.tick()

    @property
    def bridge(self) -> Bridge:
        return self.bridges[0]

    def both(self, method: str, *arguments):
        """Call a method of both bridges; I14: they answer the same."""
        a, b = (getattr(bridge, method)(*arguments) for bridge in self.bridges)
        assert a == b, f"I14: {method} {a} != {b}"
        if method in ("reset", "disable") and not self.bridge.has_output:
            self.wire.on_mode("IDLE", self.now)
            self.last = None  # what is enabled next begins a new run
        if method == "reset" and a.is_accepted:
            self._is_latched = False
        return a

    def chunk(self, q, stamp_s: float, period_s: float):
        return self.both("on_chunk", Chunk(q, stamp_s, period_s), self.now)

    def state(self, q, stamp_s: float | None = None, qd=None):
        """Deliver a joint state; returns the verdict."""
        stamp_s = self.now if stamp_s is None else stamp_s
        verdict = self.both("on_joint_state", q, qd, stamp_s, self.now)
        is_taken = isinstance(verdict, Accepted) or "in a row" in verdict.detail
        if is_taken:
            self.wire.on_measured(q * self.config.wire_scale + self.config.wire_offset)
        return verdict

    def tick(self, count: int = 1, step: float | None = None) -> Command:
        """Let `count` periods (or times of `step` s) pass, each with a joint state and a tick."""
        for _ in range(count):
            self.now += self.tc if step is None else step
            if self.has_states:
                self.state(self.q)
            self._tick_once()
        return self.last

    def jump_clock(self, by_s: float) -> None:
        """Set the clock; backwards while enabled must be a fault."""
        had_output, is_moving = self.bridge.has_output, not self.bridge.is_at_rest
        self.now += by_s
        if by_s < 0.0:
            self.wire.on_clock_jump()
        self._tick_once()
        if by_s < 0.0 and had_output:
            assert self.last.mode is Mode.FAULT
            assert self.last.q is not None or not is_moving, "a clock jump disarmed"

    def _tick_once(self) -> None:
        commands = [bridge.tick(self.now) for bridge in self.bridges]
        self._assert_same(*commands)
        command, before = commands[0], self.last
        if command is before:
            return  # too early: the same again
        self._assert_mode(command)
        if command.q is not None:
            self._assert_kept(command)
            is_run = before is not None and before.q is not None
            if is_run and command.mode not in (Mode.RUN, Mode.START):
                self._assert_braking(before, command)
            self._send(command)
            self.q = command.q + self.sag
        self.last = command
        self.modes.add(command.mode)

    def _assert_same(self, a: Command, b: Command) -> None:
        assert (a.mode, a.reason, a.stamp_s) == (b.mode, b.reason, b.stamp_s), "I14"
        for x, y in ((a.q, b.q), (a.qd, b.qd), (a.qdd, b.qdd)):
            assert (x is y is None) or x.tobytes() == y.tobytes(), "I14"

    def _assert_mode(self, command: Command) -> None:
        """I12 and the latch: silent exactly when there is no output; a fault or stop stays."""
        self.wire.on_mode(command.mode.name, self.now)
        assert (command.q is not None) == self.bridge.has_output
        if command.mode is Mode.IDLE:
            assert command.q is None, "I12"
        if self._is_latched:
            assert command.mode >= Mode.STOP, "a latched fault or stop was left without reset"
        if command.mode is Mode.FAULT or "by the operator" in command.reason:
            self._is_latched = True
        assert command.reason

    def _assert_kept(self, command: Command) -> None:
        """I1 to I4 and I8 on the state itself, and the stop from it."""
        limits = self.limits
        state = np.stack([command.q, command.qd, command.qdd])
        assert np.isfinite(state).all(), "I1"
        assert ((command.q >= limits.low) & (command.q <= limits.high)).all(), "I2"
        assert (np.abs(command.qd) <= limits.velocity).all(), "I3"
        assert (np.abs(command.qdd) <= limits.acceleration).all(), "I4"
        low, high = command.stop.range()
        assert (low >= limits.low - 1e-12).all(), "I8"
        assert (high <= limits.high + 1e-12).all(), "I8"

    def _assert_braking(self, before: Command, after: Command) -> None:
        """I13: without a plan the command goes along the stop announced before."""
        periods = round((after.stamp_s - before.stamp_s) / self.tc)
        if after.stamp_s <= before.stamp_s:
            periods = 1  # the clock went back
        alongs = [before.stop.sample(n * self.tc)[0] for n in {1, max(periods, 1)}]
        off = np.min([np.abs(after.q - along) for along in alongs], axis=0)
        assert off.max() <= 1e-9, f"I13: {off.max()} off the stop, {periods} periods"

    def _send(self, command: Command) -> None:
        """Hand the command's messages to the checker, as the node sends them."""
        for spec in self._specs:
            name, order = spec.name, self._units.orders[spec.name]
            names = self._units.names[name]
            if spec.mode == POSITION:
                self.wire.on_positions(name, self._units.to_wire(name, command.q), self.now)
                continue
            if spec.mode == TRAJECTORY:
                part = slice(min(order), max(order) + 1)
                tail = command.tail(part)
                full = np.zeros((3, len(tail.times_s), 14))
                full[:, :, part] = tail.q, tail.qd, tail.qdd
                times = tail.times_s
            else:
                times = np.zeros(1)
                full = np.stack([command.q, command.qd, command.qdd])[:, None]
            q = self._units.to_wire(name, full[0])
            qd, qdd = self._units.rates_to_wire(name, full[1:])
            self.wire.on_trajectory(name, command.stamp_s, names, times, q, qd, qdd)

    def assert_wire(self) -> None:
        """I1 to I13 as the independent checker saw them."""
        assert not self.wire.violations, dict(self.wire.examples)

    def recover(self) -> Rejected | Accepted:
        """Do what an operator does to get going again."""
        self.has_states = True
        for _ in range(1000):
            if self.bridge.is_at_rest:
                break
            self.tick()
        self.both("reset", self.now)
        self.tick(2)
        verdict = self.both("enable", self.now)
        self.tick()
        return verdict

    def wave(self, seed: int, points: int, period_s: float, size: float) -> np.ndarray:
        """A smooth walk (points, 14) from where the command is."""
        rng = np.random.default_rng(seed)
        start = self.q if self.last is None or self.last.q is None else self.last.q
        step = rng.normal(0.0, size * period_s, (1, 14)) + rng.normal(
            0.0, 0.2 * size * period_s, (points, 14)
        )
        return start + np.cumsum(step, axis=0)
