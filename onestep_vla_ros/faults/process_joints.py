# SPDX-License-Identifier: Apache-2.0
"""Process rows on joint states and the arms themselves: 6 to 10, 25, 32 and 35."""

from __future__ import annotations

import numpy as np

from onestep_vla_ros.core.joints import ARMS, arm_slice
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.faults.process_rig import Rig, RowError
from onestep_vla_ros.faults.process_row import (
    ALLOWANCE_S,
    JOINT_FAULT_S,
    JOINT_TIMEOUT_S,
    TC_S,
    TRACKING_S,
    Case,
    ProcessRow,
    tracking_limit,
)
from onestep_vla_ros.nodes.stand_in_robot import HOME

_STATE_S = 0.01
"""Period of joint_states [s]."""
_SANE = ("permuted", "extra", "swapped")
_SPOILT = ("missing", "twice", "renamed", "nan", "outside")
_START_TOLERANCE = 1e-9


def _lose(rig: Rig) -> float:
    """Silence joint_states; return the stamp of the last one [s]."""
    at_s = rig.link.set("stand_in_robot", joint_fault="off")
    rig.first_tick(at_s, lambda t: t.mode is Mode.STOP, 2.0, "STOP")
    return max(s.stamp_s for s in rig.link.states if s.sent_s <= at_s)


def _off_and_back(rig: Rig, i: int) -> float:
    rig.to_run()
    last_s = _lose(rig)
    brake_s = rig.brake_s(last_s, Mode.STOP)
    rig.link.listen(0.3)
    if rig.link.mode() is not Mode.STOP:
        raise RowError("no STOP while joint_states are silent", got=rig.link.state())
    rig.link.set("stand_in_robot", joint_fault="none")
    rig.link.wait(lambda: rig.link.mode() is Mode.RUN, 5.0, "RUN by itself")
    return brake_s


def _off_for_long(rig: Rig, i: int) -> float:
    rig.to_run()
    last_s = _lose(rig)
    return rig.brake_s(last_s, Mode.FAULT)


def _loss(rig: Rig, i: int) -> None:
    rig.to_run()
    at_s = rig.link.set("stand_in_robot", joint_fault="loss")
    rig.link.listen(3.0)
    rig.must_run(at_s, "30 % of joint_states lost")


def _sane(rig: Rig, i: int) -> None:
    kind = _SANE[i % len(_SANE)]
    rig.to_run()
    at_s = rig.link.set("stand_in_robot", joint_fault=kind)
    rig.link.listen(0.6)
    rig.must_run(at_s, f"joint_states {kind}")


def _first_state_s(rig: Rig, since_s: float) -> float:
    """Return when the first joint state since `since_s` was sent [s]."""

    def sent() -> list[float]:
        return [s.sent_s for s in rig.link.states if s.sent_s >= since_s]

    rig.link.wait(sent, 2.0, "joint state after the fault")
    return sent()[0]


def _spoilt(rig: Rig, i: int) -> float:
    rig.to_run()
    at_s = rig.link.set("stand_in_robot", joint_fault=_SPOILT[i % len(_SPOILT)])
    rig.first_tick(at_s, lambda t: t.mode is Mode.FAULT, 2.0, "FAULT")
    first_s = _first_state_s(rig, at_s)
    return rig.brake_s(first_s, Mode.FAULT)


def _jump_once(rig: Rig, i: int) -> None:
    rig.to_run()
    at_s = rig.link.set("stand_in_robot", joint_fault="jump_once")
    rig.link.listen(0.3)
    rig.must_run(at_s, "one encoder jump")


def _jump(rig: Rig, i: int) -> float:
    rig.to_run()
    at_s = rig.link.set("stand_in_robot", joint_fault="jump")
    rig.first_tick(at_s, lambda t: t.mode is Mode.FAULT, 2.0, "FAULT")
    first_s = _first_state_s(rig, at_s)
    return rig.brake_s(first_s, Mode.FAULT)


def _dead_arm(rig: Rig, i: int) -> float:
    rig.to_run()
    at_s = rig.link.set("stand_in_robot", dead_arm=ARMS[i % 2])
    brake_s = rig.brake_s(at_s, Mode.STOP, Mode.FAULT)
    rig.link.listen(0.4)
    moving = [arm for arm, found in rig.link.commands.items() if found[-1].speed != 0.0]
    if moving:
        raise RowError("one arm's controller died and an arm goes on", got=moving)
    return brake_s


def _blocked(rig: Rig, i: int) -> float:
    arm = ARMS[i % 2]
    rig.to_run()
    at_s = rig.link.set("stand_in_robot", blocked=arm)
    fault = rig.first_tick(at_s, lambda t: t.mode is Mode.FAULT, 5.0, "FAULT")
    return fault.sent_s - _apart_since_s(rig, arm, at_s, fault.sent_s)


def _apart_since_s(rig: Rig, arm: str, since_s: float, until_s: float) -> float:
    """Return when command and measured state were apart for good before `until_s` [s]."""
    limit = tracking_limit()[arm_slice(arm)]
    part = arm_slice(arm)
    states = [
        (s.sent_s, s.q)
        for s in rig.link.states
        if s.q is not None and since_s <= s.sent_s < until_s
    ]
    apart_s = until_s
    for command in reversed(rig.link.commands[f"{arm}_arm"]):
        if not since_s <= command.sent_s < until_s:
            continue
        heard = [q for sent_s, q in states if sent_s <= command.sent_s]
        if not heard or not (np.abs(command.q - heard[-1][part]) > limit).any():
            break
        apart_s = command.sent_s
    return apart_s


def _elsewhere(rig: Rig, i: int) -> None:
    rig.to_idle()
    link = rig.link
    home = np.array(HOME) + np.array([rig.rng.uniform(-0.2, 0.2) for _ in HOME])
    link.set("stand_in_robot", home=home.tolist())
    try:
        link.call("stand_in_robot/home")
        link.listen(0.1)
        rig.take_report()
        link.forget()
        rig.enable()
        link.wait(lambda: link.mode() is Mode.RUN, 5.0, "RUN")
        for arm in ARMS:
            first = link.commands[f"{arm}_arm"][0]
            gap = float(np.abs(first.q - home[arm_slice(arm)]).max())
            if first.speed != 0.0 or gap > _START_TOLERANCE:
                got = f"{arm}: {gap:.2e} rad off, speed {first.speed}"
                raise RowError("the first command is not the measured state at rest", got=got)
        link.listen(0.2)
    finally:
        link.set("stand_in_robot", home=list(HOME))


ROWS = (
    ProcessRow(
        6,
        (
            Case("silent for 0.35 s, then back", _off_and_back, JOINT_TIMEOUT_S + TC_S),
            Case("silent for good: FAULT", _off_for_long, JOINT_FAULT_S + TC_S),
        ),
    ),
    ProcessRow(7, (Case("3 s with 30 % lost, at most 2 in a row: no stop", _loss),)),
    ProcessRow(8, (Case("permuted, extra, arms swapped: keeps running", _sane),)),
    ProcessRow(9, (Case("missing, twice, renamed, NaN, outside in turn", _spoilt, TC_S),)),
    ProcessRow(
        10,
        (
            Case("one sample off by 0.5 rad: ignored", _jump_once),
            Case("all samples off by 0.5 rad: FAULT", _jump, 3 * _STATE_S + TC_S),
        ),
    ),
    ProcessRow(
        25,
        (
            Case(
                "an arm's joints leave joint_states and it stands: both brake",
                _dead_arm,
                JOINT_TIMEOUT_S + TC_S,
            ),
        ),
    ),
    ProcessRow(
        32,
        (
            Case(
                "an arm stands still: FAULT after the tracking error lasted",
                _blocked,
                TRACKING_S + TC_S,
                ALLOWANCE_S + _STATE_S,
            ),
        ),
    ),
    ProcessRow(35, (Case("enabled at poses drawn by chance", _elsewhere),)),
)
"""Rows of this file."""
