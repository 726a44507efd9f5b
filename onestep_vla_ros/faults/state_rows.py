# SPDX-License-Identifier: Apache-2.0
"""Rows 6 to 10: joint states that stop, get lost, change their form or jump."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.faults.row import RowResult
from onestep_vla_ros.faults.scene import Reading, Scene
from onestep_vla_ros.faults.setup import shipped_setup
from onestep_vla_ros.faults.sweep import (
    Case,
    Sweep,
    Tally,
    brake_s,
    first_tick,
    ignores_feedback,
    modes_after,
    same_motion,
)
from onestep_vla_ros.sim.faults import Garbage, Lossy, Off

_PERIOD_S = 0.01
_JUMP = 0.5
"""Farther than 5 V x 30 ms, so that the third sample is a jump like the first [rad]."""


def row_6(sweep: Sweep) -> RowResult:
    """Joint states off: brake when the last is T_js old, FAULT when it is 1 s old."""
    config = shipped_setup().bridge
    tally = Tally(6, config.joint_state_timeout_s + config.control_period_s, sweep.make)
    fault_bound_s = config.joint_state_fault_s + config.control_period_s
    for case in sweep.cases():
        scene = sweep.start(case)
        is_long = case.number % 2 == 1
        ends_s = case.fault_s + (1.3 if is_long else 0.5)
        scene.streams["joint_states"].inject(Off(), case.fault_s, ends_s)
        scene.run(ends_s)
        good_s = _last_good_s(scene)
        tally.time(brake_s(scene, good_s) - good_s)
        faulted_s = first_tick(scene, good_s, Mode.FAULT) - good_s
        if is_long:
            tally.expect(faulted_s <= fault_bound_s + 1e-9, f"FAULT after {faulted_s:.3f} s")
            expect_reset(tally, scene)
        else:
            tally.expect(faulted_s == math.inf, "FAULT before 1 s")
            scene.run(ends_s + 1.1)
            tally.expect(_runs_at_last(scene), "does not recover by itself")
        tally.close(scene)
    return tally.result("0.5 s: recovers by itself; 1.3 s: FAULT after 1 s, needs reset")


def row_7(sweep: Sweep) -> RowResult:
    """30 % of the joint states lost, gaps below T_js: nothing stops."""
    tally = Tally(7, None, sweep.make)
    case = next(sweep.cases())
    scene = sweep.start(case)
    lossy = Lossy(0.3, 3, np.random.default_rng(case.seed))
    scene.streams["joint_states"].inject(lossy, case.fault_s)
    scene.run(case.fault_s + sweep.long_s)
    others = [m.name for m in modes_after(scene, case.fault_s) if m is not Mode.RUN]
    tally.expect(not others, f"left RUN for {others}")
    sent = round(sweep.long_s / _PERIOD_S)
    got = sum(t >= case.fault_s for t, _ in scene.state_verdicts)
    tally.expect(0.6 < got / sent < 0.8, f"{got} of {sent} joint states came")
    rng = np.random.default_rng([7, case.seed])
    is_free = ignores_feedback(scene, sweep.make(scene.setup), rng)
    tally.expect(is_free, "I13: what is measured moves what is commanded")
    tally.close(scene)
    return tally.result(
        f"{1 - got / sent:.0%} of {sent} lost in {sweep.long_s:.0f} s, at most 3 in a row "
        f"(a gap of 40 ms): 0 stops; 2 mrad of noise on the rest change no bit (I13)"
    )


def row_8(sweep: Sweep) -> RowResult:
    """Joints permuted, extra, arms swapped in order: not one bit of the motion differs."""
    tally = Tally(8, None, sweep.make)
    for case in _some(sweep):
        clean = sweep.start(case)
        clean.run(case.fault_s + 0.5)
        for spoil in (_permuted, _extra, _swapped):
            scene = sweep.start(case)
            scene.streams["joint_states"].inject(Garbage(spoil), case.fault_s)
            scene.run(case.fault_s + 0.5)
            is_same = same_motion(clean, scene)
            tally.expect(is_same, f"{spoil.__name__.strip('_')}: the motion differs")
            tally.close(scene)
    return tally.result("permuted, with an extra joint, right arm first: 0 bits differ")


def row_9(sweep: Sweep) -> RowResult:
    """A joint state of wrong form or range: refused, FAULT at the next tick."""
    tally = Tally(9, shipped_setup().bridge.control_period_s, sweep.make)
    for case in sweep.cases():
        scene = sweep.start(case)
        spoil = _BAD_STATES[case.number % len(_BAD_STATES)]
        stream = scene.streams["joint_states"]
        stream.inject(Garbage(spoil), case.fault_s, round(case.fault_s + _PERIOD_S, 9))
        scene.run(case.fault_s + 0.1)
        refused_s = _first_refused_s(scene, case)
        brake = first_tick(scene, refused_s, Mode.FAULT)
        tally.time(brake - refused_s)
        scene.run(case.fault_s + 0.5)
        what = spoil.__name__.strip("_")
        tally.expect(modes_after(scene, brake) == {Mode.FAULT}, f"{what}: FAULT did not last")
        expect_reset(tally, scene)
        tally.close(scene)
    names = ", ".join(f.__name__.strip("_").replace("_", " ") for f in _BAD_STATES)
    return tally.result(f"{names}: latched, needs reset")


def row_10(sweep: Sweep) -> RowResult:
    """Encoder jumps: one is ignored, three in a row are a FAULT."""
    period_s = shipped_setup().bridge.control_period_s
    tally = Tally(10, 3.0 * period_s, sweep.make)
    for case in sweep.cases():
        scene = sweep.start(case)
        jumps = (1, 2, 4)[case.number % 3]
        ends_s = round(case.fault_s + jumps * _PERIOD_S, 9)
        scene.streams["joint_states"].inject(Garbage(_jumped), case.fault_s, ends_s)
        scene.run(case.fault_s + 0.5)
        refused_s = _first_refused_s(scene, case)
        if jumps < 3:
            others = modes_after(scene, case.fault_s) - {Mode.RUN}
            tally.expect(not others, f"{jumps} jumps left RUN")
        else:
            tally.time(first_tick(scene, refused_s, Mode.FAULT) - refused_s)
            expect_reset(tally, scene)
        tally.close(scene)
    return tally.result(f"{_JUMP} rad: one and two samples ignored, three are a FAULT")


def expect_reset(tally: Tally, scene: Scene) -> None:
    """Expect that only reset and enable bring the arms back, from where they are."""
    now_s = scene.now_s
    refused = scene.enable()
    tally.expect(not refused.is_accepted, "enable worked without reset")
    scene.run(now_s + 0.3)
    tally.expect(scene.call("reset", scene.now_s).is_accepted, "reset was refused at rest")
    scene.run(now_s + 0.35)
    tally.expect(modes_after(scene, now_s + 0.31) == {Mode.IDLE}, "not IDLE after reset")
    tally.expect(scene.enable().is_accepted, "enable was refused after reset")
    scene.run(now_s + 0.4)
    tally.expect(modes_after(scene, now_s + 0.38) == {Mode.HOLD}, "no HOLD after enable")


def _some(sweep: Sweep) -> list[Case]:
    """Return fewer cases for what is compared bit by bit."""
    return list(sweep.cases())[:: max(sweep.cases_a_row // 2, 1)]


def _last_good_s(scene: Scene) -> float:
    """Return when the last joint state that came was measured [s]."""
    return scene.state_verdicts[-1][0] - 0.001


def _first_refused_s(scene: Scene, case: Case) -> float:
    found = (t for t, v in scene.state_verdicts if t >= case.fault_s and not v.is_accepted)
    return next(found, math.inf)


def _runs_at_last(scene: Scene) -> bool:
    return scene.commands[-1][1].mode is Mode.RUN


def _reordered(reading: Reading, order: list[int]) -> Reading:
    names = tuple(reading.names[i] for i in order)
    return Reading(names, reading.q[order], reading.qd[order])


def _permuted(reading: Reading) -> Reading:
    return _reordered(reading, list(np.random.default_rng(1).permutation(14)))


def _swapped(reading: Reading) -> Reading:
    return _reordered(reading, [*range(7, 14), *range(7)])


def _extra(reading: Reading) -> Reading:
    return Reading(("lift", *reading.names), np.append(9.9, reading.q), np.append(0.0, reading.qd))


def _missing(reading: Reading) -> Reading:
    return _reordered(reading, [i for i in range(14) if i != 3])


def _twice(reading: Reading) -> Reading:
    return _reordered(reading, [*range(14), 3])


def _renamed(reading: Reading) -> Reading:
    return replace(reading, names=("joint_one", *reading.names[1:]))


def _nan(reading: Reading) -> Reading:
    return replace(reading, q=np.where(np.arange(14) == 5, np.nan, reading.q))


def _infinite_velocity(reading: Reading) -> Reading:
    return replace(reading, qd=np.where(np.arange(14) == 5, np.inf, reading.qd))


def _out_of_range(reading: Reading) -> Reading:
    return replace(reading, q=np.where(np.arange(14) == 1, -0.06, reading.q))


def _jumped(reading: Reading) -> Reading:
    return replace(reading, q=reading.q + _JUMP * (np.arange(14) == 0))


_BAD_STATES: tuple[Callable[[Reading], Reading], ...] = (
    _missing,
    _twice,
    _renamed,
    _nan,
    _infinite_velocity,
    _out_of_range,
)
