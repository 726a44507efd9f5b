# SPDX-License-Identifier: Apache-2.0
"""Process rows on what must not start, and on the disk: 27, 29, 30 and 31."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import yaml

from onestep_vla_ros.deployment import Node
from onestep_vla_ros.faults.process_damage import DAMAGES, FOREIGN, copy_checkpoint
from onestep_vla_ros.faults.process_graph import bridge_parameters, policy_node
from onestep_vla_ros.faults.process_rig import Rig, RowError
from onestep_vla_ros.faults.process_row import TC_S, Case, ProcessRow
from onestep_vla_ros.up import command

_CONFIGURE_S = 1.0
_IMPORTS_S = 4.0
"""An interpreter with rclpy and numpy starts in 0.4 s on an idle core; both may be busy [s]."""
_TORCH_S = 60.0
_NAMESPACE = "/beside"
_RUN_ON_S = 1.0

_GARBAGE: tuple[tuple[dict[str, object], tuple[str, ...]], ...] = (
    ({"control_period_s": "fast", "jump_limit": 3}, ("control_period_s", "jump_limit")),
    ({"max_velocity": [float("nan")] * 14}, ("max_velocity",)),
    ({"max_jerk": [-1.0] * 14, "max_horizon_s": -1.0}, ("max_jerk", "max_horizon_s")),
    ({"no_such_parameter": 1, "status_period_s": 1e9}, ("no_such_parameter", "status_period_s")),
    (
        {"position_low": [1.0] * 14, "position_high": [-1.0] * 14},
        ("position_low",),
    ),
    ({"joint_names": ["elbow"] * 14}, ("joint_names",)),
)


def _beside(node: Node) -> list[str]:
    """Return the command of a node that lives in a namespace of its own."""
    return [*command(node), "-r", f"__ns:={_NAMESPACE}"]


def _must_fail(rig: Rig, words: list[str], says: tuple[str, ...], timeout_s: float) -> float:
    """Start a process that must end with an error naming `says`; return how long it took [s]."""
    link = rig.link
    started = time.monotonic()
    rig.start("beside", words)
    topic = f"{_NAMESPACE}/left_arm_controller/joint_trajectory"
    chunks = f"{_NAMESPACE}/action_chunk"
    most = 0
    while "beside" in rig.children.names():
        link.pump()
        most = max(most, link.publishers(topic))
        if time.monotonic() - started > timeout_s:
            rig.children.end("beside")
            raise RowError("a node that must refuse to start runs", got=f"{timeout_s} s")
    took_s = time.monotonic() - started
    link.listen(0.1)
    said = rig.children.said("beside")
    if rig.children.wait("beside") == 0 or most or "Traceback" in said:
        got = f"publishers {most}, {link.publishers(chunks)}; it said: {said[-300:]}"
        raise RowError("it did not refuse in order", got=got)
    missing = [word for word in says if word not in said]
    if missing:
        raise RowError(
            "the refusal does not name all faults", got=f"no {missing} in {said[-300:]}"
        )
    return took_s


def _garbage(rig: Rig, i: int) -> float:
    given, says = _GARBAGE[i % len(_GARBAGE)]
    # one file: rcl keeps an earlier file's value where a later one has another type
    text = yaml.safe_dump({"/**": {"ros__parameters": bridge_parameters() | given}})
    with tempfile.TemporaryDirectory() as parent:
        path = Path(parent) / "bridge.yaml"
        path.write_text(text, encoding="utf-8")
        return _must_fail(
            rig, _beside(Node("bridge_node", "bridge", config=(str(path),))), says, 20.0
        )


def _damaged(rig: Rig, i: int) -> None:
    damage, says = DAMAGES[i % len(DAMAGES)]
    _refuse_checkpoint(rig, damage, says)


def _pickled(rig: Rig, i: int) -> None:
    make = FOREIGN[i % len(FOREIGN)]
    with tempfile.TemporaryDirectory() as folder:
        trap = Path(folder) / "touched"
        _refuse_checkpoint(rig, partial(make, trap=trap), ())
        if trap.exists():
            raise RowError("the payload of a pickle ran")


def _refuse_checkpoint(
    rig: Rig, damage: Callable[[Path], Path | None], says: tuple[str, ...]
) -> None:
    with tempfile.TemporaryDirectory() as parent:
        folder = copy_checkpoint(Path(parent))
        given = damage(folder) or folder
        words = _beside(policy_node(checkpoint=str(given)))
        _must_fail(rig, words, ("checkpoint", *says), _TORCH_S)


def _disk_full(rig: Rig, i: int) -> float:
    """Record to /dev/full, where every write fails as on a full disk."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "recording"
        folder.mkdir()
        (folder / "events.jsonl").symlink_to("/dev/full")
        given = {"folder": str(folder)}
        node = Node("recorder_node", "recorder", config=("recorder.yaml",), parameters=given)
        rig.start("recorder", command(node))
        rig.to_run()  # its first 64 KB stay in a buffer for longer than this
        at_s = time.time()
        if "recorder" not in rig.children.names():
            raise RowError("the recorder ended too early", got=rig.children.said("recorder"))
        try:
            rig.link.wait(
                lambda: "recorder" not in rig.children.names(), 20.0, "end of the recorder"
            )
        finally:
            status = rig.children.end("recorder")
    if status == 0:
        raise RowError("the disk is full, but the recorder ended with status 0")
    rig.link.listen(0.1)
    rig.must_run(at_s, "the recorder's disk is full")
    return rig.longest_gap_s(at_s, time.time())


ROWS = (
    ProcessRow(
        27,
        (
            Case(
                "wrong type, NaN, negative, unknown, inverted, wrong names in turn: exit 1, "
                "each named, no publisher",
                _garbage,
                _CONFIGURE_S,
                _IMPORTS_S,
            ),
        ),
    ),
    ProcessRow(29, (Case("bit flip, cut, hash, shape, NaN, no statistics: exit 1", _damaged),)),
    ProcessRow(30, (Case("pickles by suffix and by bytes: exit 1, payload not run", _pickled),)),
    ProcessRow(31, (Case("recorder on /dev/full ends alone; longest tick", _disk_full, TC_S),)),
)
"""Rows of this file."""
