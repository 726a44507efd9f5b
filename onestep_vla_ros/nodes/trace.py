# SPDX-License-Identifier: Apache-2.0
"""The trace messages: a control tick of the bridge, an inference, an exchange in lockstep."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, replace

from std_msgs.msg import Float64MultiArray, MultiArrayDimension

from onestep_vla_ros.core.supervisor import Mode

_LABEL = "tick_s,mode,chunk_stamp_s,governor_active"
_INFERENCE_LABEL = "stamp_s,observed_s,started_s,ended_s"
_EXCHANGE_LABEL = "stamp_s,chunk_s,steps_s,steps"
_DIMENSIONS = {
    label: [MultiArrayDimension(label=label, size=4, stride=4)]
    for label in (_LABEL, _INFERENCE_LABEL, _EXCHANGE_LABEL)
}
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
        mode = float(_MODES.index(self.mode))
        numbers = (self.tick_s, mode, self.chunk_stamp_s, float(self.is_governed))
        return _message(_LABEL, numbers)

    @staticmethod
    def from_message(message: Float64MultiArray) -> Trace | None:
        """Return the trace, or None when the message is not one."""
        if len(message.data) != 4 or not math.isfinite(message.data[0]):
            return None
        mode = int(message.data[1])
        if not 0 <= mode < len(_MODES):
            return None
        return Trace(message.data[0], _MODES[mode], message.data[2], message.data[3] > 0.5)


@dataclass(frozen=True, slots=True)
class InferenceTrace:
    """When the policy did what for one chunk; in `policy/trace` on the clock of the stamps.

    Attributes:
        stamp_s: Capture time of the observation, the chunk's identity [s].
        observed_s: When all of the observation had arrived [s].
        started_s: Begin of the inference [s].
        ended_s: End of it [s].
    """

    stamp_s: float
    observed_s: float
    started_s: float
    ended_s: float

    def to_message(self) -> Float64MultiArray:
        """Return the message."""
        return _message(_INFERENCE_LABEL, astuple(self))

    def shifted(self, offset_s: float) -> InferenceTrace:
        """Return the same times on a clock that is `offset_s` ahead."""
        return InferenceTrace(*(number + offset_s for number in astuple(self)))

    @staticmethod
    def from_message(message: Float64MultiArray) -> InferenceTrace | None:
        """Return the trace, or None when the message is not one."""
        if len(message.data) != 4 or not all(map(math.isfinite, message.data)):
            return None
        return InferenceTrace(*message.data)


@dataclass(frozen=True, slots=True)
class ExchangeTrace:
    """What one observation and the actions that followed it have cost in lockstep, by the wall.

    Attributes:
        stamp_s: Capture time of the observation, the chunk's identity [s].
        chunk_s: From the observation's sending until its chunk had come and was judged [s].
        steps_s: Over all steps, from the sending of the clock until the action had come [s].
        steps: How many of them there were.
    """

    stamp_s: float
    chunk_s: float
    steps_s: float = 0.0
    steps: int = 0

    @property
    def total_s(self) -> float:
        """All of it: what the chunk has cost the world's loop [s]."""
        return self.chunk_s + self.steps_s

    def with_step(self, took_s: float) -> ExchangeTrace:
        """Return the same with one step more."""
        return replace(self, steps_s=self.steps_s + took_s, steps=self.steps + 1)

    def to_message(self) -> Float64MultiArray:
        """Return the message."""
        return _message(
            _EXCHANGE_LABEL, (self.stamp_s, self.chunk_s, self.steps_s, float(self.steps))
        )

    @staticmethod
    def from_message(message: Float64MultiArray) -> ExchangeTrace | None:
        """Return the trace, or None when the message is not one."""
        if len(message.data) != 4 or not all(map(math.isfinite, message.data)):
            return None
        stamp_s, chunk_s, steps_s, steps = message.data
        return ExchangeTrace(stamp_s, chunk_s, steps_s, int(steps))


def _message(label: str, numbers: tuple[float, ...]) -> Float64MultiArray:
    message = Float64MultiArray(data=numbers)
    message.layout.dim = _DIMENSIONS[label]
    return message
