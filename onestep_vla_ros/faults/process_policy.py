# SPDX-License-Identifier: Apache-2.0
"""Process rows on cameras and the real policy with the shipped checkpoint: 1 to 5, 11 to 13."""

from __future__ import annotations

import signal
from functools import partial

from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.faults.process_graph import FROZEN_IMAGES, policy_parameter
from onestep_vla_ros.faults.process_rig import Rig, RowError
from onestep_vla_ros.faults.process_row import (
    ALLOWANCE_S,
    PLAN_AGE_S,
    T_STOP_S,
    TC_S,
    Case,
    ProcessRow,
)

IMAGE_TIMEOUT_S = policy_parameter("image_timeout_s")
FRAME_S = 0.04
"""Period of the stand-in's pictures [s]."""

LOOK_S = 0.02
"""Period in which the policy looks whether something is wrong with its input [s]."""
_INFERENCE_S = 0.1
"""The last good look may be under way when the pictures go bad [s]; measured 10 to 60 ms."""
_GARBAGE = ("nan", "encoding", "size", "empty", "truncated")
_AHEAD_S = (0.03, 0.3, 3600.0)
_BRAKE_S = IMAGE_TIMEOUT_S + TC_S


def _camera(rig: Rig, kind: str, *, good_s: float = 0.0, says: str = "") -> float:
    """Spoil the cameras; return from the last good picture to the brake [s].

    Pictures may be taken as good for `good_s` longer; the policy must have said `says`.

    Raises:
        RowError: The policy went on from spoilt pictures.
    """
    rig.to_run()
    link = rig.link
    at_s = link.set("stand_in_robot", camera_fault=kind)
    last_s = max(p.sent_s for p in link.pictures if p.sent_s <= at_s)
    brake_s = rig.brake_s(at_s, timeout_s=good_s + 5.0) + at_s - last_s
    link.listen(0.3)
    late_s = max((c.sent_s for c in link.chunks), default=0.0) - last_s
    allowed_s = good_s + IMAGE_TIMEOUT_S + TC_S + _INFERENCE_S
    if late_s > allowed_s:
        got = f"a chunk {late_s:.3f} s after the last good picture, allowed {allowed_s:.3f} s"
        raise RowError(f"pictures {kind}: the policy goes on", got=got)
    if says and says not in rig.children.said("policy"):
        raise RowError(f"pictures {kind}: the policy says no {says!r}")
    link.set("stand_in_robot", camera_fault="none")
    link.wait(lambda: link.mode() is Mode.RUN, 10.0, "RUN by itself")
    return brake_s


def _off(rig: Rig, i: int) -> float:
    return _camera(rig, "off")


def _stuck(rig: Rig, i: int) -> float:
    return _camera(rig, "stuck")


def _frozen(rig: Rig, i: int) -> float:
    return _camera(rig, "frozen", good_s=FROZEN_IMAGES * FRAME_S, says="image_frozen")


def _garbage(rig: Rig, i: int) -> float:
    return _camera(rig, _GARBAGE[i % len(_GARBAGE)], says="image_unusable")


def _late(rig: Rig, i: int) -> float:
    rig.link.set("stand_in_robot", camera_delay_s=rig.rng.uniform(0.3, 2.0))
    return _camera(rig, ("late", "one_late")[i % 2])


def _future(rig: Rig, i: int) -> None:
    rig.to_run()
    ahead_s = _AHEAD_S[i % len(_AHEAD_S)]
    at_s = rig.link.set("stand_in_robot", camera_delay_s=ahead_s, camera_fault="future_once")
    rig.link.listen(1.2)
    rig.must_run(at_s, f"one picture of each camera {ahead_s} s ahead")
    if not any(c.sent_s > at_s + 0.5 for c in rig.link.chunks):
        raise RowError("a stamp in the future blinded the policy", got=f"{ahead_s} s ahead")


def _kill(rig: Rig, i: int) -> float:
    rig.to_run()
    at_s = rig.children.send("policy", signal.SIGKILL)
    rig.children.wait("policy")
    rest_s = _rest(rig, at_s)
    _respawn(rig)
    return rest_s


def _hang(rig: Rig, i: int) -> float:
    rig.to_run()
    at_s = rig.children.send("policy", signal.SIGSTOP)
    try:
        return _rest(rig, at_s)
    finally:
        rig.children.send("policy", signal.SIGCONT)
        rig.link.wait(lambda: rig.link.mode() is Mode.RUN, 10.0, "RUN by itself")


def _hang_ticks(rig: Rig, i: int) -> float:
    rig.to_run()
    at_s = rig.children.send("policy", signal.SIGSTOP)
    rig.link.listen(1.0)
    rig.children.send("policy", signal.SIGCONT)
    gap_s = rig.longest_gap_s(at_s, at_s + 1.0)
    rig.link.wait(lambda: rig.link.mode() is Mode.RUN, 10.0, "RUN by itself")
    return gap_s


def _out_of_memory_once(rig: Rig, i: int) -> None:
    rig.to_run()
    at_s = rig.children.send("policy", signal.SIGUSR1)
    rig.link.listen(1.0)
    rig.must_run(at_s, "one inference without memory")
    if "memory" not in rig.children.said("policy"):
        raise RowError("no inference ran out of memory")


def _out_of_memory(rig: Rig, i: int) -> float:
    rig.to_run()
    at_s = rig.children.send("policy", signal.SIGUSR2)
    rest_s = _rest(rig, at_s)
    status = rig.children.wait("policy")
    if status == 0:
        raise RowError("out of memory, but the policy ended with status 0")
    _respawn(rig)
    return rest_s


def _rest(rig: Rig, at_s: float) -> float:
    rig.first_tick(at_s, lambda t: t.mode is Mode.HOLD, 5.0, "HOLD")
    rig.link.listen(0.4)
    return rig.rest_s(at_s)


def _respawn(rig: Rig) -> None:
    rig.start("policy")
    rig.link.wait(lambda: rig.link.mode() is Mode.RUN, 60.0, "RUN after the policy's return")


_case = partial(Case, setting="policy")
_starved = partial(Case, setting="starved")
_SLACK_S = ALLOWANCE_S + LOOK_S
_REST_S = PLAN_AGE_S + TC_S + T_STOP_S

ROWS = (
    ProcessRow(1, (_case("all cameras silent", _off, _BRAKE_S, _SLACK_S),)),
    ProcessRow(
        2,
        (
            _case("same pictures with the same stamp", _stuck, _BRAKE_S, _SLACK_S),
            _case(
                f"same pictures with new stamps, {FROZEN_IMAGES} of them",
                _frozen,
                FROZEN_IMAGES * FRAME_S + TC_S,
                _SLACK_S,
            ),
        ),
    ),
    ProcessRow(
        3,
        (
            _case(
                "NaN floats, wrong encoding, wrong size, empty, truncated in turn",
                _garbage,
                _BRAKE_S,
                _SLACK_S,
            ),
        ),
    ),
    ProcessRow(4, (_case("all cameras, or one, 0.3 to 2 s late", _late, _BRAKE_S, _SLACK_S),)),
    ProcessRow(5, (_case("a picture of each camera 0.03 s to 1 h ahead: runs on", _future),)),
    ProcessRow(11, (_case("SIGKILL, then started again", _kill, _REST_S),)),
    ProcessRow(
        12,
        (
            _case("SIGSTOP until rest, then SIGCONT", _hang, _REST_S),
            _case("SIGSTOP for 1 s: longest tick", _hang_ticks, TC_S),
        ),
    ),
    ProcessRow(
        13,
        (
            _starved("one inference without memory: runs on", _out_of_memory_once),
            _starved("all without memory: exit not 0, started again", _out_of_memory, _REST_S),
        ),
    ),
)
"""Rows of this file."""
