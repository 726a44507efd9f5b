# SPDX-License-Identifier: Apache-2.0
"""Rows 11 to 14 and 22: a policy that dies, hangs, fails, is slow or is cut off.

One could bound row 11 by min(remaining chunk, max_observation_age_s) + T_stop. That parameter
is how old an observation may be when its chunk arrives; how long a plan may be followed is
max_plan_age_s, which has to exceed replan period + latency. So the bound here is
min(chunk, max_plan_age_s) + Tc + T_stop from the last observation the plan rests on.
"""

from __future__ import annotations

import threading

import numpy as np
import torch

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.observation import CameraSpec, Observation
from onestep_vla_ros.core.observer import Observer
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Reason, Rejected
from onestep_vla_ros.faults.row import RowResult
from onestep_vla_ros.faults.scene import Scene
from onestep_vla_ros.faults.setup import START_S, shipped_setup
from onestep_vla_ros.faults.sweep import (
    Case,
    Sweep,
    Tally,
    brake_s,
    first_tick,
    rest_s,
    stop_time_s,
)
from onestep_vla_ros.nodes.worker import InferenceWorker
from onestep_vla_ros.sim.faults import Off

_FAULT_S = 0.95
_SHORT = {"waypoints": 4, "period_s": 0.08, "latency_s": 0.03}
"""Chunks of 0.32 s that run out before they are too old."""
_WAIT_S = 5.0


def row_11(sweep: Sweep) -> RowResult:
    """Policy killed: the plan runs out or gets too old, the arms rest, then HOLD."""
    tally = Tally(11, _rest_bound_s(), sweep.make)
    for case in sweep.cases():
        scene = sweep.start(case, **(_SHORT if case.number % 2 else {}))
        scene.policy.condition = "dead"
        scene.run(case.fault_s + _FAULT_S)
        _note_rest(tally, scene, case)
        scene.policy.restart()
        _expect_recovery(tally, scene, case)
    return tally.result("killed at any moment of the period, long and short chunks; recovers")


def row_12(sweep: Sweep) -> RowResult:
    """Policy hangs: as killed; what it says when it goes on again is too old."""
    tally = Tally(12, _rest_bound_s(), sweep.make)
    for case in sweep.cases():
        scene = sweep.start(case)
        scene.policy.condition = "hung"
        scene.run(case.fault_s + _FAULT_S)
        _note_rest(tally, scene, case)
        stale = scene.policy.answer(scene.policy.inferences[-1][1])
        verdict = scene.send_chunk(stale)
        is_refused = isinstance(verdict, Rejected) and verdict.reason in (
            Reason.TOO_OLD,
            Reason.DUPLICATE,
        )
        tally.expect(is_refused, f"a chunk from before the hang got {verdict}")
        scene.policy.resume()
        _expect_recovery(tally, scene, case)
    return tally.result("its late answer is refused as too old; ticks: see the process row")


def row_13(sweep: Sweep) -> RowResult:
    """Out of memory: one inference is skipped, three in a row end the worker."""
    tally = Tally(13, _rest_bound_s(), sweep.make)
    once = _failures_of_worker((True, False, False))
    tally.expect(once == (2, 1, ""), f"one failure of three: {once}")
    thrice = _failures_of_worker((False, True, True, True))
    tally.expect(thrice[:2] == (1, 3) and "3 inferences" in thrice[2], f"three: {thrice}")
    for case in sweep.cases():
        scene = sweep.start(case)
        if case.number % 2:  # a single one
            before = len(scene.policy.inferences)
            while len(scene.policy.inferences) == before:
                scene.run(scene.now_s + 0.01)
            scene.policy.condition = "broken"
            scene.at(scene.now_s + 0.05, lambda scene=scene: scene.policy.resume())
            scene.run(case.fault_s + _FAULT_S)
            found = brake_s(scene, case.fault_s)
            tally.expect(found == np.inf, "one skipped inference stopped the arms")
            tally.close(scene)
        else:
            scene.policy.condition = "broken"
            scene.run(case.fault_s + _FAULT_S)
            _note_rest(tally, scene, case)
            scene.policy.restart()
            _expect_recovery(tally, scene, case)
    return tally.result("torch.OutOfMemoryError in the real worker: one skipped, three end it")


def row_14(sweep: Sweep) -> RowResult:
    """Inference takes 0.5 to 5 times the chunk: slower or held motion, at rest when starved."""
    setup = shipped_setup()
    limits = setup.bridge
    tally = Tally(14, stop_time_s(setup) + limits.control_period_s, sweep.make)
    for case in sweep.cases():
        factor = (0.5, 0.8, 1.0, 2.0, 5.0)[case.number % 5]
        scene = sweep.start(case, **_SHORT)
        scene.policy.latency_s = factor * _SHORT["waypoints"] * _SHORT["period_s"]
        scene.run(case.fault_s + 2.0)
        starved = _holds(scene)
        for begun_s in starved:
            tally.time(rest_s(scene, begun_s) - begun_s)
        tally.expect(bool(starved) or factor <= 0.5, f"x{factor}: never starved, never held")
        ages = [
            at_s - stamp_s
            for (at_s, v), stamp_s in zip(scene.verdicts, scene.chunk_stamps_s, strict=True)
            if v.is_accepted
        ]
        tally.expect(max(ages) <= limits.max_observation_age_s, f"x{factor}: a stale chunk")
        tally.close(scene)
    return tally.result("time from starved to rest; chunks that come too late are refused")


def row_22(sweep: Sweep) -> RowResult:
    """Chunks cut off from the bridge: as row 11, back by itself when the link is."""
    tally = Tally(22, _rest_bound_s(), sweep.make)
    for case in sweep.cases():
        scene = sweep.start(case)
        ends_s = case.fault_s + _FAULT_S
        scene.streams["action_chunk"].inject(Off(), case.fault_s, ends_s)
        scene.run(ends_s)
        _note_rest(tally, scene, case)
        _expect_recovery(tally, scene, case)
    return tally.result("the link is cut for 0.95 s at any moment; recovers")


def _rest_bound_s() -> float:
    """Return max_plan_age_s + Tc + T_stop [s]; a short chunk rests sooner."""
    setup = shipped_setup()
    plan_s = min(setup.waypoints * setup.period_s, setup.bridge.max_plan_age_s)
    return plan_s + setup.bridge.control_period_s + stop_time_s(setup)


def _note_rest(tally: Tally, scene: Scene, case: Case) -> None:
    """Note the time from the last observation a plan rested on until the arms rest."""
    stamps = [
        stamp_s
        for (_, v), stamp_s in zip(scene.verdicts, scene.chunk_stamps_s, strict=True)
        if v.is_accepted
    ]
    tally.time(rest_s(scene, case.fault_s) - max(stamps))
    tally.expect(scene.commands[-1][1].mode is Mode.HOLD, "not in HOLD at the end")


def _expect_recovery(tally: Tally, scene: Scene, case: Case) -> None:
    """Expect RUN after three good chunks, for some cases, and close the case."""
    if case.number < 2:
        back_s = scene.now_s
        scene.run(back_s + 1.1)
        resumed_s = first_tick(scene, back_s, Mode.RUN)
        tally.expect(resumed_s < np.inf, "does not run again")
        chunks = sum(v.is_accepted for t, v in scene.verdicts if back_s <= t <= resumed_s)
        needed = scene.setup.bridge.resume_chunks
        tally.expect(chunks == needed, f"ran again after {chunks} chunks, wanted {needed}")
    tally.close(scene)


def _holds(scene: Scene) -> list[float]:
    """Return the times at which ticks changed from RUN to anything else [s]."""
    pairs = zip(scene.commands, scene.commands[1:], strict=False)
    return [t for (_, a), (t, b) in pairs if a.mode is Mode.RUN and b.mode is not Mode.RUN]


def _failures_of_worker(fails: tuple[bool, ...]) -> tuple[int, int, str]:
    """Return (chunks, failed, failure) of the real worker whose n-th inference fails so."""
    left, done = list(fails), threading.Event()

    def infer(observation: Observation) -> Chunk:
        is_bad = left.pop(0)
        if not left:
            done.set()
        if is_bad:
            raise torch.OutOfMemoryError("allocator cap reached")
        return Chunk(np.zeros((2, 14)), observation.stamp_s, 0.08)

    setup = shipped_setup()
    observer = Observer([CameraSpec("top", 4, 4)], setup.policy)
    clock = [START_S]
    worker = InferenceWorker(
        observer, infer, lambda: clock[0], lambda *_: None, lambda *_: None, fault_inferences=3
    )
    worker.start()
    for n in range(len(fails)):
        with worker.arrived:
            clock[0] = START_S + n * setup.policy.replan_period_s
            observer.on_joint_state(np.zeros(14), np.zeros(14), clock[0])
            observer.on_image("top", np.full((4, 4, 3), n, np.uint8), clock[0])
            worker.arrived.notify_all()
        waited = 0.0
        while len(left) > len(fails) - n - 1 and waited < _WAIT_S:
            waited += 0.002
            done.wait(0.002)
    worker.stop()
    return worker.chunks, worker.failed, worker.failure
