# SPDX-License-Identifier: Apache-2.0
"""Rows 1 to 5: what the cameras do wrong, and stamps in the future.

RELIABILITY writes "brake <= T_img + Tc" for these. The bridge sees no camera and must not: a
chunk is made to be followed open-loop for longer than T_img, and the policy infers only every
0.24 s. So two times are bounded here. T_img + Tc is what the policy needs to refuse the
camera; from then on no chunk rests on its pictures. max_plan_age_s + Tc after the last good
picture is when the arms brake, because no plan may rest on an observation older than that.
"""

from __future__ import annotations

import math

import numpy as np

from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Reason, Rejected
from onestep_vla_ros.faults.row import RowResult
from onestep_vla_ros.faults.scene import CAMERAS, Scene
from onestep_vla_ros.faults.setup import START_S, shipped_setup
from onestep_vla_ros.faults.sweep import Case, Sweep, Tally, brake_s, first_tick
from onestep_vla_ros.nodes.spoilt_messages import read_picture, spoilt_images
from onestep_vla_ros.sim.faults import Delayed, Fault, Garbage, Misstamped, Off, Slow, Stuck

_FAULT_S = 1.2
_FRAME_S = 0.04


def row_1(sweep: Sweep) -> RowResult:
    """Camera off: refused after T_img, the arms rest when their plan is too old."""
    tally, refused = Tally(1, _plan_bound_s(), sweep.make), []
    for case in sweep.cases():
        scene = sweep.start(case)
        camera = CAMERAS[case.number % 3]
        good_s = _spoil(scene, case, Off(), camera)
        refused.append(_refused_s(scene, good_s, "image_stale"))
        _close(scene, case, tally, good_s)
    _expect_refusals(tally, refused, _refusal_bound_s())
    return tally.result(f"each camera in turn; refused after {max(refused):.3f} s; recovers")


def row_2(sweep: Sweep) -> RowResult:
    """Camera stuck: an old stamp is row 1; equal pictures count to ten, then the same."""
    frozen_s = 10 * _FRAME_S
    tally = Tally(2, frozen_s + _plan_bound_s(), sweep.make)
    stale, frozen = [], []
    for case in sweep.cases():
        scene = sweep.start(case)
        has_fresh_stamps = case.number % 2 == 1
        fault, camera = Stuck(has_fresh_stamps), CAMERAS[case.number % 3]
        good_s = _spoil(scene, case, fault, camera) + _FRAME_S  # the first is still a good one
        if has_fresh_stamps:
            frozen.append(_refused_s(scene, good_s, "image_frozen"))
        else:
            stale.append(_refused_s(scene, good_s, "image_stale"))
        _close(scene, case, tally, good_s)
    _expect_refusals(tally, stale, _refusal_bound_s())
    _expect_refusals(tally, frozen, frozen_s + shipped_setup().bridge.control_period_s)
    seen = f"{max(stale):.3f} s, equal pictures after {max(frozen, default=0.0):.3f} s"
    return tally.result(f"the same stamp refused after {seen}; recovers")


def row_3(sweep: Sweep) -> RowResult:
    """Camera garbage: refused by the real message readers, the policy never sees it."""
    tally = Tally(3, _plan_bound_s(), sweep.make)
    kinds = tuple(spoilt_images(np.zeros((4, 4, 3), np.uint8)))
    for case in sweep.cases():
        scene = sweep.start(case)
        kind = kinds[case.number % len(kinds)]
        scene.read_image = read_picture
        fault = Garbage(lambda picture, kind=kind: spoilt_images(picture)[kind])
        good_s = _spoil(scene, case, fault, CAMERAS[0])
        bad = [
            r for t, r in scene.policy.refusals if t >= case.fault_s and r.startswith("image_un")
        ]
        frames = round(_FAULT_S / _FRAME_S)
        tally.expect(abs(len(bad) - frames) <= 1, f"{len(bad)} of {frames} frames refused")
        _close(scene, case, tally, good_s)
    return tally.result(f"{', '.join(kinds)}: every picture refused as it came; recovers")


def row_4(sweep: Sweep) -> RowResult:
    """Cameras late, slow or apart: no observation older than T_img or skewed is used."""
    tally = Tally(4, _plan_bound_s(), sweep.make)
    kinds = ("late", "slow", "skewed")
    for case in sweep.cases():
        scene = sweep.start(case)
        kind, camera = kinds[case.number % 3], case.number % 2
        good_s = None
        if kind == "late":
            delay_s = 0.3 + 1.7 * (case.number % 7) / 6.0
            good_s = _spoil(scene, case, Delayed(delay_s), CAMERAS[camera])
        elif kind == "slow":
            _spoil(scene, case, Slow(5), CAMERAS[camera])
        else:
            scene.streams[CAMERAS[2]].inject(Misstamped(-0.06), case.fault_s, _until(case))
            _spoil(scene, case, Slow(3), CAMERAS[camera])
        _close(scene, case, tally, good_s)
    return tally.result("0.3 to 2 s late; every fifth picture; 60 ms apart; recovers")


def row_5(sweep: Sweep) -> RowResult:
    """A stamp in the future: that message is refused, the next good one is taken."""
    tally = Tally(5, 0.0, sweep.make)
    streams = (*CAMERAS, "joint_states", "action_chunk")
    for case in sweep.cases():
        scene = sweep.start(case)
        stream = streams[case.number % len(streams)]
        ahead_s = (0.025, 0.5, 3600.0)[case.number % 3]
        scene.streams[stream].inject(Misstamped(ahead_s), case.fault_s, _until_one(stream, case))
        scene.run(case.fault_s + 1.0)
        tally.time(0.0)
        if stream == "joint_states":
            _expect_future(tally, scene.state_verdicts, case)
        tally.expect(
            any(t > case.fault_s + 0.3 for t, _ in scene.policy.inferences),
            f"{stream} {ahead_s} s ahead: the policy infers no more",
        )
        tally.expect(
            first_tick(scene, case.fault_s + 0.9, Mode.RUN) < case.fault_s + 0.93,
            f"{stream} {ahead_s} s ahead: not running a second later",
        )
        _expect_honest(tally, scene, case)
        tally.close(scene)
    return tally.result("25 ms, 0.5 s, 1 h ahead on images, joint states, chunks; runs on")


def _plan_bound_s() -> float:
    """Return the longest time from the last good picture to the brake [s]."""
    bridge = shipped_setup().bridge
    return bridge.max_plan_age_s + bridge.control_period_s


def _refusal_bound_s() -> float:
    """Return the longest time from the last good picture to its refusal [s]."""
    setup = shipped_setup()
    return setup.policy.image_timeout_s + setup.bridge.control_period_s


def _until(case: Case) -> float:
    return case.fault_s + _FAULT_S


def _until_one(stream: str, case: Case) -> float:
    period_s = {"joint_states": 0.01, "action_chunk": 0.24}.get(stream, _FRAME_S)
    return round(case.fault_s + period_s, 9)


def _spoil(scene: Scene, case: Case, fault: Fault, camera: str) -> float:
    """Let `fault` act on a camera for a while; return when its last good picture was taken."""
    scene.streams[camera].inject(fault, case.fault_s, _until(case))
    scene.run(_until(case))
    first_s = START_S + 0.001 * CAMERAS.index(camera)
    return first_s + _FRAME_S * (math.ceil((case.fault_s - first_s) / _FRAME_S - 1e-9) - 1)


def _refused_s(scene: Scene, good_s: float, reason: str) -> float:
    """Return how long after the last good picture the policy refused for `reason` [s]."""
    times = [t for t, r in scene.policy.refusals if t >= good_s and r == reason]
    return times[0] - good_s if times else math.inf


def _expect_refusals(tally: Tally, times_s: list[float], bound_s: float) -> None:
    worst = max(times_s, default=0.0)
    tally.expect(worst <= bound_s + 1e-9, f"refused after {worst:.3f} s, allowed {bound_s:.3f}")


def _close(scene: Scene, case: Case, tally: Tally, good_s: float | None) -> None:
    """Note when the arms braked, run on to the recovery, and check what the policy saw.

    Without a time of the last good picture the arms need not brake.
    """
    if good_s is not None:
        tally.time(brake_s(scene, good_s) - good_s)
    if case.number < 4:
        scene.run(_until(case) + 1.4)
        is_back = first_tick(scene, _until(case) + 1.38, Mode.RUN) < math.inf
        tally.expect(is_back, "does not run 1.4 s after the fault has ended")
    _expect_honest(tally, scene, case)
    tally.close(scene)


def _expect_honest(tally: Tally, scene: Scene, case: Case) -> None:
    """Every observation the policy got was young, of one moment and not of the future."""
    policy = scene.setup.policy
    for now_s, seen in scene.policy.inferences:
        newest_s = max(seen.joint_stamp_s, *seen.image_stamps_s.values())
        age_s = now_s - seen.stamp_s
        allowed_s = policy.image_timeout_s + policy.max_skew_s
        tally.expect(age_s <= allowed_s, f"inferred on an observation {age_s:.3f} s old")
        tally.expect(seen.skew_s <= policy.max_skew_s, f"inferred with {seen.skew_s:.3f} s skew")
        tally.expect(newest_s <= now_s + policy.future_tolerance_s, "inferred on the future")


def _expect_future(tally: Tally, verdicts: list[tuple[float, object]], case: Case) -> None:
    found = [v for t, v in verdicts if case.fault_s <= t < case.fault_s + 0.02]
    is_refused = any(isinstance(v, Rejected) and v.reason is Reason.FUTURE for v in found)
    tally.expect(is_refused, "a joint state of the future was not refused")
