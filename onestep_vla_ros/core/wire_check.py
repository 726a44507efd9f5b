# SPDX-License-Identifier: Apache-2.0
"""An independent check of what the controllers receive: invariants I1 to I14 on the wire."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.wire_channel import ChannelCheck
from onestep_vla_ros.core.wire_motion import Knots
from onestep_vla_ros.core.wire_spec import POSITION, TRAJECTORY, channels_of

_MEASURED_TOLERANCE = 1e-6


class WireCheck:
    """Judges every message to both arms; shares no code with what makes them.

    Time is commanded time: the stamps of trajectory messages, the count of messages where the
    output is streamed. From these it rebuilds the motion at the control period Tc. A stamp
    that is n periods after the last means the controller ran n - 1 periods of the last
    message's tail meanwhile. What is checked, by number in the README's list:

    - I1 finite; I2 positions within limits and margin; I3, I4, I5 velocity, acceleration and
      jerk by first, second and third differences at Tc, the first command preceded by rest.
    - I6 stamps rise by a whole number of periods, one unless ticks were missed.
    - I7 a message's first knot can be reached from the last motion within |jerk| <= J.
    - I8 the tail to its end, joined to the motion so far, keeps I1 to I5 at Tc, and by itself
      at Tc / `fine`. I9 its last point rests (streamed outputs have none: not checked).
    - I10 joints as configured, in order; a plain array shows only its length.
    - I11 both arms (and grippers of their own) get the same stamps, message by message.
    - I12 nothing while IDLE; one publisher a topic.
    - I13 a run starts at the measured state, at rest; that later commands hang on the last
      command is I7. I14, same input gives same output, is for whoever can replay:
      `digest` compares two runs to the bit.

    Tolerance: 1e-6 of a limit, 1e-12 for positions, and what rounding does. Numbers on the
    wire are exact but for the last bits of a double. Times are rounded to `resolution_s`, which
    moves a sampled position by up to V x resolution, and a k-th difference at spacing dt by
    2^k V resolution / dt^k; this concerns I8 and skipped periods only.

    Args:
        config: Joints, limits, output modes and units of the robot.
        fine: I8 samples a period of a tail this often.
        tail_every: I8 looks at one message in so many of each topic.
        resolution_s: Times on the wire are rounded to this [s]; 0 for exact numbers.
        measured_kept: I13 compares with the last so many measured states.

    Attributes:
        violations: Count of each violated invariant, as {"I3": 2}; a message counts each once.
        examples: The first of each in words.
        messages: Messages judged.
        samples: Joint samples of the executed motion at Tc.
    """

    def __init__(
        self,
        config: BridgeConfig,
        *,
        fine: int = 4,
        tail_every: int = 1,
        resolution_s: float = 1e-9,
        measured_kept: int = 1,
    ) -> None:
        self._period_s = config.control_period_s
        self._low = np.array(config.position_low) + np.array(config.position_margin)
        self._high = np.array(config.position_high) - np.array(config.position_margin)
        self._scale, self._offset = np.array(config.wire_scale), np.array(config.wire_offset)
        self._measured: deque[NDArray[np.float64]] = deque(maxlen=measured_kept)
        self._idle_since_s = math.inf
        self._mode = ""
        self.violations: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.messages = 0
        self._channels = {
            spec.name: ChannelCheck(
                spec, self._period_s, self._note, fine, tail_every, resolution_s
            )
            for spec in channels_of(config)
        }

    @property
    def samples(self) -> int:
        """Joint samples at Tc that were checked, all topics together."""
        return sum(channel.samples for channel in self._channels.values())

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the topics that are checked: "left", "right", "left_gripper", …."""
        return tuple(self._channels)

    def digest(self) -> str:
        """Return a hash of all that was received so far; equal only when equal to the bit."""
        return "-".join(channel.hash.hexdigest() for channel in self._channels.values())

    def on_measured(self, q: ArrayLike) -> None:
        """Take a measured state (14,) as it stands on joint_states, in 14-D order."""
        self._measured.append((np.asarray(q, dtype=np.float64) - self._offset) / self._scale)

    def on_mode(self, mode: str, at_s: float = -math.inf) -> None:
        """Take the bridge's mode, as "IDLE" or "RUN", decided at `at_s` on the stamps' clock.

        A mode that is not IDLE after IDLE begins a new run. While IDLE a stamp one period
        after `at_s` or later is a violation; a streamed output is one at once.
        """
        if mode == self._mode:
            return
        if mode == "IDLE":
            self._idle_since_s = at_s
        elif self._mode == "IDLE":
            self._idle_since_s = math.inf
            self._end_run()
        self._mode = mode

    def on_clock_jump(self) -> None:
        """Take it that the stamps' clock jumped: the next stamp counts as one period on.

        For whoever sees the clock itself: /clock set back, which must also be a FAULT, or the
        wall clock set anew under a bridge whose deadlines run on the steady clock.
        """
        for channel in self._channels.values():
            channel.forget_stamp()

    def on_publishers(self, channel: str, count: int) -> None:
        """Take how many publishers a topic has; more than one is a violation."""
        if count > 1:
            self._note("I12", f"{channel}: {count} publishers, allowed 1")

    def on_trajectory(
        self,
        channel: str,
        stamp_s: float,
        names: Sequence[str],
        times_s: ArrayLike,
        q: ArrayLike,
        qd: ArrayLike,
        qdd: ArrayLike,
    ) -> None:
        """Judge a trajectory message of one topic, in the units of the wire.

        Args:
            channel: "left", "right", "left_gripper" or "right_gripper".
            stamp_s: Its header stamp [s].
            names: Its joint names.
            times_s: time_from_start of each point, (K,) [s].
            q: Positions, (K, J).
            qd: Velocities, (K, J).
            qdd: Accelerations, (K, J).
        """
        self.messages += 1
        check = self._channels.get(channel)
        if check is None or check.spec.mode == POSITION:
            self._note("I10", f"{channel}: a trajectory on a topic that has no such message")
            return
        spec = check.spec
        if self._mode == "IDLE" and stamp_s >= self._idle_since_s + 0.5 * self._period_s:
            self._note("I12", f"{channel}: stamp {stamp_s:.3f} while IDLE")
        times = np.array(times_s, dtype=np.float64)
        parts = [np.array(part, dtype=np.float64) for part in (q, qd, qdd)]
        shape = (len(times), len(spec.joints))
        if tuple(names) != spec.joints or not len(times) or any(p.shape != shape for p in parts):
            self._note("I10", f"{channel}: joints {list(names)}, allowed {list(spec.joints)}")
            return
        check.hash.update(np.float64(stamp_s).tobytes() + b"".join(p.tobytes() for p in parts))
        is_finite = math.isfinite(stamp_s) and np.isfinite(times).all()
        if not is_finite or not all(np.isfinite(part).all() for part in parts):
            self._note("I1", f"{channel}: a number that is not finite, stamp {stamp_s}")
            return
        parts[0] = (parts[0] - spec.offset) / spec.scale
        knots = Knots(times, parts[0], parts[1] / spec.scale, parts[2] / spec.scale)
        if not check.has_started:
            self._check_start(check, knots)
        check.take(stamp_s, knots)
        self._check_pairs(check)

    def on_positions(self, channel: str, values: ArrayLike, now_s: float = math.inf) -> None:
        """Judge a message of plain positions (J,), in the units of the wire."""
        self.messages += 1
        check = self._channels.get(channel)
        if check is None or check.spec.mode != POSITION:
            self._note("I10", f"{channel}: positions on a topic that has no such message")
            return
        spec = check.spec
        if self._mode == "IDLE" and now_s >= self._idle_since_s:
            self._note("I12", f"{channel}: positions while IDLE")
        q = np.array(values, dtype=np.float64)
        if q.shape != (len(spec.joints),):
            self._note("I10", f"{channel}: {q.shape} positions, allowed ({len(spec.joints)},)")
            return
        check.hash.update(q.tobytes())
        if not np.isfinite(q).all():
            self._note("I1", f"{channel}: a number that is not finite")
            return
        still = np.zeros((1, len(q)))
        knots = Knots(np.zeros(1), ((q - spec.offset) / spec.scale)[None], still, still)
        if not check.has_started:
            self._check_start(check, knots)
        check.take_position(knots.q[0])
        self._check_pairs(check)

    def finish(self) -> None:
        """Judge what only shows at the end: did every topic get the same messages?"""
        counts = {c.spec.name: c.count for c in self._channels.values()}
        if len(set(counts.values())) > 1:
            self._note("I11", f"messages of the last run differ in number: {counts}")

    def _check_start(self, check: ChannelCheck, knots: Knots) -> None:
        """I13: the first command of a run is the measured state, at rest."""
        name = check.spec.name
        if knots.qd[0].any() or knots.qdd[0].any():
            self._note("I13", f"{name}: the first command of a run moves")
        if not self._measured:
            return
        index = check.spec.index
        allowed = [np.clip(q, self._low, self._high)[index] for q in self._measured]
        gap = min(float(np.abs(knots.q[0] - q).max()) for q in allowed)
        if gap > _MEASURED_TOLERANCE:
            self._note("I13", f"{name}: the first command of a run is {gap:.6f} off the measured")

    def _check_pairs(self, check: ChannelCheck) -> None:
        """I11: when one topic gets its next message, all others have got the one before."""
        for other in self._channels.values():
            if other.count < check.count - 1:
                name, behind = other.spec.name, check.count - other.count
                self._note("I11", f"{name} is {behind} messages behind {check.spec.name}")
                other.count = check.count - 1
            is_stamped = TRAJECTORY in other.spec.mode and TRAJECTORY in check.spec.mode
            if is_stamped and other.count == check.count and other.stamp_s != check.stamp_s:
                gap = abs(other.stamp_s - check.stamp_s)
                self._note(
                    "I11", f"stamps of {other.spec.name}, {check.spec.name} {gap:.9f} s off"
                )

    def _end_run(self) -> None:
        self.finish()
        for channel in self._channels.values():
            channel.forget_run()

    def _note(self, invariant: str, text: str) -> None:
        self.violations[invariant] += 1
        self.examples.setdefault(invariant, text)
