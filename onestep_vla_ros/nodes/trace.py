# SPDX-License-Identifier: Apache-2.0
"""The `bridge/trace` message: one control tick of the bridge in four numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from std_msgs.msg import Float64MultiArray, MultiArrayDimension

from onestep_vla_ros.core.supervisor import Mode

_LABEL = "tick_s,mode,chunk_stamp_s,governor_active"
_MODES = tuple(Mode)


@dataclass(frozen=True, slots=True)
class Trace:
    """What the bridge did in one tick.

    Attributes:
        tick_s: The tick's time [s], on the clock of the stamps.
        mode: The mode it was in.
        chunk_stamp_s: Identity of the newest accepted chunk [s]; NaN before the first.
        is_governed: The governor changed the plan's sample.
    """

    tick_s: float
    mode: Mode
    chunk_stamp_s: float
    is_governed: bool

    def to_message(self) -> Float64MultiArray:
        """Return the message."""
        message = Float64MultiArray()
        message.layout.dim = [MultiArrayDimension(label=_LABEL, size=4, stride=4)]
        message.data = [
            self.tick_s,
            float(_MODES.index(self.mode)),
            self.chunk_stamp_s,
            float(self.is_governed),
        ]
        return message

    @staticmethod
    def from_message(message: Float64MultiArray) -> Trace | None:
        """Return the trace, or None when the message is not one."""
        if len(message.data) != 4 or not math.isfinite(message.data[0]):
            return None
        mode = int(message.data[1])
        if not 0 <= mode < len(_MODES):
            return None
        return Trace(message.data[0], _MODES[mode], message.data[2], message.data[3] > 0.5)
