# SPDX-License-Identifier: Apache-2.0
"""Rows 15 to 20: chunks that are broken, jump, race, repeat or come out of order.

A verdict is given in the call that brings the chunk, so "same tick" is no time to measure;
that the old plan goes on to the bit is. Row 15 times the FAULT after three, row 16 the judging.
"""

from __future__ import annotations

import statistics

import numpy as np

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.gate import ChunkGate
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Reason, Rejected
from onestep_vla_ros.faults.row import RowResult
from onestep_vla_ros.faults.scene import Scene
from onestep_vla_ros.faults.setup import START_S, shipped_setup
from onestep_vla_ros.faults.state_rows import expect_reset
from onestep_vla_ros.faults.sweep import Sweep, Tally, first_tick, modes_after, same_motion
from onestep_vla_ros.nodes.spoilt_messages import judge, spoilt_chunks
from onestep_vla_ros.sim.faults import Duplicated, Extra, Stamped

_AFTER_S = 0.4
_NUMBERS = (np.nan, np.inf, -np.inf, 5e-324, 1e308)
_READ_BOUND_S = 1e-3


def row_15(sweep: Sweep) -> RowResult:
    """A number that is none: the whole chunk is refused, three in a row are a FAULT."""
    period_s = shipped_setup().bridge.control_period_s
    tally = Tally(15, period_s, sweep.make)
    for case in sweep.cases():
        rng = np.random.default_rng([15, case.number])
        number = _NUMBERS[case.number % len(_NUMBERS)]
        clean, scene = sweep.start(case), sweep.start(case)
        verdict = scene.send_chunk(_spoilt(scene, number, rng))
        reasons = (Reason.NOT_FINITE, Reason.DENORMAL, Reason.OUT_OF_RANGE)
        is_refused = isinstance(verdict, Rejected) and verdict.reason in reasons
        tally.expect(is_refused, f"a chunk with {number} got {verdict}")
        _expect_same(tally, clean, scene, f"a chunk with {number}")
        at_s = scene.now_s
        for _ in range(3):
            scene.send_chunk(_spoilt(scene, number, rng))
        scene.run(at_s + 0.4)
        tally.time(first_tick(scene, at_s, Mode.FAULT) - at_s)
        expect_reset(tally, scene)
        tally.close(scene)
    return tally.result(
        "NaN, inf, -inf, 5e-324, 1e308 anywhere: old plan bit-identical; time: third to FAULT"
    )


def row_16(sweep: Sweep) -> RowResult:
    """A chunk of wrong form is refused with its reason, at a cost below 1 ms."""
    tally = Tally(16, _READ_BOUND_S, sweep.make)
    gate = ChunkGate(shipped_setup().bridge)
    messages = spoilt_chunks(START_S)
    for name, message in messages.items():
        tried = [judge(message, lambda chunk: gate.check(chunk, START_S + 0.01)) for _ in range(9)]
        # the median: on a busy machine one of nine may be billed for what others do
        tally.time(statistics.median(cost_s for cost_s, _ in tried))
        tally.expect(all(reason for _, reason in tried), f"{name}: was accepted")
    for case in list(sweep.cases())[:3]:
        clean, scene = sweep.start(case), sweep.start(case)
        for joints in (13, 15):
            verdict = scene.send_chunk(Chunk(np.zeros((16, joints)), scene.now_s - 0.05, 0.08))
            tally.expect(isinstance(verdict, Rejected), f"{joints} joints were accepted")
        _expect_same(tally, clean, scene, "a chunk of wrong form")
        tally.close(scene)
    names = ", ".join(messages)
    return tally.result(f"CPU time to read and refuse, median of nine, worst of: {names}")


def row_17(sweep: Sweep) -> RowResult:
    """A chunk that starts farther from the plan than the jump limit is refused."""
    config = shipped_setup().bridge
    tally = Tally(17, None, sweep.make)
    for case in sweep.cases():
        clean, scene = sweep.start(case), sweep.start(case)
        joint = case.number % 6 + 7 * (case.number % 2)
        good = scene.policy.answer(scene.policy.inferences[-1][1])
        step = np.zeros(14)
        step[joint] = (config.jump_limit[joint] + 0.15) * (-1 if case.number % 3 else 1)
        # newer than the plan's, so that nothing but the jump is wrong with it
        chunk = Chunk(good.q + step, good.stamp_s + 1e-4, good.period_s)
        verdict = scene.send_chunk(chunk)
        is_refused = isinstance(verdict, Rejected) and verdict.reason is Reason.JUMP
        tally.expect(is_refused, f"a jump of joint {joint} got {verdict}")
        _expect_same(tally, clean, scene, "a chunk that jumps")
        tally.close(scene)
    return tally.result("0.45 rad on any joint: old plan bit-identical")


def row_18(sweep: Sweep) -> RowResult:
    """Waypoints in range and too fast: followed as fast as the limits allow, and said so."""
    tally = Tally(18, None, sweep.make)
    slow = 0
    for case in sweep.cases():
        rng = np.random.default_rng([18, case.number])
        scene = sweep.start(case)
        config = scene.setup.bridge
        low, high = np.array(config.position_low), np.array(config.position_high)
        scene.policy.change = lambda chunk, rng=rng, low=low, high=high: Chunk(
            np.clip(chunk.q + 0.27 * rng.choice([-1.0, 1.0], chunk.q.shape), low, high),
            chunk.stamp_s,
            chunk.period_s,
        )
        scene.run(case.fault_s + 1.0)
        governed = [c for t, c in scene.commands if t >= case.fault_s and c.governor_active]
        tally.expect(bool(governed), "the governor never said it was active")
        slow += len(governed)
        counted = scene.driver.ledger.summary().governed_ticks  # type: ignore[attr-defined]
        tally.expect(counted >= len(governed), "governed ticks are not in the ledger")
        tally.close(scene)
    return tally.result(f"waypoints +-0.27 rad each 0.08 s: {slow} governed ticks, all in limits")


def row_19(sweep: Sweep) -> RowResult:
    """The same chunk again: ignored, the plan does not differ in one bit."""
    tally = Tally(19, None, sweep.make)
    for case in sweep.cases():
        clean, scene = sweep.start(case), sweep.start(case)
        twice = Duplicated(3, (0.0, 0.013, 0.11)[case.number % 3])
        scene.streams["action_chunk"].inject(twice, case.fault_s)
        _expect_same(tally, clean, scene, "a chunk that comes three times")
        again = [v for t, v in scene.verdicts if t >= case.fault_s and isinstance(v, Rejected)]
        is_counted = bool(again) and all(v.reason is Reason.DUPLICATE for v in again)
        tally.expect(is_counted, f"copies got {[v.reason.name for v in again]}")
        tally.close(scene)
    return tally.result("three times each, 0, 13 or 110 ms apart: old plan bit-identical")


def row_20(sweep: Sweep) -> RowResult:
    """Chunks out of order: only one newer than all before it counts."""
    tally = Tally(20, None, sweep.make)
    for case in sweep.cases():
        clean, scene = sweep.start(case), sweep.start(case)
        older = Extra(_older, 0.02)
        scene.streams["action_chunk"].inject(older, case.fault_s)
        _expect_same(tally, clean, scene, "older chunks after newer ones")
        tally.close(scene)
        scene = sweep.start(case)
        rng = np.random.default_rng([20, case.number])
        good = scene.policy.answer(scene.policy.inferences[-1][1])
        newest = good.stamp_s
        for k in rng.permutation(100):
            stamp_s = good.stamp_s + 1e-4 * (k + 1)
            verdict = scene.send_chunk(Chunk(good.q, stamp_s, good.period_s))
            is_new = stamp_s > newest
            tally.expect(verdict.is_accepted == is_new, f"stamp {k} of 100 got {verdict}")
            newest = max(newest, stamp_s)
        scene.run(case.fault_s + 0.2)
        tally.close(scene)
    return tally.result("older after newer: bit-identical; 100 in random order: newest wins")


def _expect_same(tally: Tally, clean: Scene, scene: Scene, what: str) -> None:
    """Run both on and expect one motion, to the bit."""
    until_s = scene.now_s + _AFTER_S
    clean.run(until_s)
    scene.run(until_s)
    tally.expect(same_motion(clean, scene), f"{what} changed the motion")
    tally.expect(modes_after(scene, until_s - _AFTER_S) == {Mode.RUN}, f"{what} ended RUN")


def _spoilt(scene: Scene, number: float, rng: np.random.Generator) -> Chunk:
    good = scene.policy.answer(scene.policy.inferences[-1][1])
    q = np.array(good.q)
    q[rng.integers(len(q)), rng.integers(14)] = number
    return Chunk(q, scene.now_s - 0.01, good.period_s)


def _older(item: Stamped) -> list[Stamped]:
    """Return chunks of older observations that lead elsewhere."""
    chunk: Chunk = item.value
    other = Chunk(chunk.q + 0.1, chunk.stamp_s, chunk.period_s)
    return [Stamped(other, item.stamp_s - 0.05), Stamped(other, item.stamp_s - 0.001)]
