# SPDX-License-Identifier: Apache-2.0
"""Rows 1 to 5: what the cameras do wrong, and stamps in the future.

The bridge sees no camera. The policy says on policy/trouble when it sees nothing fit to act
on, and that brakes the arms: T_img + Tc after the last good picture. Here it looks at every
tick; the node looks every 20 ms, which the process rows add.
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

_FAULT_S = 0.6
_FRAME_S = 0.04
_TC_S = shipped_setup().bridge.control_period_s


def row_1(sweep: Sweep) -> RowResult:
    """Camera off: refused and braked for when its last picture is T_img old."""
    tally = Tally(1, _stale_bound_s(), sweep.make)
    for case in sweep.cases():
        scene = sweep.start(case)
        good_s = _spoil(scene, case, Off(), CAMERAS[case.number % 3])
        _close(scene, case, tally, good_s)
    return tally.result("each camera in turn, from its last picture; no stale one used; recovers")


def row_2(sweep: Sweep) -> RowResult:
    """Camera stuck: an old stamp is row 1; equal pictures under fresh stamps count to ten."""
    tally, stale = Tally(2, 10 * _FRAME_S + _TC_S, sweep.make), []
    for case in sweep.cases():
        scene = sweep.start(case)
        has_fresh_stamps = case.number % 2 == 1
        fault, camera = Stuck(has_fresh_stamps), CAMERAS[case.number % 3]
        good_s = _spoil(scene, case, fault, camera) + _FRAME_S  # the first is still a good one
        if not has_fresh_stamps:
            stale.append(brake_s(scene, good_s) - good_s)
        _close(scene, case, tally, good_s)
    worst = max(stale)
    tally.expect(worst <= _stale_bound_s() + 1e-9, f"the same stamp: {worst:.3f} s to brake")
    return tally.result(f"the same stamp: {worst:.3f} s; equal pictures: tenth + Tc; recovers")


def row_3(sweep: Sweep) -> RowResult:
    """Camera garbage: refused by the real message readers, the policy never sees it."""
    tally = Tally(3, _stale_bound_s(), sweep.make)
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
    tally = Tally(4, _stale_bound_s(), sweep.make)
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
    tally = Tally(5, None, sweep.make)
    streams = (*CAMERAS, "joint_states", "action_chunk")
    for case in sweep.cases():
        scene = sweep.start(case)
        stream = streams[case.number % len(streams)]
        ahead_s = (0.025, 0.5, 3600.0)[case.number % 3]
        if stream == "action_chunk":  # its stamp is that of an observation
            ahead_s += 0.05
        scene.streams[stream].inject(Misstamped(ahead_s), case.fault_s, _until_one(stream, case))
        scene.run(case.fault_s + 1.0)
        verdicts = {"joint_states": scene.state_verdicts, "action_chunk": scene.verdicts}
        if stream in verdicts:
            _expect_future(tally, verdicts[stream], case)
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
    return tally.result(
        "25 ms, 0.5 s, 1 h ahead, on images, joint states, chunks: that one refused; runs on"
    )


def _stale_bound_s() -> float:
    """Return T_img + Tc [s]."""
    return shipped_setup().policy.image_timeout_s + _TC_S


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


def _close(scene: Scene, case: Case, tally: Tally, good_s: float | None) -> None:
    """Note when the arms braked, run on to the recovery, and check what the policy saw.

    Without a time of the last good picture the arms need not brake.
    """
    if good_s is not None:
        tally.time(brake_s(scene, good_s) - good_s)
    if case.number < 2:
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
    found = [v for t, v in verdicts if case.fault_s <= t < case.fault_s + 0.3]
    refused = [v for v in found if isinstance(v, Rejected) and v.reason is Reason.FUTURE]
    tally.expect(len(refused) == 1, f"{len(refused)} messages of the future refused, wanted 1")
