# SPDX-License-Identifier: Apache-2.0
"""Rows 27, 28 and 31: parameters that are garbage, set while running, and a full disk."""

from __future__ import annotations

import math
import os
import tempfile
import time
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.config import (
    ConductorConfig,
    PolicyNodeConfig,
    RecorderConfig,
    SimNodeConfig,
)
from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.faults.row import RowResult
from onestep_vla_ros.faults.sweep import Sweep, Tally, modes_after, same_motion
from onestep_vla_ros.files import read_parameters
from onestep_vla_ros.nodes.recording_trial import recording_to

_FULL = Path("/dev/full")
_CONFIGS = {
    "bridge.yaml": BridgeConfig,
    "policy.yaml": PolicyNodeConfig,
    "sim.yaml": SimNodeConfig,
    "recorder.yaml": RecorderConfig,
    "conductor.yaml": ConductorConfig,
}
_BRIDGE_GARBAGE: dict[str, object] = {
    "control_period_s": "fast",
    "joint_state_timeout_s": math.nan,
    "max_plan_age_s": -1.0,
    "resume_chunks": 2.5,
    "max_velocity": [2.0] * 13,
    "max_jerk": [math.inf] * 14,
    "position_low": [4.0] * 14,
    "handover": "swap",
    "joint_names": ["left_joint1"] * 14,
    "max_waypoints": True,
    "jump_limt": [0.3] * 14,
}
"""Wrong type, NaN, negative, fraction, length, infinity, inverted, choice, doubled, unknown."""


def row_27(sweep: Sweep) -> RowResult:
    """Garbage parameters: refused before anything is built, every fault in one message.

    That the URDF agrees with the parameters is a test of the shipped files
    (test/test_description.py): at run time the bridge reads no URDF.
    """
    tally = Tally(27, 1.0, sweep.make)
    good = read_parameters("bridge.yaml")
    everything = {**good, **_BRIDGE_GARBAGE}
    del everything["splice_lead_s"]
    begun = time.perf_counter()
    message = _refusal(BridgeConfig, everything)
    tally.time(time.perf_counter() - begun)
    for name in (*_BRIDGE_GARBAGE, "splice_lead_s"):
        tally.expect(name in message, f"{name} is not in the message")
    for name, value in _BRIDGE_GARBAGE.items():
        tally.expect(name in _refusal(BridgeConfig, {**good, name: value}), f"{name} passed alone")
    for file, kind in _CONFIGS.items():
        for spec in fields(kind):
            for value in (None, {}, math.nan):
                values = {**read_parameters(file), spec.name: value}
                is_named = spec.name in _refusal(kind, values)
                tally.expect(is_named, f"{kind.__name__}.{spec.name} = {value!r} passed")
                tally.cases += 1
    return tally.result("12 faults of the bridge at once and each alone; every field of 5 nodes")


def row_28(sweep: Sweep) -> RowResult:
    """A parameter set while running: there is no way to, and nothing reads it again.

    The nodes declare every parameter read_only, which the process row asks of a live node.
    """
    tally = Tally(28, None, sweep.make)
    case = next(sweep.cases())
    clean, scene = sweep.start(case), sweep.start(case)
    for file, kind in _CONFIGS.items():
        config = from_mapping(kind, read_parameters(file))
        for spec in fields(kind):
            tally.expect(_is_fixed(config, spec.name), f"{kind.__name__}.{spec.name} can be set")
            tally.cases += 1
    for spec in fields(BridgeConfig):
        tally.expect(_is_fixed(scene.setup.bridge, spec.name), f"{spec.name} can be set")
    clean.run(case.fault_s + 0.5)
    scene.run(case.fault_s + 0.5)
    tally.expect(same_motion(clean, scene), "the motion differs")
    tally.close(scene)
    return tally.result("every field of every node's parameters refuses to be set")


def row_31(sweep: Sweep) -> RowResult:
    """Disk full while recording: the recorder ends alone, not one command differs."""
    tally, taken = Tally(31, None, sweep.make), 0
    case = next(sweep.cases())
    clean, scene = sweep.start(case), sweep.start(case)
    clean.run(case.fault_s + 0.5)
    if not _FULL.exists():
        tally.expect(False, "this system has no /dev/full")
        return tally.result("")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("frames.bin", "events.jsonl"):
            (Path(folder) / name).symlink_to(_FULL)
        with recording_to(Path(folder)) as trial:
            while scene.now_s < case.fault_s + 0.5:
                trial.record(scene.now_s)
                scene.run(min(scene.now_s + 0.01, case.fault_s + 0.5))
            taken = trial.taken
            tally.expect(os.strerror(28) in trial.error, f"the recorder got {trial.error!r}")
    tally.expect(same_motion(clean, scene), "the motion differs beside a full disk")
    tally.expect(modes_after(scene, case.fault_s) == {Mode.RUN}, "the arms left RUN")
    missed = scene.driver.ledger.summary().overruns  # type: ignore[attr-defined]
    tally.expect(missed == 0, f"{missed} ticks missed")
    tally.close(scene)
    return tally.result(f"/dev/full ended the real writer after {taken} pictures; 0 ticks missed")


def _refusal(kind: type, values: dict[str, object]) -> str:
    """Return the message that refuses `values`, "" when they are taken."""
    try:
        from_mapping(kind, values)
    except ConfigError as error:
        return str(error)
    return ""


def _is_fixed(config: object, name: str) -> bool:
    try:
        setattr(config, name, None)
    except FrozenInstanceError:
        return True
    return False
