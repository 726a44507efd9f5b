# SPDX-License-Identifier: Apache-2.0
"""`onestep-vla demo`: the demo graph in real processes, its film, plot, table and result."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from onestep_vla_ros.core.errors import CheckpointError, ConfigError
from onestep_vla_ros.film import write_film
from onestep_vla_ros.graph import Node, find_graph
from onestep_vla_ros.plot import write_plot
from onestep_vla_ros.processes import Processes, Terminated
from onestep_vla_ros.recording import Recording
from onestep_vla_ros.report import write_json
from onestep_vla_ros.sim.stations import task_names
from onestep_vla_ros.transport import environment, free_domain
from onestep_vla_ros.trials import wilson
from onestep_vla_ros.up import command

_POLL_S = 0.2
_TAIL = 12
_BETWEEN_EPISODES = ("not enabled", "stopped", "observed before the arms were enabled")


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """What to show.

    Attributes:
        steps: Euler steps K, or "auto"; None takes the checkpoint's own.
        noise: Noise mode; None takes the checkpoint's own.
        seed: Episode i runs seed + i.
        out: Folder for film, plot and result.
        bar: Success rate that counts as met.
        json: Where else to write the result.
        mode: "lockstep" (each tick waits for the bridge, each due chunk for the policy) or
            "realtime" (the simulation follows the wall clock).
        timeout_s: Simulated time after which an episode has failed [s]; 0 takes the task's own.
        replan_s: Time between the observations the policy answers [s].
    """

    task: str
    checkpoint: Path
    steps: int | str | None = None
    noise: str | None = None
    episodes: int = 10
    seed: int = 0
    out: Path = Path("out/demo")
    bar: float = 0.8
    json: Path | None = None
    mode: str = "lockstep"
    timeout_s: float = 0.0
    replan_s: float = 0.24


def run_demo(request: DemoRequest) -> int:
    """Run the demo; return 0 when the success rate meets the bar, else 1.

    Raises:
        CheckpointError: There is no checkpoint at that place.
        ConfigError: The task is unknown or an argument cannot be used.
    """
    task_names(request.task)
    if not (request.checkpoint / "manifest.json").is_file():
        raise CheckpointError(
            f"no checkpoint in {request.checkpoint}", do="name a folder that train has written"
        )
    if request.episodes < 1 or request.seed < 0:
        got = f"episodes {request.episodes}, seed {request.seed}"
        raise ConfigError("demo cannot run", got=got, allowed="episodes >= 1, seed >= 0")
    request.out.mkdir(parents=True, exist_ok=True)
    for name in ("progress.json", "episodes.json", "demo.mp4", "joints.png", "result.json"):
        (request.out / name).unlink(missing_ok=True)
    console, started = Console(), time.monotonic()
    try:
        if not _run_graph(request, console):
            return 1
    except Terminated as signal:
        console.print(f"ended by {signal}; every process of the graph is down", style="red")
        return 1
    summary = json.loads((request.out / "episodes.json").read_text(encoding="utf-8"))
    figures = make_figures(request, summary)
    console.print("writing film and plot")
    _write_pictures(request, summary)
    figures["wall_s"] = round(time.monotonic() - started, 1)
    for path in [request.out / "result.json", *([request.json] if request.json else [])]:
        write_json(path, "demo", request.seed, figures)
    console.print(_episode_table(summary["episodes"], request.episodes))
    console.print(_figure_table(figures))
    is_met = figures["success_rate"] >= request.bar
    console.print(
        f"{'bar met' if is_met else 'bar missed'}: {figures['successes']}/{request.episodes}, "
        f"needed {request.bar:.0%}; see {request.out}/demo.mp4, joints.png, result.json"
    )
    return 0 if is_met else 1


def make_figures(request: DemoRequest, summary: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of `demo`, from the conductor's summary."""
    episodes, bridge = summary["episodes"], summary["bridge"]
    successes = sum(e["success"] for e in episodes)
    done_s = sorted(e["time_s"] for e in episodes if e["success"])
    ticks, mean_steps = sum(e["ticks"] for e in episodes), summary["policy"].get("mean_steps")
    wall_s = sum(e["wall_s"] for e in episodes)
    return {
        "world": "yam",
        "task": request.task,
        "policy": str(request.checkpoint),
        "steps": request.steps,
        "noise": request.noise,
        "mean_steps": float(mean_steps) if mean_steps else None,
        "mode": request.mode,
        "replan_s": request.replan_s,
        "success_rate": successes / len(episodes),
        "episodes": len(episodes),
        "successes": successes,
        "interval": list(wilson(successes, len(episodes))),
        "per_task": {**_by(episodes, "task"), **_by(episodes, "instruction")},
        "wrong_object": sum(e["wrong_object"] for e in episodes),
        "episode_s": {"median": done_s[len(done_s) // 2]} if done_s else None,
        "latency_ms": _percentiles(summary["policy"], "inference"),
        "capture_to_command_ms": _percentiles(summary["sim"], "capture_to_command"),
        "chunks": _chunks(bridge),
        "governor_active": sum(e["governed_ticks"] for e in episodes) / max(ticks, 1),
        "overruns": int(bridge["overruns"]),
        "real_time_factor": sum(e["ticks"] for e in episodes) * 0.01 / max(wall_s, 1e-9),
        "startup_s": summary["startup_s"],
        "faults": {str(e["seed"]): e["fault"] for e in episodes if e["fault"]},
        "failed_seeds": [e["seed"] for e in episodes if not e["success"]],
        "runs": episodes,
    }


def _chunks(bridge: dict[str, Any]) -> dict[str, Any]:
    """Return accepted, late and, a reason each, rejected chunks of the bridge's last status."""
    prefix = "count.action_chunk: "
    refused = {k.removeprefix(prefix): int(n) for k, n in bridge.items() if k.startswith(prefix)}
    return {
        "accepted": int(bridge["spliced"]),
        "late": int(bridge["late"]),
        "rejected": {r: n for r, n in refused.items() if r not in _BETWEEN_EPISODES},
    }


def _by(episodes: list[dict[str, Any]], key: str) -> dict[str, dict[str, int]]:
    """Return successes and episodes of each task or each instruction."""
    found: dict[str, list[bool]] = {}
    for episode in episodes:
        found.setdefault(episode[key], []).append(episode["success"])
    return {s: {"successes": sum(r), "episodes": len(r)} for s, r in found.items()}


def _run_graph(request: DemoRequest, console: Console) -> bool:
    """Run the graph until its conductor has finished; print why when it did not."""
    nodes = find_graph("demo").nodes(_arguments(request))
    log_path = request.out / "log.txt"
    with log_path.open("w", encoding="utf-8", buffering=1) as log, free_domain() as domain:
        variables = {**environment(), "ROS_DOMAIN_ID": str(domain)}
        last: dict[str, list[str]] = {node.name: [] for node in nodes}

        def sink(name: str, line: str) -> None:
            log.write(f"[{name}] {line}\n")
            last[name] = [*last[name][1 - _TAIL :], line]

        with Processes(sink, variables) as processes:
            for node in nodes:
                processes.start(node.name, command(node))
            ended = _watch(request, nodes, processes, console)
    if ended.get("conductor") == 0 and (request.out / "episodes.json").is_file():
        return True
    for name, status in ended.items():
        console.print(f"process {name!r} ended with status {status}:", style="red")
        console.print("\n".join(last[name]) or "(no output)", highlight=False, markup=False)
    console.print(f"the whole log: {log_path}")
    return False


def _arguments(request: DemoRequest) -> dict[str, str]:
    return {
        "task": request.task,
        "checkpoint": str(request.checkpoint),
        "steps": str(-1 if request.steps is None else request.steps),
        "noise": request.noise or "checkpoint",
        "seed": str(request.seed),
        "episodes": str(request.episodes),
        "out": str(request.out),
        "mode": request.mode,
        "timeout": str(request.timeout_s),
        "replan": str(request.replan_s),
    }


def _watch(
    request: DemoRequest, nodes: tuple[Node, ...], processes: Processes, console: Console
) -> dict[str, int]:
    """Show progress until a required process has ended; return the statuses of those."""
    required = {node.name for node in nodes if node.is_required}
    progress: dict[str, Any] = {}
    shown = 0
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while not (ended := {n: s for n, s in processes.ended().items() if n in required}):
            time.sleep(_POLL_S)
            progress = _read_progress(request.out) or progress
            done = progress.get("done", [])
            if console.is_terminal:
                live.update(_progress_table(progress, request.episodes))
            else:
                for episode in done[shown:]:
                    console.print(_line(episode))
            shown = len(done)
    return ended


def _write_pictures(request: DemoRequest, summary: dict[str, Any]) -> None:
    recording = Recording(request.out)
    write_film(recording, request.out / "demo.mp4")
    best = next((e for e in summary["episodes"] if e["success"]), summary["episodes"][0])
    title = f"seed {best['seed']}: {best['instruction']}"
    write_plot(recording, request.out / "joints.png", best["seed"], title)


def _read_progress(folder: Path) -> dict[str, Any] | None:
    try:
        return json.loads((folder / "progress.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _percentiles(values: dict[str, str], name: str) -> dict[str, float] | None:
    keys = {p: f"{name}_{p}_ms" for p in ("p50", "p99")}
    found = {p: float(values.get(key, "nan")) for p, key in keys.items()}
    return found if all(v == v for v in found.values()) else None


def _line(episode: dict[str, Any]) -> str:
    outcome = "success" if episode["success"] else episode["fault"] or "no success"
    return (
        f"seed {episode['seed']}: {episode['instruction']}: {outcome}, {episode['time_s']:.1f} s"
    )


def _episode_table(episodes: list[dict[str, Any]], total: int) -> Table:
    table = Table(title=f"episodes {len(episodes)}/{total}", title_justify="left")
    for name in ("seed", "instruction", "outcome", "time s", "wall s"):
        table.add_column(name, justify="left" if name in ("instruction", "outcome") else "right")
    for e in episodes:
        outcome = "[green]success" if e["success"] else f"[red]{e['fault'] or 'no success'}"
        if e["wrong_object"]:
            outcome += ", wrong object"
        table.add_row(
            str(e["seed"]), e["instruction"], outcome, f"{e['time_s']:.1f}", f"{e['wall_s']:.1f}"
        )
    return table


def _progress_table(progress: dict[str, Any], total: int) -> Table:
    table = _episode_table(progress.get("done", []), total)
    sim = progress.get("sim") or {}
    if len(table.rows) < total:
        state = f"{progress.get('mode', 'starting')}"
        time_s = f"{float(sim.get('episode_time_s', 0.0)):.1f}"
        table.add_row(sim.get("seed", ""), sim.get("instruction", "starting"), state, time_s, "")
    return table


def _figure_table(figures: dict[str, Any]) -> Table:
    low, high = figures["interval"]
    latency, through = figures["latency_ms"], figures["capture_to_command_ms"]
    median = figures["episode_s"]["median"] if figures["episode_s"] else None
    chunks = figures["chunks"]
    table = Table(show_header=False)
    for name, value in (
        ("success", f"{figures['success_rate']:.0%} (95 % {low:.0%} to {high:.0%})"),
        ("wrong object", figures["wrong_object"]),
        ("episode time, median", "none succeeded" if median is None else f"{median:.1f} s"),
        ("inference", _show(latency)),
        ("capture to command, wall clock", _show(through)),
        ("chunks accepted / late", f"{chunks['accepted']} / {chunks['late']}"),
        ("chunks rejected", chunks["rejected"] or 0),
        ("governor intervened", f"{figures['governor_active']:.1%} of ticks"),
        ("real-time factor", f"{figures['real_time_factor']:.2f} ({figures['mode']})"),
    ):
        table.add_row(name, str(value))
    return table


def _show(percentiles: dict[str, float] | None) -> str:
    if percentiles is None:
        return "not measured"
    return f"p50 {percentiles['p50']:.1f} ms, p99 {percentiles['p99']:.1f} ms"
