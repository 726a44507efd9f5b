# SPDX-License-Identifier: Apache-2.0
"""The wire checker's view of one topic: the motion executed so far and each new message."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.wire_motion import Knots, Reach
from onestep_vla_ros.core.wire_spec import TRAJECTORY, Channel

_REL_TOL = 1e-6
_ABS_TOL = 1e-12
_LONGEST_S = 30.0
"""A tail longer than this is no way to rest, and would take for ever to follow [s]."""

_ULP = 8.0
"""Positions and their sums carry a few last bits of a double."""


class ChannelCheck:
    """Rebuilds one topic's motion at the control period and judges it message by message.

    Args:
        spec: Joints, mode and limits.
        period_s: Control period Tc [s].
        note: Called with the number of an invariant and a violation in words.
        fine: Samples of a tail a period.
        tail_every: Tails are followed in one message of so many.
        resolution_s: Rounding of times on the wire [s].

    Attributes:
        count: Messages of this run.
        stamp_s: Newest stamp; nan before the first and after a clock jump.
        samples: Joint samples at Tc so far.
        hash: Of everything received.
    """

    def __init__(
        self,
        spec: Channel,
        period_s: float,
        note: Callable[[str, str], None],
        fine: int,
        tail_every: int,
        resolution_s: float,
    ) -> None:
        self.spec = spec
        self.samples = 0
        self.hash = hashlib.sha256()
        self._period_s, self._fine, self._tail_every = period_s, fine, tail_every
        self._resolution_s = resolution_s
        self._reach = Reach(period_s)
        self._report = note
        self._noted: set[str] = set()
        limits = np.stack([spec.velocity, spec.acceleration, spec.jerk])
        sizes = np.maximum(np.abs(spec.low), np.abs(spec.high)) + np.abs(spec.offset / spec.scale)
        self._bits = _ULP * np.spacing(sizes)
        self._doubt = np.stack([self._bits, self._bits, self._bits])
        spacings = (period_s, period_s, period_s / fine)
        doubts = (0.0, resolution_s, resolution_s)
        self._scales = [dt ** -np.arange(1.0, 4.0)[:, None] for dt in spacings]
        self._allowed = [
            self._allowance(limits, dt, doubt) for dt, doubt in zip(spacings, doubts, strict=True)
        ]
        # positions: executed ones are exact, those on a tail rounded in time
        slack = _ABS_TOL + self._bits
        self._slacks = (slack, slack + 2.0 * resolution_s * spec.velocity)
        self.forget_run()

    def forget_run(self) -> None:
        """Begin anew: the next message is the first of a run."""
        self.count = 0
        self.stamp_s = math.nan
        self._past: NDArray[np.float64] | None = None  # (3, J): the last three samples at Tc
        self._knots: Knots | None = None

    def forget_stamp(self) -> None:
        """Take the next stamp as one period after the last: the clock jumped."""
        self.stamp_s = math.nan

    @property
    def has_started(self) -> bool:
        """Has this run got a message?"""
        return self._past is not None

    def take_position(self, q: NDArray[np.float64]) -> None:
        """Judge one streamed position (J,): the next sample of the motion."""
        self._noted.clear()
        self.count += 1
        self._extend(q[None], self._allowed[0])

    def take(self, stamp_s: float, knots: Knots) -> None:
        """Judge one trajectory message of finite numbers."""
        self._noted.clear()
        self.count += 1
        if knots.times_s[0] < 0.0 or (np.diff(knots.times_s) <= 0.0).any():
            self._note("I6", f"times {knots.times_s[:3]} … do not rise")
            return
        is_trajectory = self.spec.mode == TRAJECTORY
        periods = self._periods(stamp_s)
        if is_trajectory:
            self._join(knots, periods)
            self._check_tail(knots)
            self._knots = knots
        else:
            if len(knots.times_s) != 1:
                self._note("I10", f"{len(knots.times_s)} points in a message of single points")
            self._check_join(knots, self._knots, 0.0)
            self._extend(knots.q[:1], self._allowed[0])
            self._knots = Knots(knots.times_s[:1], knots.q[:1], knots.qd[:1], knots.qdd[:1])
        self.stamp_s = stamp_s

    def _periods(self, stamp_s: float) -> int:
        """I6: return by how many periods the stamp rose, at least 1."""
        if math.isnan(self.stamp_s):
            return 1
        step = (stamp_s - self.stamp_s) / self._period_s
        whole = round(step)
        off_s = abs(step - whole) * self._period_s
        if whole < 1 or off_s > 2.0 * self._resolution_s + 4.0 * np.spacing(abs(stamp_s)):
            self._note("I6", f"stamp {self.stamp_s:.9f} -> {stamp_s:.9f}: {step:.6f} periods")
        return max(whole, 1)

    def _join(self, knots: Knots, periods: int) -> None:
        """Extend the motion by what ran meanwhile and by the first knot; I7."""
        last = self._knots
        if last is not None and periods > 1:
            rest = math.ceil(last.times_s[-1] / self._period_s) + 4
            steps = np.arange(1, min(periods - 1, rest) + 1)
            self._extend(last.positions(steps * self._period_s), self._allowed[1])
            self._check_join(knots, last, (periods - 1) * self._period_s)
            self._extend(knots.q[:1], self._allowed[1])
        else:
            self._check_join(knots, last, 0.0)
            self._extend(knots.q[:1], self._allowed[0])

    def _check_join(self, knots: Knots, last: Knots | None, ran_s: float) -> None:
        """I7: is the first knot one period of bounded jerk away from the last motion?"""
        if last is None:
            return
        doubt = self._doubt
        if ran_s == 0.0:
            start = np.array((last.q[0], last.qd[0], last.qdd[0]))
        else:
            start, span = last.state(ran_s)
            off = 2.0 * self._resolution_s * self.spec.velocity
            doubt = doubt + np.array((off, 4.0 * off / span, 12.0 * off / span**2))
        end = np.array((knots.q[0], knots.qd[0], knots.qdd[0]))
        jerk = self._reach.needed_jerk(start, end, doubt)
        self._over("I7", "jerk to join", jerk, self.spec.jerk * (1.0 + _REL_TOL))

    def _check_tail(self, knots: Knots) -> None:
        """I8 and I9: follow the message to its end, joined to the motion and by itself."""
        if knots.qd[-1].any() or knots.qdd[-1].any():
            self._note("I9", "the last point moves")
        allowed = self._allowed[0]
        self._over("I8", "|qd| of a knot", np.abs(knots.qd).max(axis=0), allowed[0])
        self._over("I8", "|qdd| of a knot", np.abs(knots.qdd).max(axis=0), allowed[1])
        if knots.times_s[-1] > _LONGEST_S:
            self._note("I8", f"the way to rest takes {knots.times_s[-1]:.3g} s")
            return
        if self.count % self._tail_every or self._past is None:
            return
        periods = math.ceil(knots.times_s[-1] / self._period_s - 1e-6) + 3
        t = np.arange(periods * self._fine + 1) * (self._period_s / self._fine)
        fine = knots.positions(t)
        self._check_motion(np.concatenate([self._past, fine[self._fine :: self._fine]]), 1)
        self._check_motion(fine, 2)

    def _extend(self, q: NDArray[np.float64], allowed: NDArray[np.float64]) -> None:
        """Add executed samples (S, J) at Tc to the motion; I2 to I5."""
        if self._past is None:
            self._past = np.concatenate([q[:1], q[:1], q[:1]])
        motion = np.concatenate([self._past, q])
        self._past = motion[-3:]
        self.samples += q.size
        self._check_range("I2", q, False)
        rates = _rates(motion, len(q), self._scales[0])
        if (rates > allowed).any():
            for name, got, limit in zip(("I3", "I4", "I5"), rates, allowed, strict=True):
                self._over(name, "difference at Tc", got, limit)

    def _check_motion(self, q: NDArray[np.float64], kind: int) -> None:
        """I8: check positions and differences of samples (S, J): 1 at Tc, 2 finer."""
        self._check_range("I8", q, True)
        rates = _rates(q, len(q), self._scales[kind])
        if (rates > self._allowed[kind]).any():
            order = int((rates / self._allowed[kind]).max(axis=1).argmax())
            what = f"tail at Tc{'' if kind == 1 else f'/{self._fine}'}, difference {order + 1}"
            self._over("I8", what, rates[order], self._allowed[kind][order])

    def _check_range(self, name: str, q: NDArray[np.float64], is_tail: bool) -> None:
        slack = self._slacks[is_tail]
        low, high = (q.min(axis=0), q.max(axis=0)) if len(q) > 1 else (q[0], q[0])
        worst = np.maximum(self.spec.low - low, high - self.spec.high) - slack
        if (worst > 0.0).any():
            j = int(worst.argmax())
            allowed = f"{self.spec.low[j]:.6f} to {self.spec.high[j]:.6f}"
            got = f"{low[j]:.9f} to {high[j]:.9f}"
            self._note(name, f"{self.spec.joints[j]} at {got}, allowed {allowed}")

    def _over(
        self, name: str, what: str, got: NDArray[np.float64], allowed: NDArray[np.float64]
    ) -> None:
        if (got > allowed).any():
            j = int((got / allowed).argmax())
            self._note(name, f"{what} of {self.spec.joints[j]} {got[j]:.9g} > {allowed[j]:.9g}")

    def _allowance(
        self, limits: NDArray[np.float64], dt: float, resolution_s: float
    ) -> NDArray[np.float64]:
        """Return the allowed first, second and third difference at spacing `dt`, (3, J)."""
        order = np.arange(1.0, 4.0)[:, None]
        off = self._bits + 2.0 * resolution_s * self.spec.velocity
        allowed: NDArray[np.float64] = limits * (1.0 + _REL_TOL) + 2.0**order * off / dt**order
        return allowed

    def _note(self, invariant: str, text: str) -> None:
        """Report a violation, each invariant once a message."""
        if invariant not in self._noted:
            self._noted.add(invariant)
            self._report(invariant, f"{self.spec.name}: {text}")


def _rates(
    motion: NDArray[np.float64], count: int, scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the largest |difference| of orders 1 to 3 among the last `count`, (3, J)."""
    found = np.empty((3, motion.shape[1]))
    step = motion
    for order in range(3):
        step = step[1:] - step[:-1]
        np.abs(step[-count:]).max(axis=0, out=found[order])
    found *= scale
    return found
