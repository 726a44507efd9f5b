# SPDX-License-Identifier: Apache-2.0
"""The governor beside ruckig, the same references in the same run: speed, reach and limits."""

from __future__ import annotations

import importlib.metadata
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from onestep_vla_ros.bench.adversary import Adversary
from onestep_vla_ros.bench.motion_check import MotionCheck
from onestep_vla_ros.bench.ruckig_follower import RuckigFollower, is_ruckig_installed
from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.governor import Governor
from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.files import read_parameters
from onestep_vla_ros.report import write_json

_SEED = 0
_TARGET_S = 2.0
_TARGETS = 40
_TICKS = 6000
_NEAR_RAD = 1e-3
_BAR_MS = 1.0
"""A tick of 14 joints may take this long at p99."""

Reference = Callable[[int, NDArray[np.float64]], NDArray[np.float64]]


class Follower(Protocol):
    """Something that serves a reference one control period at a time."""

    refused: int
    """References it had no answer to, so that it had to brake."""

    def start(self, q: NDArray[np.float64]) -> None:
        """Rest at `q` (J,)."""

    def follow(self, reference: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return q, qd, qdd, (3, J), one period later, on the way to `reference` (3, J)."""


class GovernorFollower:
    """Ours."""

    def __init__(self, limits: Limits, period_s: float) -> None:
        self._governor = Governor(limits, period_s)
        self.refused = 0

    def start(self, q: NDArray[np.float64]) -> None:
        """Rest at `q` (J,)."""
        self._governor.reset(q)

    def follow(self, reference: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return q, qd, qdd, (3, J), one period later."""
        self._governor.step(reference)
        return self._governor.state


@dataclass(frozen=True, slots=True)
class Run:
    """One follower on one stream of references.

    Attributes:
        q: Positions, (T, J).
        wanted: Positions asked for, (T, J).
        step_s: CPU time each period took to work out, (T,): what else runs does not count.
        violations: Samples beyond a limit, by kind.
        refused: References without an answer.
    """

    q: NDArray[np.float64]
    wanted: NDArray[np.float64]
    step_s: NDArray[np.float64]
    violations: dict[str, int]
    refused: int


def run_bench_governor(json: Path | None = None) -> int:
    """Measure both, print the table, write it; 1 when ours breaks a limit or takes too long.

    Without ruckig only ours is measured, and the table says so.
    """
    config = from_mapping(BridgeConfig, read_parameters("bridge.yaml"))
    limits, period_s = Limits.from_config(config), config.control_period_s
    makers: dict[str, Callable[[Limits, float], Follower]] = {"governor": GovernorFollower}
    if is_ruckig_installed():
        makers["ruckig"] = RuckigFollower
    runs = {
        name: {
            stream: _run(make(limits, period_s), limits, period_s, reference(limits, period_s))
            for stream, reference in _STREAMS.items()
        }
        for name, make in makers.items()
    }
    rows = [_row(name, runs[name], period_s) for name in runs]
    for row in rows[1:]:
        row["reach_ratio"] = _reach_ratio(runs["governor"], runs[str(row["name"])], period_s)
    _print(rows)
    ours = rows[0]
    is_met = ours["violations"]["total"] == 0 and bool(ours["moving"]["p99_ms"] <= _BAR_MS)
    if json is not None:
        version = importlib.metadata.version("ruckig") if len(rows) > 1 else "not installed"
        figures = {"rows": rows, "ruckig": version, "joints": len(limits.low), "holds": is_met}
        write_json(json, "bench governor", _SEED, {**figures, "control_period_s": period_s})
    return int(not is_met)


def _run(follower: Follower, limits: Limits, period_s: float, reference: Reference) -> Run:
    start = 0.5 * (limits.low + limits.high)
    follower.start(start)
    check = MotionCheck(limits, period_s, start)
    state = np.stack([start, 0.0 * start, 0.0 * start])
    q, wanted, took = [], [], []
    for tick in range(_TICKS):
        asked = reference(tick, state)
        began = time.thread_time()
        state = follower.follow(asked)
        took.append(time.thread_time() - began)
        check.take([state])
        q.append(state[0])
        wanted.append(asked[0])
    return Run(
        np.array(q), np.array(wanted), np.array(took), dict(check.violations), follower.refused
    )


def _resting(limits: Limits, period_s: float) -> Reference:
    """Targets at rest anywhere inside the limits, a new one every two seconds."""
    rng = np.random.default_rng(_SEED)
    targets = rng.uniform(limits.low, limits.high, (_TARGETS + 1, len(limits.low)))
    periods = round(_TARGET_S / period_s)

    def reference(tick: int, state: NDArray[np.float64]) -> NDArray[np.float64]:
        target = targets[min(tick // periods, _TARGETS)]
        return np.stack([target, np.zeros_like(target), np.zeros_like(target)])

    return reference


def _moving(limits: Limits, period_s: float) -> Reference:
    """A smooth motion that keeps all limits, with its velocity and acceleration."""
    middle, reach = 0.5 * (limits.low + limits.high), 0.5 * (limits.high - limits.low)
    w = 2.0 * math.pi * np.linspace(0.1, 0.35, len(middle))
    fits = (limits.velocity / w, limits.acceleration / w**2, limits.jerk / w**3, reach)
    size = 0.5 * np.minimum.reduce(fits)

    def reference(tick: int, state: NDArray[np.float64]) -> NDArray[np.float64]:
        t = (tick + 1) * period_s
        grown = min(t / 4.0, 1.0)
        g = grown**3 * (10.0 - 15.0 * grown + 6.0 * grown**2)
        gd = 30.0 * grown**2 * (1.0 - grown) ** 2 / 4.0
        gdd = 60.0 * grown * (1.0 - grown) * (1.0 - 2.0 * grown) / 16.0
        s, c = np.sin(w * t), w * np.cos(w * t)
        return np.stack(
            [
                middle + size * g * s,
                size * (gd * s + g * c),
                size * (gdd * s + 2.0 * gd * c - g * w * w * s),
            ]
        )

    return reference


def _hostile(limits: Limits, period_s: float) -> Reference:
    """What the vector soak's adversary asks for."""
    return Adversary(np.random.default_rng(_SEED), limits, period_s).reference


def _wild(limits: Limits, period_s: float) -> Reference:
    """The same without what is no number or beyond all reason: any policy might ask for it."""
    hostile, middle = _hostile(limits, period_s), 0.5 * (limits.low + limits.high)
    most = np.stack([middle * 0.0 + 4.0, 2.0 * limits.velocity, 2.0 * limits.acceleration])

    def reference(tick: int, state: NDArray[np.float64]) -> NDArray[np.float64]:
        asked = np.nan_to_num(hostile(tick, state), nan=0.0)
        return np.clip(asked, -most, most)

    return reference


_STREAMS = {"resting": _resting, "moving": _moving, "wild": _wild, "hostile": _hostile}


def _row(name: str, runs: dict[str, Run], period_s: float) -> dict[str, Any]:
    moving, settled = runs["moving"], _reach_times(runs["resting"], period_s)
    error = np.abs(moving.q - moving.wanted)
    violations = {stream: sum(run.violations.values()) for stream, run in runs.items()}
    return {
        "name": name,
        **{stream: _times_ms(run.step_s) for stream, run in runs.items()},
        "reach_s": {
            "p50": round(float(np.nanmedian(settled)), 3),
            "max": round(float(np.nanmax(settled)), 3),
            "not_reached": int(np.isnan(settled).sum()),
        },
        "moving_error_rad": {"max": float(error.max()), "rms": float(np.sqrt((error**2).mean()))},
        "violations": {**violations, "total": sum(violations.values())},
        "violations_by_kind_wild": runs["wild"].violations,
        "refused_references": {stream: run.refused for stream, run in runs.items()},
    }


def _times_ms(step_s: NDArray[np.float64]) -> dict[str, float]:
    p50, p99 = np.percentile(step_s * 1e3, [50, 99])
    most = float(step_s.max()) * 1e3
    return {
        "p50_ms": round(float(p50), 4),
        "p99_ms": round(float(p99), 4),
        "max_ms": round(most, 4),
    }


def _reach_times(run: Run, period_s: float) -> NDArray[np.float64]:
    """Return how long each joint took to stay within 1 mrad of each target, nan if never."""
    periods = round(_TARGET_S / period_s)
    count = min(_TARGETS, _TICKS // periods)
    found = np.full((count, run.q.shape[1]), np.nan)
    for k in range(count):
        part = slice(k * periods, (k + 1) * periods)
        is_far = np.abs(run.q[part] - run.wanted[part]) > _NEAR_RAD
        last = periods - is_far[::-1].argmax(axis=0)  # periods until it was near for good
        last = np.where(is_far.any(axis=0), last, 0)
        found[k] = np.where(last < periods, last * period_s, np.nan)
    return found


def _reach_ratio(ours: dict[str, Run], other: dict[str, Run], period_s: float) -> dict[str, float]:
    """Return our time to a resting target as a multiple of the other's, joint by joint."""
    a = _reach_times(ours["resting"], period_s)
    b = _reach_times(other["resting"], period_s)
    ratio = (a / np.maximum(b, period_s)).ravel()
    ratio = ratio[np.isfinite(ratio)]
    return {
        "p50": round(float(np.median(ratio)), 3),
        "p99": round(float(np.percentile(ratio, 99)), 3),
        "max": round(float(ratio.max()), 3),
    }


def _print(rows: list[dict[str, Any]]) -> None:
    console = Console(highlight=False)
    table = Table("", *(str(row["name"]) for row in rows))
    for stream in _STREAMS:
        cells = [f"{r[stream]['p50_ms']} / {r[stream]['p99_ms']}" for r in rows]
        table.add_row(f"{stream}: step p50 / p99, ms", *cells)
    table.add_row("resting: reached after p50, s", *(str(r["reach_s"]["p50"]) for r in rows))
    errors = [f"{r['moving_error_rad']['max']:.1e}" for r in rows]
    table.add_row("moving: largest error, rad", *errors)
    for stream in _STREAMS:
        table.add_row(f"{stream}: violations", *(str(r["violations"][stream]) for r in rows))
        refused = [str(r["refused_references"][stream]) for r in rows]
        table.add_row(f"{stream}: references refused", *refused)
    console.print(table)
    if len(rows) < 2:
        console.print("ruckig is not installed; for the comparison: pip install ruckig==0.19.4")
    else:
        console.print(f"our time to a resting target / ruckig's: {rows[1]['reach_ratio']}")
