# SPDX-License-Identifier: Apache-2.0
"""The wire of the pure rows: commands become messages, the checker and the arms get them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.command import Command
from onestep_vla_ros.core.wire_check import WireCheck
from onestep_vla_ros.core.wire_motion import Knots
from onestep_vla_ros.core.wire_spec import POINT, POSITION, Channel, channels_of
from onestep_vla_ros.faults.arms import Arms

_REST_S = 0.1
"""The last point is said again this much later, as the node does [s]."""


class Wire:
    """Writes each command to every topic, in the units and with the rounding of the wire.

    Args:
        config: The bridge's parameters.
        q: Where the arms stand at first, (14,).

    Attributes:
        check: The independent checker; it gets every message.
        arms: What executes them.
        cut: Topics whose messages the arms do not get any more.
        wall_jump_s: How far the clock of the stamps has been set.
        back_s: How far /clock has been set back; the arms' own time goes on.
    """

    def __init__(self, config: BridgeConfig, q: NDArray[np.float64]) -> None:
        self._specs = channels_of(config)
        self.check = WireCheck(config, measured_kept=2)  # one may come between enable and tick
        self.arms = Arms(config, q)
        self.cut: set[str] = set()
        self.wall_jump_s = self.back_s = 0.0

    def send(self, command: Command, now_s: float) -> None:
        """Put one command on the wire at `now_s` [s]."""
        self.check.on_mode(command.mode.name, now_s + self.wall_jump_s)
        if command.q is None:
            return
        for spec in self._specs:
            if spec.mode == POSITION:
                self._send_positions(spec, command.q[spec.index])
            else:
                self._send_knots(spec, command, now_s)

    def _send_positions(self, spec: Channel, q: NDArray[np.float64]) -> None:
        self.check.on_positions(spec.name, spec.scale * q + spec.offset)
        if spec.name not in self.cut:
            self.arms.hold(spec.name, q)

    def _send_knots(self, spec: Channel, command: Command, now_s: float) -> None:
        knots = _knots(spec, command)
        stamp_s = round(command.stamp_s + self.wall_jump_s, 9)
        self.check.on_trajectory(
            spec.name,
            stamp_s,
            spec.joints,
            knots.times_s,
            spec.scale * knots.q + spec.offset,
            spec.scale * knots.qd,
            spec.scale * knots.qdd,
        )
        if spec.name not in self.cut:
            at_s = now_s + self.back_s
            self.arms.take(spec.name, command.stamp_s + self.back_s, knots, at_s)


def _knots(spec: Channel, command: Command) -> Knots:
    """Return what one topic's message says, times in whole nanoseconds."""
    if spec.mode == POINT:
        states = [np.asarray(part)[None, spec.index] for part in _state(command)]
        return Knots(np.zeros(1), *states)
    start = int(spec.index.min())
    tail = command.tail(slice(start, int(spec.index.max()) + 1))
    if tail is None:
        still = np.zeros((1, len(spec.index)))
        return Knots(np.zeros(1), np.asarray(command.q)[None, spec.index], still, still)
    order = spec.index - start
    parts = [np.concatenate([p, p[-1:]])[:, order] for p in (tail.q, tail.qd, tail.qdd)]
    times = np.round(np.append(tail.times_s, tail.times_s[-1] + _REST_S), 9)
    return Knots(times, *parts)


def _state(command: Command) -> list[NDArray[np.float64]]:
    zero = np.zeros(14)
    return [np.asarray(zero if p is None else p) for p in (command.q, command.qd, command.qdd)]
