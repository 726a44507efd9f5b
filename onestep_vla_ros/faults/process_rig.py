# SPDX-License-Identifier: Apache-2.0
"""A graph of real processes under test: brought to RUN, hurt, measured on the wire, checked."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from onestep_vla_ros.core.errors import OneStepError
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.faults.process_children import Children
from onestep_vla_ros.faults.process_graph import bridge_parameters, nodes
from onestep_vla_ros.faults.withheld import Withheld
from onestep_vla_ros.nodes.rig_link import RigLink
from onestep_vla_ros.nodes.wire_log import TickSeen
from onestep_vla_ros.transport import environment, free_domain, share_no_memory
from onestep_vla_ros.up import command

BRAKING = (Mode.HOLD, Mode.STOP, Mode.FAULT)
"""Modes in which the arms brake or rest."""

STALL_S = float(bridge_parameters()["joint_state_timeout_s"]) - 0.01  # type: ignore[arg-type]
"""A stand-in robot that is silent for longer has stalled: the time-out less one period [s]."""
_START_S = 60.0
_RUN_S = 10.0
_SETTLE_S = 0.15
_CALM: dict[str, dict[str, object]] = {
    "stand_in_robot": {
        "joint_fault": "none",
        "camera_fault": "none",
        "clock_fault": "none",
        "blocked": "",
        "dead_arm": "",
    },
    "chunk_source": {"fault": "none", "count": 0, "latency_s": 0.03},
    "chunk_relay": {"fault": "none", "count": 0},
}


class RowError(OneStepError):
    """A repetition showed what the row forbids."""


class Stalled(OneStepError):  # noqa: N818 - the machine's doing, no error of the bridge
    """Joint states were too old by themselves, before or without the fault.

    Too busy a machine: the repetition says nothing about the bridge and is run again.
    """


@dataclass(slots=True)
class Findings:
    """What the wire checker has found in all reports of a repetition.

    Attributes:
        violations: Count of each invariant.
        examples: The first of each in words.
        lost: Messages that the checker missed, so that it could not judge all.
        publishers: Most publishers seen on one controller's topic.
        messages: Messages judged.
    """

    violations: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    lost: int = 0
    publishers: int = 0
    messages: int = 0

    def add(self, report: dict[str, Any]) -> None:
        """Add one report of the checker."""
        self.violations.update(report["violations"])
        self.examples = {**report["examples"], **self.examples}
        self.lost += report["lost"]
        self.publishers = max([self.publishers, *report["publishers"].values()])
        self.messages += report["messages"]


class Rig:
    """One graph, started once; a context that ends its processes.

    Args:
        setting: One of `process_graph.SETTINGS`.
        seed: Seed of the moments of injection.
        bridge: Parameters of the bridge that differ from its files.

    Attributes:
        link: Ears and hands on ROS.
        children: The processes.
        machine: What the machine withheld from them.
        found: What the wire checker has found since the attribute was last set.
    """

    link: RigLink
    children: Children
    machine: Withheld

    def __init__(self, setting: str, seed: int, **bridge: object) -> None:
        self.setting = setting
        self.rng = random.Random(seed)  # noqa: S311 - moments of injection, no secret
        self._nodes = {node.name: node for node in nodes(setting, **bridge)}
        self._calm = {name: values for name, values in _CALM.items() if name in self._nodes}
        self._stack = contextlib.ExitStack()
        self.found = Findings()

    def __enter__(self) -> Rig:
        """Start the graph and wait until every process answers."""
        with contextlib.ExitStack() as stack:
            domain = stack.enter_context(free_domain())
            variables = {**environment(), "ROS_DOMAIN_ID": str(domain)}
            os.environ.update(environment())  # the rig's own participant needs them as well,
            share_no_memory()  # but what the killed leave in shared memory must not harm it
            self.children = stack.enter_context(Children(variables))
            self.machine = stack.enter_context(Withheld())
            for name in self._nodes:
                self.start(name)
            self.link = RigLink(domain, has_cameras=self.setting == "policy")
            stack.callback(self.link.close)
            self._wait_for_all()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the graph."""
        for name in self.children.names():
            self.children.send(name, signal.SIGCONT)
        self._stack.close()

    def start(self, name: str, words: Sequence[str] | None = None) -> None:
        """Start the process of a node of the graph, or the command `words` under this name."""
        self.children.start(name, words or command(self._nodes[name]))
        self.machine.watch(self.children.pid(name))

    def calm(self) -> None:
        """Take every fault back."""
        self.link.drop_rivals()
        for name, values in self._calm.items():
            self.link.set(name, **values)

    def to_idle(self) -> None:
        """Bring the bridge to IDLE, through a reset where something is latched."""
        link = self.link
        self.calm()
        link.call("bridge/enable", data=False)
        link.wait(self._is_resettable, _RUN_S, "rest")
        if link.mode() is not Mode.IDLE:
            link.wait(lambda: link.call("bridge/reset").success, _RUN_S, "rest for bridge/reset")
            link.wait(lambda: link.mode() is Mode.IDLE, _RUN_S, "IDLE after bridge/reset")

    def to_run(self, dwell_s: tuple[float, float] = (0.15, 0.45)) -> None:
        """Bring the arms home and under way; go on for a moment drawn by chance."""
        link = self.link
        self.to_idle()
        link.call("stand_in_robot/home")
        link.listen(0.1)
        self.enable()
        link.wait(lambda: link.mode() is Mode.RUN, _RUN_S, "RUN after bridge/enable")
        at_s = time.time()
        link.listen(self.rng.uniform(*dwell_s))
        try:
            self.must_run(at_s, "before the fault")
        except RowError as error:
            if "joint_states" in str(error):  # nothing was injected yet: the bridge heard too late
                raise Stalled(str(error)) from None
            raise

    def enable(self) -> None:
        """Enable the arms; ask again while the bridge refuses.

        Raises:
            RowError: It still refuses after a while.
        """
        end = time.monotonic() + _RUN_S
        while not (answer := self.link.call("bridge/enable", data=True)).success:
            if time.monotonic() > end:
                raise RowError("bridge/enable is refused", got=answer.message)
            self.link.listen(0.05)

    def first_tick(
        self,
        since_s: float,
        is_wanted: Callable[[TickSeen], bool],
        timeout_s: float,
        what: str,
    ) -> TickSeen:
        """Return the first tick sent after `since_s` that `is_wanted`; wait for it.

        Raises:
            RigError: It did not come.
        """

        def find() -> TickSeen | None:
            for tick in self.link.ticks:
                if tick.sent_s >= since_s and is_wanted(tick):
                    return tick
            return None

        self.link.wait(lambda: find() is not None, timeout_s, what)
        found = find()
        assert found is not None  # noqa: S101 - `wait` returned
        return found

    def brake_s(self, since_s: float, *modes: Mode, timeout_s: float = 3.0) -> float:
        """Return how long after `since_s` the first braking tick was sent [s]."""
        wanted = modes or BRAKING
        names = " or ".join(mode.name for mode in wanted)
        return (
            self.first_tick(since_s, lambda t: t.mode in wanted, timeout_s, names).sent_s - since_s
        )

    def rest_s(self, since_s: float) -> float:
        """Return how long after `since_s` the last arm's commands come to rest [s].

        The end of the tail that the controllers have, whether or not more commands come.
        """
        self.link.listen(0.05)
        ends = []
        for commands in self.link.commands.values():
            after = [c for c in commands if c.sent_s >= since_s]
            resting = next((c for c in after if c.speed == 0.0), None)
            last = resting or (commands[-1] if commands else None)
            ends.append(last.rest_s if last else since_s)
        return max(ends) - since_s

    def must_run(self, since_s: float, why: str) -> None:
        """Refuse any tick since `since_s` that was not RUN.

        Raises:
            RowError: There was one.
            Stalled: There was one, because no joint state was sent for too long.
        """
        ticks = [t for t in self.link.ticks if t.sent_s >= since_s]
        odd = next((t for t in ticks if t.mode is not Mode.RUN), None)
        if odd is None:
            return
        sent = [s.sent_s for s in self.link.states if s.sent_s >= since_s - 1.0]
        silent_s = max((b - a for a, b in zip(sent, sent[1:], strict=False)), default=0.0)
        if silent_s > STALL_S:
            raise Stalled("the stand-in robot was silent by itself", got=f"{silent_s:.3f} s")
        got = f"{odd.mode.name}; {self.link.state()}"
        raise RowError(f"{why}: the bridge left RUN", got=got)

    def take_report(self) -> dict[str, Any]:
        """Return what the wire checker found since the last call and begin anew."""
        self.link.listen(_SETTLE_S)
        report: dict[str, Any] = json.loads(self.link.call("wire_checker/take").message)
        self.found.add(report)
        return report

    def wait_for_checker(self) -> None:
        """Wait until the checker hears a robot that was started again; it may be later than us."""
        self.link.wait(lambda: self.take_report()["states"] > 5, _RUN_S, "states at the checker")

    def longest_gap_s(self, since_s: float, until_s: float) -> float:
        """Return the longest time between two ticks sent in that span [s]."""
        sent = [t.sent_s for t in self.link.ticks if since_s <= t.sent_s <= until_s]
        return max((b - a for a, b in zip(sent, sent[1:], strict=False)), default=0.0)

    def _is_resettable(self) -> bool:
        """Is the bridge idle, or at rest with something latched?"""
        mode = self.link.mode()
        if mode is Mode.IDLE:
            return True
        newest = [commands[-1].speed for commands in self.link.commands.values() if commands]
        return mode in (Mode.STOP, Mode.FAULT) and not any(newest)

    def _wait_for_all(self) -> None:
        link, wanted = self.link, set(self._nodes)

        def is_up() -> bool:
            dead = wanted - set(self.children.names())
            for name in dead:
                raise RowError(f"process {name!r} does not start", got=self.children.said(name))
            has_states = bool(link.states) and link.mode() is Mode.IDLE
            return has_states and (bool(link.chunks) or self.setting == "clock")

        link.wait(is_up, _START_S, "joint states, trace and chunks at the start")
