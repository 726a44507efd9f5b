# SPDX-License-Identifier: Apache-2.0
"""Process row 21: a /clock that freezes, jumps and races under the whole graph.

A jump of the wall clock under a robot's bridge has no process twin: setting it would hit every
process of the machine. The pure twin and `core.stamp_offset` cover it.
"""

from __future__ import annotations

from functools import partial

from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.faults.process_rig import Rig, RowError
from onestep_vla_ros.faults.process_row import TC_S, Case, ProcessRow

_UNDER_WAY_S = 0.05


def _freeze(rig: Rig, i: int) -> None:
    rig.to_run()
    link = rig.link
    at_s = link.set("stand_in_robot", clock_fault="freeze")
    link.listen(0.6)
    late = [c for found in link.commands.values() for c in found if c.sent_s > at_s + _UNDER_WAY_S]
    if late:
        raise RowError("commands while /clock stands still", got=len(late))
    link.set("stand_in_robot", clock_fault="none")
    link.wait(lambda: link.mode() is Mode.RUN, 5.0, "RUN by itself")


def _back(rig: Rig, i: int) -> float:
    rig.to_run()
    at_s = rig.link.set("stand_in_robot", clock_fault="back")
    rig.first_tick(at_s, lambda t: t.mode is Mode.FAULT, 3.0, "FAULT")
    states = [s for s in rig.link.states if s.sent_s >= at_s - 0.1]
    told_s = next(
        b.sent_s for a, b in zip(states, states[1:], strict=False) if b.stamp_s < a.stamp_s
    )
    brake_s = rig.brake_s(told_s, Mode.FAULT)
    if rig.link.call("bridge/enable", data=True).success:
        raise RowError("enabled again without bridge/reset after /clock went back")
    return brake_s


def _forward(rig: Rig, i: int) -> None:
    rig.to_run()
    rig.link.set("stand_in_robot", clock_fault="forward")
    rig.link.listen(0.6)
    if rig.link.mode() is Mode.IDLE:
        raise RowError("a clock that jumped ahead disarmed the bridge")


def _fast(rig: Rig, i: int) -> None:
    rig.to_run()
    rig.link.set("stand_in_robot", clock_fault="fast")
    rig.link.listen(0.6)
    if rig.link.mode() is Mode.IDLE:
        raise RowError("a racing clock disarmed the bridge")


_case = partial(Case, setting="clock")

ROWS = (
    ProcessRow(
        21,
        (
            _case("/clock stands still for 0.6 s: no command", _freeze),
            _case("/clock back by 10 s: FAULT, not disarmed", _back, TC_S),
            _case("/clock ahead by 10 s", _forward),
            _case("/clock ten times as fast", _fast),
        ),
    ),
)
"""Rows of this file."""
