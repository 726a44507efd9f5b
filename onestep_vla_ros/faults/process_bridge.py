# SPDX-License-Identifier: Apache-2.0
"""Process rows on the bridge's own process and the robot's: 23, 24, 28, 33 and 34."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np

from onestep_vla_ros.core.joints import ARMS, arm_slice
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.faults.process_graph import bridge_parameters
from onestep_vla_ros.faults.process_rig import Rig, RowError
from onestep_vla_ros.faults.process_row import (
    JOINT_TIMEOUT_S,
    T_STOP_S,
    TC_S,
    Case,
    ProcessRow,
)
from onestep_vla_ros.nodes.stand_in_robot import HOME

_H_OUT_S = T_STOP_S + 3.0 * TC_S
_CONTROLLER_S = 0.01
"""Period in which the stand-in's controllers move the arms [s]."""
_STILL = 1e-6
_BUSY = "while True: pass"
_HUNG_S = 0.5
_HEAR_S = 5.0
_PAUSE_S = 0.1
_AWAY_RAD = 0.15
_LEASE_SPREAD_S = 0.5
"""Participants notice at most this far apart that a lease has run out [s]."""


def _bridge_killed(rig: Rig, i: int) -> float:
    rig.to_run()
    at_s = rig.children.send("bridge", signal.SIGKILL)
    rig.children.wait("bridge")
    _hear_until(rig, at_s + _H_OUT_S + 0.1)
    rest_s = _arms_rest_s(rig, at_s)
    _relaunch_bridge(rig)
    _forget_the_dead(rig)
    return rest_s


def _forget_the_dead(rig: Rig) -> None:
    """Wait until a killed bridge has left the graph: the next case allows one publisher."""
    for arm in ARMS:
        topic = f"{arm}_arm_controller/joint_trajectory"
        rig.link.wait(partial(_is_alone, rig, topic), 10.0, f"one publisher of {topic}")
    rig.link.listen(_LEASE_SPREAD_S)


def _is_alone(rig: Rig, topic: str) -> bool:
    return rig.link.publishers(topic) == 1


def _bridge_hung(rig: Rig, i: int) -> float:
    rig.to_run()
    at_s = rig.children.send("bridge", signal.SIGSTOP)
    _hear_until(rig, at_s + _HUNG_S)
    rest_s = _arms_rest_s(rig, at_s)
    rig.children.send("bridge", signal.SIGCONT)
    rig.link.listen(0.5)
    return rest_s


def _hear_until(rig: Rig, stamp_s: float) -> None:
    """Take in what the arms did until then, however late this process hears of it."""
    states = rig.link.states
    what = f"joint states of {stamp_s:.3f} s"
    rig.link.wait(lambda: states and states[-1].stamp_s >= stamp_s, _HEAR_S, what)


def _arms_rest_s(rig: Rig, at_s: float) -> float:
    """Return how long after `at_s` the arms themselves last moved [s]."""
    seen = [s for s in rig.link.states if s.sent_s >= at_s - 0.05]
    states = [(s.stamp_s, s.q) for s in seen if s.q is not None]
    moved_s = at_s
    for (_, before), (stamp_s, after) in zip(states, states[1:], strict=False):
        if np.abs(after - before).max() > _STILL:
            moved_s = stamp_s
    if states and moved_s == states[-1][0]:
        raise RowError("the arms do not come to rest")
    return max(moved_s - at_s, 0.0)


def _relaunch_bridge(rig: Rig) -> None:
    """Start the bridge again: it must be IDLE and stay silent until enabled."""
    rig.link.forget()
    rig.start("bridge")
    rig.link.wait(lambda: rig.link.mode() is not None, 20.0, "trace of the new bridge")
    rig.link.listen(0.3)
    modes = {t.mode for t in rig.link.ticks}
    sent = sum(len(commands) for commands in rig.link.commands.values())
    if modes != {Mode.IDLE} or sent:
        got = f"modes {sorted(m.name for m in modes)}, {sent} commands"
        raise RowError("a new bridge commands before it is enabled", got=got)


def _robot_killed(rig: Rig, i: int) -> float:
    rig.to_run()
    link = rig.link
    at_s = rig.children.send("stand_in_robot", signal.SIGKILL)
    rig.children.wait("stand_in_robot")
    rig.first_tick(at_s, lambda t: t.mode is Mode.STOP, 2.0, "STOP")
    last_s = max(s.stamp_s for s in link.states)
    brake_s = rig.brake_s(last_s, Mode.STOP)
    rig.first_tick(at_s, lambda t: t.mode is Mode.FAULT, 3.0, "FAULT")
    rig.start("stand_in_robot")
    link.states.clear()
    link.wait(lambda: len(link.states) > 10, 20.0, "joint states of the new robot")
    rig.wait_for_checker()
    away = np.array(HOME)
    away[[0, 7]] += _AWAY_RAD
    link.set("stand_in_robot", home=away.tolist())
    link.call("stand_in_robot/home")
    link.listen(0.3)
    gap = float(np.abs(link.states[-1].q - away).max())
    if gap > _STILL:
        got = f"{gap:.3f} rad away from where they stood; {link.state()}"
        raise RowError("back from an outage the arms are moved before anyone enables", got=got)
    rig.to_idle()
    _first_is_measured(rig, away)
    link.set("stand_in_robot", home=list(HOME))
    return brake_s


def _first_is_measured(rig: Rig, q: np.ndarray) -> None:
    rig.link.forget()
    rig.enable()
    rig.link.wait(lambda: rig.link.mode() is Mode.RUN, 10.0, "RUN")
    for arm in ARMS:
        first = rig.link.commands[f"{arm}_arm"][0]
        if first.speed or np.abs(first.q - q[arm_slice(arm)]).max() > _STILL:
            raise RowError("the first command is not the measured state at rest", got=arm)


def _set_while_running(rig: Rig, i: int) -> None:
    rig.to_run()
    at_s = time.time()
    given = bridge_parameters()
    names = [*given, "use_sim_time"]
    few = sorted({*rig.rng.sample(names, 5), "use_sim_time"})
    for name in few:
        for result in rig.link.try_set("bridge", **{name: given.get(name, True)}):
            if result.successful:
                raise RowError("a parameter was changed while running", got=name)
    rig.link.listen(0.2)
    rig.must_run(at_s, "parameters set while running")


def _disable(rig: Rig, i: int) -> float:
    rig.to_run()
    at_s = time.time()
    rig.link.call("bridge/enable", data=False)
    rig.link.wait(lambda: rig.link.mode() is Mode.IDLE, 5.0, "IDLE after disable")
    return rig.rest_s(at_s)


def _signalled(rig: Rig, i: int) -> float:
    rig.to_run()
    number = (signal.SIGINT, signal.SIGTERM)[i % 2]
    at_s = rig.children.send("bridge", number)
    status = rig.children.wait("bridge")
    if status != 0:
        raise RowError(f"{number.name} ended the bridge badly", got=f"status {status}")
    rest_s = rig.rest_s(at_s)
    _relaunch_bridge(rig)
    return rest_s


@contextmanager
def _stress() -> Iterator[None]:
    """Keep every core busy twice over."""
    command = [sys.executable, "-c", _BUSY]
    busy = [subprocess.Popen(command) for _ in range(4)]  # noqa: S603 - a constant
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _starved(rig: Rig, i: int) -> None:
    rig.to_run()
    with _stress():
        rig.link.listen(1.0)
    rig.link.listen(0.2)


def _paused(rig: Rig, i: int) -> float:
    rig.to_run()
    rig.take_report()
    at_s = rig.children.send("bridge", signal.SIGSTOP)
    time.sleep(_PAUSE_S)
    rig.children.send("bridge", signal.SIGCONT)
    rig.link.listen(0.4)
    missed = rig.take_report()["missed"]
    if missed < _PAUSE_S / TC_S - 3:
        raise RowError("a pause of 0.1 s, but hardly a tick is missing", got=missed)
    return rig.longest_gap_s(at_s - 0.05, at_s + 0.4)


ROWS = (
    ProcessRow(
        23,
        (
            Case(
                "SIGKILL: the arms rest; IDLE and silent when started again",
                _bridge_killed,
                _H_OUT_S + _CONTROLLER_S,
                publishers=2,
            ),
            Case("SIGSTOP for 0.5 s: the arms rest", _bridge_hung, _H_OUT_S + _CONTROLLER_S),
        ),
    ),
    ProcessRow(
        24,
        (
            Case(
                "SIGKILL of the robot's process: STOP; back elsewhere: not moved until enabled",
                _robot_killed,
                JOINT_TIMEOUT_S + TC_S,
            ),
        ),
    ),
    ProcessRow(
        28, (Case("use_sim_time and five more drawn by chance: refused", _set_while_running),)
    ),
    ProcessRow(
        33,
        (
            Case("bridge/enable false: rest, then IDLE", _disable, TC_S + T_STOP_S),
            Case(
                "SIGINT and SIGTERM in turn: rest, then exit 0",
                _signalled,
                TC_S + T_STOP_S,
                publishers=2,
            ),
        ),
    ),
    ProcessRow(
        34,
        (
            Case("four busy processes for 1 s", _starved),
            Case("bridge stopped for 0.1 s: longest tick", _paused, _PAUSE_S + 2 * TC_S),
            Case("four busy processes, single points", _starved, setting="points"),
            Case("four busy processes, bare positions", _starved, setting="positions"),
        ),
    ),
)
"""Rows of this file."""
