# SPDX-License-Identifier: Apache-2.0
"""Chunk hand-overs measured: ours beside a hard swap and a linear blend of the same chunks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from onestep_vla_ros.bench.seam_alternatives import HardSwap, LinearBlend
from onestep_vla_ros.bench.seam_plot import write_seam_plot
from onestep_vla_ros.bench.seam_stream import HandOver, Stream
from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.joints import ARM_JOINT_INDEX
from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.core.verdict import Rejected
from onestep_vla_ros.files import read_parameters
from onestep_vla_ros.report import write_json

HAND_OVERS = 1000
_WINDOW_S = 0.1
_TOLERANCE = 1e-6
_ARM = list(ARM_JOINT_INDEX)


class Executor(Protocol):
    """Something that turns chunks into a command every period."""

    def on_chunk(self, chunk: Chunk, now_s: float) -> None:
        """Take a chunk that arrives at `now_s`."""

    def command(self, now_s: float) -> NDArray[np.float64]:
        """Return q (14,) for the period that begins at `now_s`."""


class Ours:
    """The bridge of this package, fed by arms that are where they were told to be."""

    def __init__(self, config: BridgeConfig, home: NDArray[np.float64]) -> None:
        self._bridge, self._q = Bridge(config), home
        self.refused = 0
        self._bridge.on_joint_state(home, None, 0.0, 0.0)
        self._bridge.enable(0.0)

    def on_chunk(self, chunk: Chunk, now_s: float) -> None:
        """Hand a chunk to the bridge; count it when refused."""
        self.refused += isinstance(self._bridge.on_chunk(chunk, now_s), Rejected)

    def command(self, now_s: float) -> NDArray[np.float64]:
        """Tick the bridge."""
        self._bridge.on_joint_state(self._q, None, now_s, now_s)
        command = self._bridge.tick(now_s)
        if command.q is not None:
            self._q = command.q
        return self._q


def seam_config() -> BridgeConfig:
    """Return the shipped parameters, with ages that admit a delay of 400 ms."""
    config = from_mapping(BridgeConfig, read_parameters("bridge.yaml"), "config/bridge.yaml")
    return replace(
        config,
        output_mode=("forward_position",) * 2,
        start_check="off",
        max_observation_age_s=0.5,
        max_plan_age_s=1.2,
    )


def run_bench_seams(
    seed: int, json: Path | None, plot: Path | None = None, hand_overs: int = HAND_OVERS
) -> int:
    """Run every executor on the same chunks; return 0 when ours kept all limits.

    Args:
        seed: Of the wished motion, the chunks' errors and their delays, 0 to 400 ms.
        json: Where to write the result, or None.
        plot: Where to draw some of the hand-overs, or None.
        hand_overs: Chunks that take over.
    """
    config = seam_config()
    stream = Stream(seed, hand_overs, config.control_period_s)
    makers: dict[str, Callable[[], Executor]] = {
        "hard swap": lambda: HardSwap(stream.home),
        "linear blend": lambda: LinearBlend(stream.home, 0.2),
        **{
            f"ours, {mode}": lambda mode=mode: Ours(  # type: ignore[misc]
                replace(config, handover=mode), stream.home
            )
            for mode in ("splice", "blend", "ensemble")
        },
    }
    executors = {name: make() for name, make in makers.items()}
    commands = {name: run_executor(e, stream) for name, e in executors.items()}
    rows = []
    for name, q in commands.items():
        refused = int(getattr(executors[name], "refused", 0))
        rows.append(_measure(name, q, stream, config) | {"refused": refused})
    for row in rows:
        row["jerk_ratio_to_baseline"] = round(row["jerk_max"] / rows[0]["jerk_max"], 5)
    Console(width=None if Console().is_terminal else 120).print(table_of(rows, hand_overs))
    if plot:
        write_seam_plot(plot, stream, commands)
    ours = [row for row in rows if row["name"].startswith("ours")]
    if json:
        figures = {"rows": rows, "hand_overs": hand_overs, "baseline": "hard swap"}
        write_json(json, "bench seams", seed, figures)
    return 0 if all(row["violations"] == 0 and row["refused"] == 0 for row in ours) else 1


def run_executor(executor: Executor, stream: Stream) -> NDArray[np.float64]:
    """Return the commands of a whole stream, (N, 14), the first at time 0."""
    waiting: list[HandOver] = list(reversed(stream.hand_overs))
    commands = []
    for now_s in stream.ticks_s:
        while waiting and waiting[-1].arrival_s <= now_s:
            executor.on_chunk(waiting.pop().chunk, now_s)
        commands.append(executor.command(now_s))
    return np.array(commands)


def _measure(
    name: str, q: NDArray[np.float64], stream: Stream, config: BridgeConfig
) -> dict[str, Any]:
    """Return one row: kinks and peak rates around the seams, violations, distance to the wish."""
    limits, tc = Limits.from_config(config), config.control_period_s
    still = np.concatenate([q[:1], q[:1], q[:1], q])
    rates = [np.abs(np.diff(still, k, axis=0))[-len(q) :] / tc**k for k in (1, 2, 3)]
    allowed = (limits.velocity, limits.acceleration, limits.jerk)
    outside = [
        (rate > a * (1.0 + _TOLERANCE)).sum() for rate, a in zip(rates, allowed, strict=True)
    ]
    seams = [round(h.arrival_s / tc) for h in stream.hand_overs[1:]]  # the first leaves rest
    width = round(_WINDOW_S / tc)
    kinks = 1e3 * tc * tc * np.array([rates[1][s : s + width, _ARM].max() for s in seams])
    row: dict[str, Any] = {"name": name, "kink_mrad": _spread(kinks)}
    for label, rate in zip(("velocity", "acceleration", "jerk"), rates, strict=True):
        peaks = np.array([rate[s : s + width, _ARM].max() for s in seams])
        row |= {f"{label}_p50": _figure(np.median(peaks)), f"{label}_max": _figure(peaks.max())}
    wish = stream.wish(stream.ticks_s + tc)[len(q) // 20 :, _ARM]
    error = q[len(q) // 20 :, _ARM] - wish
    row["violations"] = int(sum(outside))
    row["samples"] = int(q.size)
    row["distance_to_wish_mrad"] = _figure(1e3 * np.sqrt((error**2).mean()))
    return row


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": _figure(p50), "p99": _figure(p99), "max": _figure(values.max())}


def _figure(value: float) -> float:
    return float(f"{value:.4g}")


def table_of(rows: list[dict[str, Any]], hand_overs: int) -> Table:
    """Return the rows as a table."""
    table = Table(
        title=f"{hand_overs} hand-overs, 0 to 400 ms late",
        caption="arm joints, 100 ms from each; limits 2 rad/s, 10 rad/s², 500 rad/s³",
    )
    table.add_column("")
    for column in (
        "kink, p50 / p99 / max [mrad]",
        "acceleration, p50 / max",
        "jerk, p50 / max",
        "beyond a limit",
        "rms to the wish [mrad]",
    ):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row["name"],
            " / ".join(f"{row['kink_mrad'][key]:.3g}" for key in ("p50", "p99", "max")),
            f"{row['acceleration_p50']:.3g} / {row['acceleration_max']:.4g}",
            f"{row['jerk_p50']:.6g} / {row['jerk_max']:.6g}",
            f"{row['violations'] / row['samples']:.1%} of samples",
            f"{row['distance_to_wish_mrad']:.1f}",
        )
    return table
