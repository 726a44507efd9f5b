# SPDX-License-Identifier: Apache-2.0
"""The bridge: plan, governor, supervisor, gate and ledger behind one pure tick."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.command import Command
from onestep_vla_ros.core.delta_config import DeltaConfig
from onestep_vla_ros.core.impediments import Impediments
from onestep_vla_ros.core.ledger import Ledger
from onestep_vla_ros.core.metronome import Metronome
from onestep_vla_ros.core.parts import parts_of
from onestep_vla_ros.core.supervisor import Facts, Mode, Supervisor
from onestep_vla_ros.core.tally import Tally
from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected, Verdict

_BAD_STATE = frozenset(
    {Reason.MALFORMED, Reason.NOT_FINITE, Reason.OUT_OF_RANGE, Reason.WRONG_JOINTS}
)


class Bridge:
    """Turns joint states, chunks and the operator's wishes into commands.

    Thread: not safe for several; the caller runs every method on one.
    Time: every method takes the same clock's `now_s`; stamps are on that clock too. A clock
    that goes back while the arms are enabled is a fault.
    """

    def __init__(self, config: BridgeConfig | DeltaConfig) -> None:
        self._config = config
        parts = parts_of(config)
        self._gate, self._watch = parts.gate, parts.watch
        self.plan = parts.plan  # to be read; `on_chunk` alone changes it
        self._governor, self._start = parts.governor, parts.start
        self._supervisor = Supervisor(config.joint_state_timeout_s, config.joint_state_fault_s)
        self._metronome = Metronome(config.control_period_s)
        self._tally = Tally(config.resume_chunks, config.fault_chunks)
        self.ledger = Ledger(config.ledger_window)
        self.counts = self._tally.counts
        """Refusals per reason, as "joint_states: not finite" or "action_chunk: jumps …"."""
        self._follows_tail = parts.follows_tail
        self.impediments = Impediments()
        """What refuses `enable` or holds the arms; change it by the methods here."""
        self._now_s = self._enabled_s = -math.inf
        self._last: Command | None = None
        self._is_led = False
        self._state_note = ""

    @property
    def has_output(self) -> bool:
        """Does a command go out every period? Not to arms at rest in FAULT or out of sight."""
        return self._supervisor.has_output and not self._supervisor.is_silent

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
        self._tally.end_malformed()
        self._gate.let_in(chunk)
        return verdict

    def on_start_pose(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> Verdict:
        """Take the range of poses, (14,) each, in which the policy may start."""
        return self._start.take(low, high)

    def set_obstacle(self, name: str, why: str, now_s: float) -> None:
        """Note why the arms may not be moved at all, or with "" that the reason is gone.

        Args:
            name: What it is about, for example a topic with a second publisher.
            why: In words; refuses `enable`, and is a fault while enabled.
            now_s: Time [s].
        """
        self._observe_clock(now_s)
        self.impediments.set_obstacle(name, why)
        if why and self._supervisor.has_output:
            self._supervisor.fault(f"{name}: {why}")

    def on_policy_trouble(self, words: str, now_s: float) -> None:
        """Take from the policy why it sees nothing fit to act on ("" when it does): HOLD."""
        self.impediments.set_trouble(words, now_s)

    def enable(self, now_s: float) -> Verdict:
        """Start commanding: the first command is the measured state, at rest."""
        self._observe_clock(now_s)
        if self._supervisor.has_output and not self._supervisor.latched:
            return self._supervisor.enable()
        watch = self._watch
        if watch.q is None or not watch.is_fresh(now_s) or watch.is_jumping:
            age = self._watch.age_s(now_s)
            note = self._state_note or "publish joint_states with all joints"
            return Rejected(Reason.NO_STATE, f"joint_states are {age:.2f} s old; {note}")
        if self.impediments.obstacles:
            return Rejected(Reason.OBSTACLE, self.impediments.obstacles)
        start = self._start.judge(watch.q)
        if isinstance(start, Rejected):
            return start
        verdict = self._supervisor.enable()
        if isinstance(verdict, Rejected):
            return verdict
        self._governor.reset(watch.q)
        watch.forget_commands()
        self._let_go("no chunk yet")
        self._enabled_s, self._last, self._is_led = now_s, None, False
        return start if start.detail else verdict

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
        missed = 0
        if self._supervisor.has_output and self._last is not None:
            beat = self._metronome.beat(now_s)
            if beat is None:
                return self._last
            missed = beat
        else:
            self._metronome.start(now_s)
        mode, reason = self._decide(now_s)
        if not self._supervisor.has_output or self._supervisor.is_silent:
            self._last, self._is_led = Command(mode, reason, now_s), False
        else:
            self._last, self._is_led = self._command(mode, reason, now_s, missed), True
        return self._last

    def _decide(self, now_s: float) -> tuple[Mode, str]:
        if self._supervisor.has_output and self._last is not None:
            fault = self._watch.tracking_fault(now_s)
            if self._supervisor.is_silent and self._watch.is_fresh(now_s):
                fault = self._watch.displacement()
            if fault:
                self._supervisor.fault(fault)
        problem = self.plan.problem(now_s) if self.plan.is_active else self._tally.hold_reason
        facts = Facts(
            state_age_s=self._watch.age_s(now_s),
            state_note=self._state_note,
            start_problem=self._start.remaining(now_s),
            plan_problem=self.impediments.trouble(now_s) or problem,
            is_at_rest=self._governor.is_at_rest,
        )
        mode, reason = self._supervisor.update(facts)
        if mode is not Mode.START:
            self._start.interrupt()
        if mode is not Mode.RUN and (self.plan.is_active or mode is not Mode.HOLD):
            self._let_go(f"{reason}; waiting for a good chunk")
        return mode, reason

    def _command(self, mode: Mode, reason: str, now_s: float, missed: int) -> Command:
        is_governed = False
        stamp_s = self._metronome.stamp_s
        if self._is_led or not self._governor.begins_at_rest:
            if missed and self._follows_tail.any():
                self._governor.brake(missed * self._config.control_period_s * self._follows_tail)
            reference = self._reference(mode, stamp_s)
            if reference is None:
                self._governor.brake()
            else:
                is_governed = self._governor.step(reference)
        self.ledger.on_tick(now_s, mode is Mode.RUN, is_governed, missed)
        if not self._governor.is_told:
            return Command(mode, reason, stamp_s)
        q, qd, qdd = self._governor.state
        self._watch.on_command(stamp_s, q)
        return Command(mode, reason, stamp_s, q, qd, qdd, is_governed, self._governor.stop)

    def _reference(self, mode: Mode, stamp_s: float) -> NDArray[np.float64] | None:
        """Return q, qd, qdd to serve at `stamp_s`, (3, 14), or None to follow the stop."""
        if mode is Mode.RUN:
            return self.plan.sample(stamp_s)
        if mode is Mode.START:
            return self._start.sample(stamp_s, self._governor.state)
        return None

    def _judge(self, chunk: Chunk, now_s: float) -> Verdict:
        """Return the verdict on `chunk`; splices it when all is well and it is wanted."""
        verdict = self._gate.check(chunk, now_s)
        if isinstance(verdict, Rejected):
            return verdict
        if self._supervisor.latched:
            return Rejected(Reason.STOPPED, self._supervisor.latched)
        if not self._supervisor.has_output:
            return Rejected(Reason.NOT_ENABLED, "the arms are not enabled")
        if chunk.stamp_s < self._enabled_s:
            return Rejected(Reason.BEFORE_ENABLE, "its observation is from before enable")
        last = self._last
        if trouble := self.impediments.trouble(now_s):
            return Rejected(Reason.BLIND, trouble)
        if self._start.is_under_way:
            return Rejected(Reason.START_POSE, self._start.remaining(now_s))
        mode = last.mode if last else Mode.HOLD  # enabled, its first tick is yet to come
        if last and mode not in (Mode.RUN, Mode.HOLD):
            return Rejected(Reason.STOPPED, last.reason)
        if mode is Mode.HOLD and not (self._tally.is_enough() and self._governor.is_at_rest):
            return Accepted(self._tally.hold_reason + ", at rest first")
        at_s = last.stamp_s if last else now_s + self._config.control_period_s
        verdict = self.plan.splice(chunk, at_s, self._governor.state)
        if verdict.is_accepted:
            self.ledger.on_spliced(chunk.stamp_s, now_s)
        return verdict

    def _refuse_chunk(self, verdict: Rejected) -> None:
        self._tally.count("action_chunk", verdict)
        if not self._supervisor.has_output:
            return
        self.ledger.on_rejected(verdict.reason in (Reason.LATE, Reason.TOO_OLD))
        fault = self._tally.refuse(verdict, self.plan.is_active)
        if fault:
            self._supervisor.fault(fault)

    def _refuse_state(self, verdict: Rejected) -> None:
        self._tally.count("joint_states", verdict)
        self._state_note = f"the last was refused, {verdict.reason.value}: {verdict.detail}"
        is_lasting = verdict.reason is Reason.STATE_JUMP and self._watch.has_jumped
        if self._supervisor.has_output and (verdict.reason in _BAD_STATE or is_lasting):
            self._supervisor.fault(f"joint_states {verdict.reason.value}: {verdict.detail}")

    def _let_go(self, why: str) -> None:
        """Forget the plan and start counting good chunks anew."""
        self.plan.clear()
        self._tally.begin(why)

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
            self._metronome.turn_back(now_s)
        self._now_s = now_s
