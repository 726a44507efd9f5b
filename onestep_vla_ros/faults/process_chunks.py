# SPDX-License-Identifier: Apache-2.0
"""Process rows on chunks and their sender: 14 to 20, 22 and 26."""

from __future__ import annotations

import signal

from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.faults.process_graph import CHUNK_PERIOD_S
from onestep_vla_ros.faults.process_rig import Rig, RowError
from onestep_vla_ros.faults.process_row import (
    ALLOWANCE_S,
    PLAN_AGE_S,
    T_STOP_S,
    TC_S,
    Case,
    ProcessRow,
)

_LATENCIES_S = (0.06, 0.12, 0.24, 0.4, 0.6)
"""Row 14: 0.5 to 5 times the period of the chunks [s]."""
_NOT_FINITE = ("nan", "infinite", "denormal")
_FORMS = (
    "names",
    "one_joint_less",
    "empty",
    "one_point",
    "ragged",
    "uneven",
    "falling",
    "long",
    "huge",
)
_GRAPH_S = 1.0
"""Row 26: a second publisher is a fault within this [s]."""


def _slow(rig: Rig, i: int) -> None:
    rig.to_run()
    rig.link.set("chunk_source", latency_s=_LATENCIES_S[i % len(_LATENCIES_S)])
    rig.link.listen(1.3)
    if rig.link.mode() not in (Mode.RUN, Mode.HOLD):
        raise RowError("slow inference led to more than HOLD", got=rig.link.state())
    rig.link.set("chunk_source", latency_s=0.03)
    rig.link.wait(lambda: rig.link.mode() is Mode.RUN, 5.0, "RUN by itself")


def _one_bad(rig: Rig, kind: str) -> float:
    """Send one bad chunk; return by how much the ticks around it came late [s].

    Raises:
        RowError: It got into the plan, or the bridge left RUN for it.
    """
    rig.to_run()
    link = rig.link
    at_s = link.set("chunk_source", fault=kind, count=1)
    seen = len(link.chunks)
    link.wait(lambda: len(link.chunks) >= seen + 3, 5.0, "three more chunks")
    bad = next(c for c in link.chunks if c.sent_s >= at_s)
    link.listen(0.05)
    rig.must_run(at_s, f"one chunk with {kind}")
    if any(t.chunk_stamp_s == bad.stamp_s for t in link.ticks):
        raise RowError("the bad chunk was taken", got=f"{kind}, stamp {bad.stamp_s}")
    return rig.longest_gap_s(bad.sent_s - 0.05, bad.sent_s + 0.05)


def _not_finite(rig: Rig, i: int) -> float:
    return _one_bad(rig, _NOT_FINITE[i % len(_NOT_FINITE)])


def _three_bad(rig: Rig, i: int) -> float:
    rig.to_run()
    at_s = rig.link.set("chunk_source", fault=_NOT_FINITE[i % 2])
    rig.first_tick(at_s, lambda t: t.mode is Mode.FAULT, 3.0, "FAULT after three bad chunks")
    bad = [c for c in rig.link.chunks if c.sent_s >= at_s][2]
    return rig.brake_s(bad.sent_s, Mode.FAULT)


def _wrong_form(rig: Rig, i: int) -> float:
    return _one_bad(rig, _FORMS[i % len(_FORMS)])


def _jump(rig: Rig, i: int) -> float:
    return _one_bad(rig, "jump")


def _fast(rig: Rig, i: int) -> None:
    rig.to_run()
    rig.take_report()
    at_s = rig.link.set("chunk_source", fault="fast")
    rig.link.listen(0.7)
    rig.link.set("chunk_source", fault="none", count=0)
    odd = {t.mode for t in rig.link.ticks if t.sent_s >= at_s} - {Mode.RUN, Mode.HOLD}
    if odd:
        raise RowError("fast waypoints led to more than HOLD", got=rig.link.state())
    if rig.take_report()["governed"] == 0:
        raise RowError("fast waypoints, but the governor never stood in the way")


def _twice(rig: Rig, i: int) -> None:
    rig.to_run()
    at_s = rig.link.set("chunk_source", fault="twice")
    rig.link.listen(0.6)
    rig.must_run(at_s, "each chunk twice")


def _disorder(rig: Rig, i: int) -> None:
    rig.to_run()
    link = rig.link
    at_s = link.set("chunk_source", fault=("old", "shuffled")[i % 2])
    link.listen(0.6)
    rig.must_run(at_s, "chunks out of order")
    stamps = [t.chunk_stamp_s for t in link.ticks if t.sent_s >= at_s]
    if any(b < a for a, b in zip(stamps, stamps[1:], strict=False)):
        raise RowError("an older chunk won over a newer one")


def _partition(rig: Rig, i: int) -> float:
    rig.to_run()
    link = rig.link
    at_s = rig.children.send("chunk_relay", signal.SIGSTOP)
    try:
        rig.first_tick(at_s, lambda t: t.mode is Mode.HOLD, 5.0, "HOLD")
        link.listen(0.4)
    finally:
        rig.children.send("chunk_relay", signal.SIGCONT)
    rest_s = rig.rest_s(at_s)
    link.wait(lambda: link.mode() is Mode.RUN, 10.0, "RUN by itself")
    return rest_s


def _rival(rig: Rig, topic: str) -> float:
    rig.to_run()
    at_s = rig.link.add_rival(topic)
    fault_s = rig.brake_s(at_s, Mode.FAULT, timeout_s=5.0)
    link = rig.link
    link.wait(lambda: link.call("bridge/reset").success, 5.0, "reset at rest")
    answer = link.call("bridge/enable", data=True)
    if answer.success or "publisher" not in answer.message:
        raise RowError("enabled beside a second publisher", got=f"{topic}: {answer.message}")
    link.drop_rivals()
    link.listen(0.3)
    return fault_s


def _rival_policy(rig: Rig, i: int) -> float:
    return _rival(rig, "action_chunk")


def _rival_bridge(rig: Rig, i: int) -> float:
    return _rival(rig, f"{('left', 'right')[i % 2]}_arm_controller/joint_trajectory")


_TICK = TC_S

ROWS = (
    ProcessRow(
        14, (Case("chunks 0.06 to 0.6 s late in turn (period 0.12 s): RUN or HOLD", _slow),)
    ),
    ProcessRow(
        15,
        (
            Case("one bad chunk: refused, keeps running; longest tick", _not_finite, _TICK),
            Case("three in a row: FAULT", _three_bad, TC_S),
        ),
    ),
    ProcessRow(16, (Case("nine wrong forms in turn; longest tick", _wrong_form, _TICK),)),
    ProcessRow(17, (Case("0.6 rad off the plan: refused; longest tick", _jump, _TICK),)),
    ProcessRow(18, (Case("0.2 rad to and fro at each waypoint: governed", _fast),)),
    ProcessRow(19, (Case("each chunk twice: keeps running", _twice),)),
    ProcessRow(20, (Case("an older one after each; 20 shuffled", _disorder),)),
    ProcessRow(
        22,
        (
            Case(
                f"relay between policy and bridge stopped (SIGSTOP), a chunk each "
                f"{CHUNK_PERIOD_S} s",
                _partition,
                PLAN_AGE_S + T_STOP_S + TC_S,
                ALLOWANCE_S,
                setting="relay",
            ),
        ),
    ),
    ProcessRow(
        26,
        (
            Case("on action_chunk", _rival_policy, _GRAPH_S),
            Case("on an arm's controller topic", _rival_bridge, _GRAPH_S, publishers=2),
        ),
    ),
)
"""Rows of this file."""
