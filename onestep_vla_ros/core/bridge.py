# SPDX-License-Identifier: Apache-2.0
"""The bridge: plan, governor, supervisor, gate and ledger behind one pure tick."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.command import Command
from onestep_vla_ros.core.config import BridgeConfig
from onestep_vla_ros.core.gate import ChunkGate
from onestep_vla_ros.core.governor import Governor
from onestep_vla_ros.core.ledger import Ledger
from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.plan import Plan
from onestep_vla_ros.core.supervisor import Facts, Mode, Supervisor
from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected, Verdict
from onestep_vla_ros.core.watch import JointStateWatch

_EARLIEST = 0.1
"""A tick that comes before this share of its period repeats the last command."""

_MALFORMED = frozenset(
    {
        Reason.MALFORMED,
        Reason.NOT_FINITE,
        Reason.WRONG_JOINTS,
        Reason.WRONG_LENGTH,
        Reason.WRONG_PERIOD,
        Reason.HORIZON,
        Reason.OUT_OF_RANGE,
    }
)
_BAD_STATE = frozenset(
    {Reason.MALFORMED, Reason.NOT_FINITE, Reason.OUT_OF_RANGE, Reason.WRONG_JOINTS}
)


class Bridge:
    """Turns joint states, chunks and the operator's wishes into commands.

    Thread: not safe for several; the caller runs every method on one.
    Time: every method takes the same clock's `now_s`; stamps are on that clock too. A clock
    that goes back while the arms are enabled is a fault.
    """

    def __init__(self, config: BridgeConfig) -> None:
        self._config = config
        limits = Limits.from_config(config)
        self._gate = ChunkGate(config)
        self._watch = JointStateWatch(config)
        self._plan = Plan(
            limits, np.array(config.jump_limit), config.splice_lead_s, config.min_waypoints
        )
        self._governor = Governor(limits, config.control_period_s)
        self._supervisor = Supervisor(config.joint_state_timeout_s, config.joint_state_fault_s)
        self.ledger = Ledger(config.ledger_window)
        self.counts: Counter[str] = Counter()
        """Refusals per reason, as "joint_states: not finite" or "action_chunk: jumps …"."""
        self._now_s = -math.inf
        self._enabled_s = -math.inf
        self._origin_s = 0.0
        self._periods = 0
        self._last: Command | None = None
        self._hold_reason = "no chunk yet"
        self._state_note = ""
        self._good_chunks = self._malformed_chunks = 0

    @property
    def is_at_rest(self) -> bool:
        """Does the command stand still (or is there none)?"""
        return self._governor.is_at_rest or not self._supervisor.has_output

    def on_joint_state(
        self,
        q: NDArray[np.float64],
        qd: NDArray[np.float64] | None,
        stamp_s: float,
        now_s: float,
    ) -> Verdict:
        """Take a measured state (14,) in the order of `joints.JOINT_NAMES`.

        A malformed or out-of-range one, or three jumps in a row, is a fault while enabled.
        """
        self._observe_clock(now_s)
        verdict = self._watch.take(q, qd, stamp_s, now_s)
        if isinstance(verdict, Rejected):
            self._refuse_state(verdict)
        else:
            self._state_note = ""
        return verdict

    def refuse(self, topic: str, verdict: Rejected, now_s: float) -> None:
        """Note a message that could not even be read.

        Args:
            topic: "joint_states" (a fault while enabled) or "action_chunk".
            verdict: What is wrong with it.
            now_s: Time [s].
        """
        self._observe_clock(now_s)
        if topic == "joint_states":
            self._refuse_state(verdict)
        else:
            self._refuse_chunk(verdict)

    def on_chunk(self, chunk: Chunk, now_s: float) -> Verdict:
        """Judge a chunk and, in HOLD at rest or in RUN, splice it into the plan."""
        self._observe_clock(now_s)
        verdict = self._judge(chunk, now_s)
        if isinstance(verdict, Rejected):
            self._refuse_chunk(verdict)
            return verdict
        self._malformed_chunks = 0
        self._gate.let_in(chunk)
        return verdict

    def enable(self, now_s: float) -> Verdict:
        """Start commanding: the first command is the measured state, at rest."""
        self._observe_clock(now_s)
        if self._supervisor.has_output and not self._supervisor.latched:
            return self._supervisor.enable()
        if self._watch.q is None or not self._watch.is_fresh(now_s):
            age = self._watch.age_s(now_s)
            note = self._state_note or "publish joint_states with all joints"
            return Rejected(Reason.NO_STATE, f"joint_states are {age:.2f} s old; {note}")
        verdict = self._supervisor.enable()
        if verdict.is_accepted:
            self._governor.reset(self._watch.q)
            self._let_go("no chunk yet")
            self._enabled_s, self._last = now_s, None
        return verdict

    def disable(self, now_s: float) -> Verdict:
        """Brake to rest, then command nothing."""
        self._observe_clock(now_s)
        return self._supervisor.disable(self.is_at_rest)

    def stop(self, now_s: float) -> Verdict:
        """Brake now and stay; latched until `reset`. `is_at_rest` says when it is done."""
        self._observe_clock(now_s)
        self._supervisor.stop("stopped by the operator")
        return Accepted("stopped" if self.is_at_rest else "stopping")

    def reset(self, now_s: float) -> Verdict:
        """Clear a latched stop or fault, from rest only; needs `enable` afterwards."""
        self._observe_clock(now_s)
        return self._supervisor.reset(self.is_at_rest)

    def tick(self, now_s: float) -> Command:
        """Return the command of this control period; never raises."""
        self._observe_clock(now_s)
        if self._supervisor.has_output and self._last is not None and self._last.q is not None:
            missing = (now_s - self._origin_s) / self._config.control_period_s - self._periods
            if missing < _EARLIEST:
                return self._last
            missed = max(math.floor(missing) - 1, 0) if missing >= 2.0 else 0
            self._periods += 1 + missed
        else:
            self._origin_s, self._periods, missed = now_s, 0, 0
        mode, reason = self._decide(now_s)
        if not self._supervisor.has_output:
            self._last = Command(mode, reason, now_s)
        else:
            self._last = self._command(mode, reason, now_s, missed)
        return self._last

    def _decide(self, now_s: float) -> tuple[Mode, str]:
        if self._supervisor.has_output and self._last is not None:
            fault = self._watch.tracking_fault(self._governor.state[0], now_s)
            if fault:
                self._supervisor.fault(fault)
        facts = Facts(
            state_age_s=self._watch.age_s(now_s),
            state_note=self._state_note,
            plan_problem=self._plan_problem(now_s),
            is_at_rest=self._governor.is_at_rest,
        )
        mode, reason = self._supervisor.update(facts)
        if mode is not Mode.RUN and (self._plan.is_active or mode is not Mode.HOLD):
            self._let_go(f"{reason}; waiting for a good chunk")
        return mode, reason

    def _plan_problem(self, now_s: float) -> str:
        if not self._plan.is_active:
            return self._hold_reason
        age = now_s - self._plan.stamp_s
        if age > self._config.max_plan_age_s:
            allowed = f"{self._config.max_plan_age_s} s"
            return f"the plan's observation is {age:.2f} s old, allowed {allowed}"
        if now_s >= self._plan.end_s:
            return f"the plan of {age:.2f} s ago has run out"
        return ""

    def _command(self, mode: Mode, reason: str, now_s: float, missed: int) -> Command:
        is_governed = False
        stamp_s = self._origin_s + (self._periods + 1) * self._config.control_period_s
        if self._last is not None and self._last.q is not None:
            if missed and self._config.output_mode == "joint_trajectory":
                # the controller has followed the tail of the last message meanwhile
                self._governor.brake(missed * self._config.control_period_s)
            reference = self._plan.sample(stamp_s) if mode is Mode.RUN else None
            if reference is None:
                self._governor.brake()
            else:
                is_governed = self._governor.step(reference)
        self.ledger.on_tick(now_s, mode is Mode.RUN, is_governed, missed)
        q, qd, qdd = self._governor.state
        return Command(mode, reason, stamp_s, q, qd, qdd, is_governed, self._governor.stop)

    def _judge(self, chunk: Chunk, now_s: float) -> Verdict:
        """Return the verdict on `chunk`; splices it when all is well and it is wanted."""
        verdict = self._gate.check(chunk, now_s)
        if isinstance(verdict, Rejected):
            return verdict
        if not self._supervisor.has_output:
            return Rejected(Reason.NOT_ENABLED, "the arms are not enabled")
        if chunk.stamp_s < self._enabled_s:
            return Rejected(Reason.BEFORE_ENABLE, "its observation is from before enable")
        last = self._last
        mode = last.mode if last else Mode.HOLD  # enabled, its first tick is yet to come
        if last and mode not in (Mode.RUN, Mode.HOLD):
            return Rejected(Reason.STOPPED, last.reason)
        if mode is Mode.HOLD:
            self._good_chunks += 1
            needed = self._config.resume_chunks
            if self._good_chunks < needed or not self._governor.is_at_rest:
                self._hold_reason = f"{min(self._good_chunks, needed)} of {needed} good chunks"
                return Accepted(self._hold_reason + ", at rest first")
        at_s = last.stamp_s if last else now_s + self._config.control_period_s
        verdict = self._plan.splice(chunk, at_s, self._governor.state)
        if verdict.is_accepted:
            self.ledger.on_spliced(chunk.stamp_s, now_s)
        return verdict

    def _refuse_chunk(self, verdict: Rejected) -> None:
        self.counts[f"action_chunk: {verdict.reason.value}"] += 1
        if not self._supervisor.has_output:
            return
        if verdict.reason not in (Reason.DUPLICATE, Reason.OLDER):
            self._good_chunks = 0
        self.ledger.on_rejected(verdict.reason in (Reason.LATE, Reason.TOO_OLD))
        if not self._plan.is_active:
            self._hold_reason = f"chunk refused, {verdict.reason.value}: {verdict.detail}"
        if verdict.reason in _MALFORMED:
            self._malformed_chunks += 1
            if self._malformed_chunks >= self._config.fault_chunks:
                self._supervisor.fault(f"{self._malformed_chunks} bad chunks: {verdict.detail}")

    def _refuse_state(self, verdict: Rejected) -> None:
        self.counts[f"joint_states: {verdict.reason.value}"] += 1
        self._state_note = f"the last was refused, {verdict.reason.value}: {verdict.detail}"
        is_lasting = verdict.reason is Reason.STATE_JUMP and self._watch.has_jumped
        if self._supervisor.has_output and (verdict.reason in _BAD_STATE or is_lasting):
            self._supervisor.fault(f"joint_states {verdict.reason.value}: {verdict.detail}")

    def _let_go(self, why: str) -> None:
        """Forget the plan and start counting good chunks anew."""
        self._plan.clear()
        self._hold_reason = why
        self._good_chunks = self._malformed_chunks = 0

    def _observe_clock(self, now_s: float) -> None:
        """Notice a clock that went back: fault while enabled, and forget all old stamps."""
        if now_s < self._now_s:
            back = self._now_s - now_s
            self.counts["clock: went back"] += 1
            if self._supervisor.has_output:
                self._supervisor.fault(f"the clock went back by {back:.3f} s")
            self._watch.forget()
            self._gate.forget()
            self._let_go("no chunk yet")
            self._origin_s, self._periods = now_s - self._config.control_period_s, 0
        self._now_s = now_s
