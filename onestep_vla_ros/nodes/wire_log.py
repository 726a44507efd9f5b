# SPDX-License-Identifier: Apache-2.0
"""What the fault rig keeps of each message: the few numbers that rows are judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import JointError
from onestep_vla_ros.core.joints import reorder
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.nodes.messages import to_seconds
from onestep_vla_ros.nodes.trace import Trace
from onestep_vla_ros.nodes.wire_tap import Heard


@dataclass(frozen=True, slots=True)
class TickSeen:
    """One tick of the bridge: its time on the stamps' clock, mode and chunk."""

    tick_s: float
    mode: Mode
    chunk_stamp_s: float
    sent_s: float

    @staticmethod
    def of(trace: Trace, heard: Heard) -> TickSeen:
        """Return what is kept of a trace."""
        return TickSeen(trace.tick_s, trace.mode, trace.chunk_stamp_s, heard.sent_s)


@dataclass(frozen=True, slots=True)
class CommandSeen:
    """One command to one arm.

    Attributes:
        stamp_s: Its stamp [s].
        rest_s: When its tail comes to rest [s].
        q: First point's positions, (7,).
        speed: Largest |qd| of its first point.
        sent_s: When the bridge sent it, system time [s].
    """

    stamp_s: float
    rest_s: float
    q: NDArray[np.float64]
    speed: float
    sent_s: float

    @staticmethod
    def of(heard: Heard) -> CommandSeen:
        """Return what is kept of a trajectory message."""
        message = heard.message
        stamp_s = to_seconds(message.header.stamp)
        rest_s, speed, q = stamp_s, 0.0, np.empty(0)
        for i, point in enumerate(message.points):
            moves = max((abs(v) for v in point.velocities), default=0.0)
            if i == 0:
                q, speed = np.array(point.positions), moves
            rest_s = stamp_s + to_seconds(point.time_from_start)
            if moves == 0.0:
                break
        return CommandSeen(stamp_s, rest_s, q, speed, heard.sent_s)


@dataclass(frozen=True, slots=True)
class StateSeen:
    """One joint state; `q` is None when it could not be read."""

    stamp_s: float
    q: NDArray[np.float64] | None
    sent_s: float

    @staticmethod
    def of(heard: Heard) -> StateSeen:
        """Return what is kept of a joint_states message."""
        message = heard.message
        try:
            q = reorder(message.name, message.position)
        except JointError:
            q = None
        return StateSeen(to_seconds(message.header.stamp), q, heard.sent_s)


@dataclass(frozen=True, slots=True)
class StampSeen:
    """A chunk or a picture: its stamp and when it was sent, both system time [s]."""

    stamp_s: float
    sent_s: float
