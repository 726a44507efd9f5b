# SPDX-License-Identifier: Apache-2.0
"""`onestep-vla soak graph`: the whole graph under faults for long; is it sound, does it grow?"""

from __future__ import annotations

import contextlib
import json as json_module
import math
import os
import random
import time
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from onestep_vla_ros.core.errors import ConfigError, OneStepError
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.deployment import Node
from onestep_vla_ros.faults.process_children import Children
from onestep_vla_ros.faults.process_rig import Findings
from onestep_vla_ros.graph import find_graph
from onestep_vla_ros.nodes.rig_link import RigLink
from onestep_vla_ros.processes import Terminated
from onestep_vla_ros.report import write_json
from onestep_vla_ros.soak.faults import SoakFaults
from onestep_vla_ros.soak.memory import MemoryLog
from onestep_vla_ros.soak.report import broken, show
from onestep_vla_ros.transport import (
    clean_shared_memory,
    environment,
    free_domain,
    share_no_memory,
)
from onestep_vla_ros.up import command

WARM_SHARE = 0.35
"""Slopes are taken after this share of the run."""
KILL_SHARE = 0.28
"""Processes are killed in this first share of the run only: a slope needs a process that lives."""

_SAMPLE_S = 2.0
_TALK_S = 30.0
_EPISODE_S = 20.0
_READY_S = 180.0
_REVIVE_S = 90.0
_SLOW_REVIVAL_S = 10.0
_RESET_S = 6.0
"""A killed simulator still seems to be there for the 2 s of its lease, but never answers [s]."""
_LOG_KEPT = 500


@dataclass(slots=True)
class _Tally:
    """What the soak has seen."""

    found: Findings = field(default_factory=Findings)
    ticks: int = 0
    governed: int = 0
    missed: int = 0
    samples: int = 0
    modes: Counter[str] = field(default_factory=Counter)
    enables: int = 0
    revivals_s: list[float] = field(default_factory=list)


def run_soak(minutes: float, every_s: float, seed: int, json: Path | None) -> int:
    """Run the graph for `minutes` with a fault every `every_s` on average (Poisson).

    Returns:
        0 when the bar held: no violation on the wire, no memory slope of 1 MiB/h or more, no
        more threads or handles than before, no process and no shared memory left; else 1.

    Raises:
        ConfigError: A duration is not positive.
    """
    if minutes <= 0.0 or every_s <= 0.0:
        got = f"minutes {minutes}, every {every_s} s"
        raise ConfigError("soak cannot run", got=got, allowed="both above 0")
    console = Console()
    with free_domain() as domain:
        soak = _Soak(domain, seed, console)
        try:
            figures = soak.run(60.0 * minutes, every_s)
        except (KeyboardInterrupt, Terminated) as end:
            console.print(f"ended early by {type(end).__name__} {end}; nothing is judged")
            return 1
    figures["left"] = {"processes": soak.alive(), "shared_memory": soak.segments()}
    figures["broken"] = broken(figures)
    figures["holds"] = not figures["broken"]
    if json is not None:
        write_json(json, "soak graph", seed, figures)
    show(console, figures)
    return 0 if figures["holds"] else 1


def soak_nodes(seed: int) -> tuple[Node, ...]:
    """Return the sim graph in real time, with a relay after the policy and the wire checker."""
    given = {"mode": "realtime", "seed": str(seed)}
    found = []
    for node in find_graph("sim").nodes(given):
        if node.name == "policy":
            node = replace(node, remaps=(("action_chunk", "action_chunk_near"),))
        if node.name == "bridge":
            parameters = {**node.parameters, "use_sim_time": False}
            checker = replace(
                node, executable="wire_checker", name="wire_checker", parameters=parameters
            )
            found.append(checker)
        found.append(node)
    return (*found, Node("chunk_relay", "chunk_relay"))


def percentiles_s(values_s: list[float]) -> dict[str, float]:
    """Return median and largest of times [s]."""
    found = sorted(values_s)
    return {"p50": round(found[len(found) // 2], 2), "max": round(found[-1], 2)}


class _Soak:
    """One run: the graph, what is done to it and what is seen."""

    def __init__(self, domain: int, seed: int, console: Console) -> None:
        self._domain, self._console = domain, console
        self._rng = random.Random(seed)  # noqa: S311 - moments of faults, no secret
        self._nodes = {node.name: node for node in soak_nodes(seed)}
        self._memory = MemoryLog()
        self._tally = _Tally()
        self._pids: dict[str, int] = {}
        self._started: set[int] = set()
        self._episode_s = -math.inf

    def run(self, duration_s: float, every_s: float) -> dict[str, Any]:
        """Run the graph and return the figures."""
        variables = {**environment(), "ROS_DOMAIN_ID": str(self._domain)}
        os.environ.update(environment())
        share_no_memory()
        with contextlib.ExitStack() as stack:
            self._children = stack.enter_context(Children(variables))
            for name in self._nodes:
                self._start(name)
            self._link = RigLink(self._domain, kept=_LOG_KEPT)
            stack.callback(self._link.close)
            self._faults = SoakFaults(self._children, self._link, self._start, self._rng)
            self._revive(_READY_S)
            started = time.monotonic()
            self._loop(started, duration_s, every_s)
            self._take_report()
            wall_s = time.monotonic() - started
        return self._figures(wall_s, every_s)

    def alive(self) -> list[int]:
        """Return which processes that this run started still live."""
        return sorted(pid for pid in self._started if Path(f"/proc/{pid}").exists())

    def segments(self) -> list[str]:
        """Return which shared memory of this run's processes is still there and nobody's."""
        return sorted(self._memory.segments & set(clean_shared_memory()))

    def _loop(self, started: float, duration_s: float, every_s: float) -> None:
        kill_until = started + KILL_SHARE * duration_s
        fault_due = started + self._rng.expovariate(1.0 / every_s)
        sample_due = talk_due = started
        is_warm = False
        while (now := time.monotonic()) < started + duration_s:
            self._link.pump(0.02)
            if now >= sample_due:
                sample_due = now + _SAMPLE_S
                self._memory.sample(self._pids)
            if not is_warm and now >= started + WARM_SHARE * duration_s:
                is_warm = True
                self._memory.forget()
            if now >= talk_due:
                talk_due = now + _TALK_S
                self._take_report()
                self._talk(now - started, duration_s)
            if now >= fault_due:
                fault_due = now + self._rng.expovariate(1.0 / every_s)
                self._faults.inject(may_kill=now < kill_until)
            if self._link.mode() in (None, Mode.IDLE, Mode.STOP, Mode.FAULT) or self._is_over():
                self._revive(_REVIVE_S)

    def _start(self, name: str) -> None:
        self._children.start(name, command(self._nodes[name]))
        self._pids[name] = self._children.pid(name)
        self._started.add(self._pids[name])

    def _is_over(self) -> bool:
        return time.monotonic() - self._episode_s > _EPISODE_S

    def _revive(self, timeout_s: float) -> None:
        """Bring the arms back under way, as an operator would: reset, new episode, enable."""
        began = time.monotonic()
        answer, words = "no trace", Counter[str]()
        while time.monotonic() < began + timeout_s:
            try:
                answer = self._try_to_enable()
            except OneStepError as error:
                answer = str(error)
            if not answer:
                self._tally.enables += 1
                self._note_revival(time.monotonic() - began, words)
                return
            words[answer] += 1
            self._link.listen(0.2)
        dead = [name for name, pid in self._pids.items() if not Path(f"/proc/{pid}").exists()]
        raise ConfigError("the graph does not run again", got=f"{answer}; dead: {dead}")

    def _note_revival(self, took_s: float, words: Counter[str]) -> None:
        self._tally.revivals_s.append(took_s)
        if took_s > _SLOW_REVIVAL_S:
            self._console.print(
                f"under way again after {took_s:.0f} s: {dict(words)}", highlight=False
            )

    def _try_to_enable(self) -> str:
        """Return why the arms cannot be enabled, "" when they are; a new episode where need be."""
        link = self._link
        link.call("bridge/enable", data=False)
        link.wait(lambda: link.mode() is not Mode.RUN, 5.0, "end of RUN")
        link.call("bridge/reset")
        link.wait(lambda: link.mode() is Mode.IDLE, 2.0, "IDLE")
        self._take_report()
        link.listen(0.3)
        if self._take_report()["states"] == 0:
            return "the wire checker does not hear the simulator"
        if not self._is_over() and link.call("bridge/enable", data=True).success:
            return ""
        link.call("sim/reset", timeout_s=_RESET_S)
        link.listen(0.3)
        answer = link.call("bridge/enable", data=True)
        if answer.success:
            self._episode_s = time.monotonic()
        return "" if answer.success else answer.message

    def _take_report(self) -> dict[str, Any]:
        text = self._link.call("wire_checker/take", timeout_s=30.0).message
        report: dict[str, Any] = json_module.loads(text)
        tally = self._tally
        tally.found.add(report)
        if report["violations"]:
            self._console.print(
                f"violations {report['violations']}: {report['examples']}; "
                f"the last fault: {self._faults.last}",
                style="red",
                highlight=False,
            )
        tally.ticks += report["ticks"]
        tally.governed += report["governed"]
        tally.missed += report["missed"]
        tally.samples += report["samples"]
        tally.modes.update(report["modes"])
        return report

    def _talk(self, elapsed_s: float, duration_s: float) -> None:
        found = self._tally.found
        rss = {name: round(s.rss_mib, 1) for name, s in self._memory.slopes().items()}
        self._console.print(
            f"{elapsed_s / 60:.1f} of {duration_s / 60:.1f} min: "
            f"{sum(self._faults.counts.values())} faults, {found.messages} messages, "
            f"{sum(found.violations.values())} violations, MiB {rss}",
            highlight=False,
        )

    def _figures(self, wall_s: float, every_s: float) -> dict[str, Any]:
        tally = self._tally
        running = max(tally.modes["RUN"], 1)
        return {
            "wall_s": round(wall_s, 1),
            "fault_every_s": every_s,
            "faults": dict(sorted(self._faults.counts.items())),
            "violations": dict(tally.found.violations),
            "examples": tally.found.examples,
            "lost_messages": tally.found.lost,
            "publishers": tally.found.publishers,
            "messages": tally.found.messages,
            "joint_samples": tally.samples,
            "ticks": tally.ticks,
            "missed_ticks": tally.missed,
            "missed_share": tally.missed / max(tally.ticks + tally.missed, 1),
            "governor_share_of_run": tally.governed / running,
            "modes": dict(tally.modes),
            "enables": tally.enables,
            "revival_s": percentiles_s(tally.revivals_s),
            "memory": {name: asdict(s) for name, s in self._memory.slopes().items()},
            "memory_series_s_rss_shared_mib": self._memory.series(),
            "growth_threads_handles": self._memory.growth(),
        }
