# SPDX-License-Identifier: Apache-2.0
"""Rows 23 to 26, 32, 33 and 35: the robot's side dies, is blocked, or stands elsewhere."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.faults.row import RowResult
from onestep_vla_ros.faults.scene import Reading, Scene
from onestep_vla_ros.faults.setup import shipped_setup, target
from onestep_vla_ros.faults.state_rows import expect_reset
from onestep_vla_ros.faults.sweep import (
    Sweep,
    Tally,
    brake_s,
    first_tick,
    modes_after,
    rest_s,
    stop_time_s,
)
from onestep_vla_ros.sim.faults import Garbage, Off

_JTC_PERIOD_S = 0.004
_MS = 0.001
_AWAY = 0.4


def row_23(sweep: Sweep) -> RowResult:
    """Bridge killed or cut off: the controllers play the resting tail, then hold."""
    setup = shipped_setup()
    horizon_s = stop_time_s(setup) + 3.0 * setup.bridge.control_period_s
    tally = Tally(23, horizon_s + _JTC_PERIOD_S, sweep.make)
    for case in sweep.cases():
        scene = sweep.start(case)
        is_killed = case.number % 2 == 0
        if is_killed:
            scene.is_frozen = True
        else:
            scene.wire.cut |= {"left", "right"}
        scene.run(case.fault_s + 0.5)
        tally.time(_arms_rest_s(tally, scene, case.fault_s) - case.fault_s)
        if is_killed:
            _expect_fresh_start(tally, scene, sweep)
        tally.close(scene)
    return tally.result("half killed, half cut off; a new bridge starts IDLE, from the measured")


def row_24(sweep: Sweep) -> RowResult:
    """Robot side killed and back elsewhere: row 6, then nothing of the old plan is replayed."""
    config = shipped_setup().bridge
    tally = Tally(24, config.joint_state_timeout_s + config.control_period_s, sweep.make)
    for case in sweep.cases():
        config = replace(shipped_setup().bridge, start_check="off")  # enabled where they stand
        scene = sweep.start(case, bridge=config)
        back_s = case.fault_s + (0.4, 1.5)[case.number % 2]
        scene.streams["joint_states"].inject(Off(), case.fault_s, back_s)
        scene.wire.cut |= {"left", "right"}
        scene.run(back_s)
        good_s = _last_state_s(scene, case.fault_s)
        tally.time(brake_s(scene, good_s) - good_s)
        place = scene.wire.arms.state(back_s)[0]
        place[case.number % 6 + 7 * (case.number % 2)] += (0.3, -0.3, 0.15)[case.number % 3]
        scene.wire.arms.place(place)
        scene.wire.cut.clear()
        scene.run(back_s + 0.3)
        moved = float(np.abs(scene.wire.arms.state(scene.now_s)[0] - place).max())
        tally.expect(moved <= 1e-6, f"back after a restart, the arms were moved by {moved:.2f}")
        tally.expect(scene.recent[-1][1].mode is Mode.FAULT, "no FAULT after a restart")
        expect_reset(tally, scene)
        tally.close(scene)
    return tally.result("gone for 0.4 or 1.5 s, back at another pose; first command = measured")


def row_25(sweep: Sweep) -> RowResult:
    """One arm's controller dies: both arms stop."""
    config = shipped_setup().bridge
    tally = Tally(25, config.joint_state_timeout_s + config.control_period_s, sweep.make)
    frozen_s = 0.0
    for case in sweep.cases():
        scene = sweep.start(case)
        arm = ("left", "right")[case.number % 2]
        if case.number % 3 < 2:  # its joints vanish from joint_states, and it with them
            scene.streams["joint_states"].inject(Garbage(_without(arm)), case.fault_s)
            scene.wire.arms.kill(arm, case.fault_s)
            scene.run(case.fault_s + 0.4)
            tally.time(brake_s(scene, case.fault_s) - case.fault_s)
        else:  # its encoders go on: only the tracking error tells, as in row 32
            scene.wire.arms.kill(arm, case.fault_s)
            scene.run(case.fault_s + 1.5)
            frozen_s = max(frozen_s, brake_s(scene, case.fault_s) - case.fault_s)
        tally.expect(scene.commands[-1][1].mode is Mode.FAULT, "no FAULT")
        resting = scene.commands[-1][1]
        is_still = resting.qd is None or not np.asarray(resting.qd).any()
        tally.expect(is_still, "an arm still moves")
        tally.close(scene)
    seen = f"with encoders that go on, by its tracking error (row 32), after {frozen_s:.2f} s"
    return tally.result(f"joints vanish from joint_states: in time; {seen}")


def row_26(sweep: Sweep) -> RowResult:
    """A second publisher: enable is refused; while enabled it is a FAULT at the next tick.

    How soon the graph tells (<= 1 s) is for the process row; the time here is from then on.
    """
    tally = Tally(26, shipped_setup().bridge.control_period_s, sweep.make)
    for case in sweep.cases():
        scene = sweep.start(case)
        topic = ("action_chunk", "left_arm_controller/joint_trajectory")[case.number % 2]
        scene.call("set_obstacle", topic, "2 publishers, allowed 1", case.fault_s)
        scene.run(case.fault_s + 0.4)
        tally.time(first_tick(scene, case.fault_s, Mode.FAULT) - case.fault_s)
        tally.expect(scene.call("reset", scene.now_s).is_accepted, "reset refused at rest")
        tally.expect(not scene.enable().is_accepted, "enabled beside a second publisher")
        scene.call("set_obstacle", topic, "", scene.now_s)
        scene.run(scene.now_s + 0.03)
        tally.expect(scene.enable().is_accepted, "not enabled after it had gone")
        scene.run(scene.now_s + 0.03)
        tally.close(scene)
    return tally.result("on the chunk topic and on a controller's; refuses enable until gone")


def row_32(sweep: Sweep) -> RowResult:
    """An arm is blocked: more than 0.1 rad off its command for 100 ms is a FAULT."""
    config = shipped_setup().bridge
    bound_s = config.tracking_error_timeout_s + config.control_period_s
    tally = Tally(32, bound_s, sweep.make)
    for case in sweep.cases():
        scene = sweep.start(case)
        scene.wire.arms.kill(("left", "right")[case.number % 2], case.fault_s)
        scene.run(case.fault_s + 1.5)
        seen_s = _apart_since_s(scene, case.fault_s)
        tally.expect(seen_s < math.inf, "never 0.1 rad apart")
        tally.time(first_tick(scene, seen_s, Mode.FAULT) - seen_s)
        tally.close(scene)
    return tally.result("from the first tick that could see 0.1 rad until it brakes; latched")


def row_33(sweep: Sweep) -> RowResult:
    """Operator disables or stops: the arms ramp down; disabled, nothing is commanded after."""
    setup = shipped_setup()
    tally = Tally(33, setup.bridge.control_period_s + stop_time_s(setup), sweep.make)
    for case in sweep.cases():
        scene = sweep.start(case)
        is_stop = case.number % 2 == 1
        scene.call("stop" if is_stop else "disable", case.fault_s)
        scene.run(case.fault_s + 0.5)
        tally.time(rest_s(scene, case.fault_s) - case.fault_s)
        last = scene.commands[-1][1].mode
        if is_stop:
            tally.expect(last is Mode.STOP, f"{last.name} after stop")
            expect_reset(tally, scene)
        else:
            tally.expect(last is Mode.IDLE, f"{last.name} after disable")
            tally.expect(scene.enable().is_accepted, "enable was refused after disable")
            scene.run(case.fault_s + 0.6)
        tally.close(scene)
    return tally.result("half disable (then IDLE), half stop (latched); signals: process row")


def row_35(sweep: Sweep) -> RowResult:
    """Arms are not where the policy starts: refused, or led there slowly; never a jump."""
    tally, fastest = Tally(35, None, sweep.make), 0.0
    for case in sweep.cases():
        rng = np.random.default_rng([35, case.number])
        away = target(0.0) + _AWAY * rng.choice([-1.0, 1.0], 14) * (np.arange(14) % 7 < 6)
        config = shipped_setup().bridge
        start = np.clip(away, config.position_low, config.position_high)
        check = ("refuse", "ramp", "off")[case.number % 3]
        scene = sweep.prepare(case, start=start, bridge=replace(config, start_check=check))
        scene.run(case.fault_s + 4.5 * (check == "ramp"))
        modes = modes_after(scene, 0.0)
        sent = [c for _, c in scene.commands if c.q is not None]
        if check == "refuse":
            tally.expect(not sent and modes == {Mode.IDLE}, "enabled far from the start poses")
        else:
            first = sent[0]
            tally.expect(not np.asarray(first.qd).any(), "the first command moves")
        if check == "ramp":
            started = [np.abs(c.qd).max() for c in sent if c.mode is Mode.START]
            tally.expect(bool(started), "no START mode")
            fastest = max(fastest, *map(float, started))
            tally.expect(fastest <= 0.2 * 2.0 + 1e-6, f"ramps at {fastest:.3f} rad/s")
            tally.expect(Mode.RUN in modes, f"never ran: {sorted(m.name for m in modes)}")
        tally.close(scene)
    return tally.result(f"0.4 rad away: refused; ramps at <= {fastest:.2f} rad/s; off: no jump")


def _arms_rest_s(tally: Tally, scene: Scene, since_s: float) -> float:
    """Return when the arms rest [s]; expects that their way there keeps V and A at 1 ms."""
    config = scene.setup.bridge
    times = since_s + _MS * np.arange(500)
    q = np.array([scene.wire.arms.state(t)[0] for t in times])
    speed = np.abs(np.diff(q, axis=0)) / _MS
    tally.expect((speed <= np.array(config.max_velocity)).all(), "the tail is too fast")
    moving = np.flatnonzero((speed > 1e-9).any(axis=1))
    return float(times[moving[-1] + 1]) if len(moving) else since_s


def _expect_fresh_start(tally: Tally, scene: Scene, sweep: Sweep) -> None:
    """Launch a new bridge: IDLE and silent until enabled, then from the measured state."""
    scene.relaunch(sweep.make(scene.setup))
    before = scene.wire.check.messages
    scene.run(scene.now_s + 0.1)
    tally.expect(scene.wire.check.messages == before, "a new bridge commands before enable")
    tally.expect(scene.enable().is_accepted, "a new bridge cannot be enabled")
    scene.run(scene.now_s + 1.2)
    tally.expect(scene.commands[-1][1].mode is Mode.RUN, "a new bridge does not run")


def _last_state_s(scene: Scene, before_s: float) -> float:
    """Return when the last joint state before a time was measured [s]."""
    return max(t for t, _ in scene.state_verdicts if t <= before_s + 0.001) - 0.001


def _apart_since_s(scene: Scene, after_s: float) -> float:
    """Return the first tick that could see a state 0.1 rad off what was commanded for it [s]."""
    limit = np.array(scene.setup.bridge.tracking_error_limit)
    gap, since_s, ticks = np.zeros(14), math.inf, iter(scene.commands)
    sent: list[tuple[float, np.ndarray]] = []
    for name, arguments in scene.log:
        if name == "on_joint_state":
            due = [q for stamp_s, q in sent[-20:] if stamp_s <= arguments[2]]
            gap = np.abs(due[-1] - arguments[0]) if due else gap
        elif name == "tick":
            now_s, command = next(ticks)
            if command.mode is Mode.FAULT:
                return since_s
            if now_s >= after_s:
                since_s = min(since_s, now_s) if (gap > limit).any() else math.inf
            if command.q is not None:
                sent.append((command.stamp_s, command.q))
    return math.inf


def _without(arm: str) -> object:
    """Return what leaves one arm's joints out of a joint_states message."""
    start = 0 if arm == "left" else 7

    def drop(reading: Reading) -> Reading:
        kept = [i for i in range(14) if not start <= i < start + 7]
        return Reading(tuple(reading.names[i] for i in kept), reading.q[kept], reading.qd[kept])

    return drop
