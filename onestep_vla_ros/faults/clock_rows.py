# SPDX-License-Identifier: Apache-2.0
"""Rows 21 and 34: clocks that jump, freeze or go back, and a bridge that gets no time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.faults.row import RowResult
from onestep_vla_ros.faults.scene import Scene
from onestep_vla_ros.faults.setup import shipped_setup
from onestep_vla_ros.faults.state_rows import expect_reset
from onestep_vla_ros.faults.sweep import Case, Sweep, Tally, modes_after
from onestep_vla_ros.sim.faults import Off

_MODES = ("joint_trajectory", "joint_trajectory_point", "forward_position")
_PAUSES_S = (0.012, 0.035, 0.1, 0.25)


def row_21(sweep: Sweep) -> RowResult:
    """Wall clock set: nothing happens. /clock frozen: no output. Set back: FAULT, never IDLE.

    A /clock that runs ten times as fast is the same sequence of calls as one that does not:
    the bridge knows no other time. That it keeps up is for the process row.
    """
    tally = Tally(21, shipped_setup().bridge.control_period_s, sweep.make)
    for case in sweep.cases():
        scene = sweep.start(case)
        kind = (_wall_ahead, _wall_back, _frozen, _set_back)[case.number % 4]
        kind(tally, scene, case)
        tally.close(scene)
    return tally.result(
        "wall clock +-10 s: runs on; /clock frozen 0.5 s: silent; set back 3 s: time to brake"
    )


def row_34(sweep: Sweep) -> RowResult:
    """No time for the bridge: missed periods are counted and never made up for in a burst."""
    tally, missed = Tally(34, None, sweep.make), 0
    config = shipped_setup().bridge
    for case in sweep.cases():
        mode = _MODES[case.number % 3]
        scene = sweep.start(case, bridge=replace(config, output_mode=(mode, mode)))
        rng = np.random.default_rng([34, case.number])
        begun = len(scene.commands) - 1
        while scene.now_s < case.fault_s + 1.5:
            scene.starve(float(rng.choice(_PAUSES_S)))
            scene.run(scene.now_s + float(rng.uniform(0.26, 0.4)))
        ticks = scene.commands[begun:]
        periods = (ticks[-1][0] - ticks[0][0]) / config.control_period_s
        sent = len({c.stamp_s for _, c in ticks})
        counted = scene.driver.ledger.summary().overruns  # type: ignore[attr-defined]
        missed += counted
        tally.expect(sent <= math.ceil(periods) + 1, f"{sent} commands in {periods:.1f} periods")
        lost = round(periods) + 1 - sent
        tally.expect(abs(counted - lost) <= 1, f"{counted} overruns counted, {lost} lost")
        stamps = np.diff([c.stamp_s for _, c in ticks])
        tally.expect((stamps > -1e-9).all(), "a stamp went back")
        tally.expect(modes_after(scene, case.fault_s) == {Mode.RUN}, "starving ended RUN")
        tally.close(scene)
    return tally.result(f"pauses of 12 to 250 ms, every output mode: {missed} missed, all counted")


def _wall_ahead(tally: Tally, scene: Scene, case: Case) -> None:
    _set_wall(tally, scene, case, 10.0)


def _wall_back(tally: Tally, scene: Scene, case: Case) -> None:
    _set_wall(tally, scene, case, -10.0)


def _set_wall(tally: Tally, scene: Scene, case: Case, jump_s: float) -> None:
    """Deadlines run on the steady clock: the arms run on, and the policy sees again at once."""
    scene.wall_jump_s = jump_s
    scene.run(case.fault_s + 1.2)
    others = modes_after(scene, case.fault_s) - {Mode.RUN}
    tally.expect(not others, f"wall clock {jump_s:+} s: {[m.name for m in others]}")
    seen = [t for t, _ in scene.policy.inferences if t >= case.fault_s]
    tally.expect(len(seen) >= 4, f"wall clock {jump_s:+} s: {len(seen)} inferences in 1.2 s")


def _frozen(tally: Tally, scene: Scene, case: Case) -> None:
    """No /clock, no tick: the arms play their tail; afterwards the joint states are stale."""
    ends_s = case.fault_s + 0.5
    scene.is_frozen = True
    for stream in scene.streams.values():
        stream.inject(Off(), case.fault_s, ends_s)
    before = scene.wire.check.messages
    scene.run(ends_s)
    tally.expect(scene.wire.check.messages == before, "output while /clock stood still")
    moving = scene.wire.arms.state(ends_s)[1:]
    tally.expect(not moving.any(), "the arms move while /clock stands still")
    scene.is_frozen = False
    scene.run(ends_s + 1.1)
    tally.expect(Mode.FAULT not in modes_after(scene, ends_s), "FAULT after a frozen clock")
    tally.expect(scene.commands[-1][1].mode is Mode.RUN, "does not run again after the freeze")


def _set_back(tally: Tally, scene: Scene, case: Case) -> None:
    """/clock goes back: brake at once, FAULT, and keep commanding until at rest."""
    scene.set_back(3.0)
    begun, back_s = len(scene.commands), scene.now_s
    scene.run(back_s + 0.5)
    ticks = scene.commands[begun:]
    faulted_s = next((t for t, c in ticks if c.mode is Mode.FAULT), math.inf)
    tally.time(faulted_s - back_s)
    modes = {c.mode for t, c in ticks if t >= faulted_s}
    tally.expect(modes == {Mode.FAULT}, f"after going back: {[m.name for m in modes]}")
    moved = [c for _, c in ticks if c.q is None]
    last = next((c for _, c in reversed(ticks) if c.q is not None), None)
    is_led = last is not None and not np.asarray(last.qd).any()
    tally.expect(is_led or not moved, "the arms were let go before they rested")
    expect_reset(tally, scene)
