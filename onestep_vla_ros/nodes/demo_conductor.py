# SPDX-License-Identifier: Apache-2.0
"""demo_conductor: runs seeded episodes over the services, writes what came of them.

progress.json  where it stands, replaced several times a second
episodes.json  every episode and the figures of all nodes, at the end
actions.json   with `keep_actions`: what `ActionTap` heard
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool, Trigger

from onestep_vla_ros.core.config import ConductorConfig
from onestep_vla_ros.core.errors import OneStepError
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.nodes.action_tap import ActionTap
from onestep_vla_ros.nodes.entry import run_node
from onestep_vla_ros.nodes.executor import make_executor
from onestep_vla_ros.nodes.lifetime import is_wanted
from onestep_vla_ros.nodes.params import read_parameters
from onestep_vla_ros.nodes.qos import EVERY, LATCHED
from onestep_vla_ros.nodes.status import read_status
from onestep_vla_ros.nodes.trace import Trace

_CALL_TIMEOUT_S = 60.0
_SILENCE_S = 60.0
_PROGRESS_S = 0.2
_TRIES = 50
_PATIENCE_S = 1.0
"""Nor is a refusal final before so long after a reset: slow worlds show few states [s]."""
_SETTLE_S = 0.1
"""A reset moves the arms in no time, which is a jump to a bridge: enable after it [s]."""


class ConductorError(OneStepError):
    """The graph did not answer as it must for the demo to go on."""


@dataclass(slots=True)
class EpisodeResult:
    """What one episode came to.

    Attributes:
        time_s: Simulated time until success, or until it was given up [s].
        wall_s: Wall time of the same [s].
        fault: The bridge's reason when it faulted, else empty.
    """

    seed: int
    task: str
    instruction: str
    success: bool
    wrong_object: bool
    time_s: float
    wall_s: float
    ticks: int
    governed_ticks: int
    fault: str


class Conductor:
    """Calls sim/reset and bridge/enable, watches sim/state and bridge/trace.

    Thread: one; it spins the executor itself while it waits.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.config = read_parameters(node, ConductorConfig)
        self.folder = Path(self.config.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._executor = make_executor()
        self._executor.add_node(node)
        self._sim: dict[str, str] = {}
        self._bridge: dict[str, str] = {}
        self._policy: dict[str, str] = {}
        self._mode = Mode.IDLE
        self._ticks = self._governed = 0
        self._progress_due = 0.0
        self._episodes: list[EpisodeResult] = []
        node.create_subscription(DiagnosticStatus, "sim/state", self._on_sim, LATCHED)
        node.create_subscription(DiagnosticStatus, "bridge/status", self._on_bridge, LATCHED)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, EVERY)
        node.create_subscription(Float64MultiArray, "bridge/trace", self._on_trace, EVERY)
        self._reset_sim = node.create_client(Trigger, "sim/reset")
        self._reset_bridge = node.create_client(Trigger, "bridge/reset")
        self._enable = node.create_client(SetBool, "bridge/enable")
        self._tap = ActionTap(node) if self.config.keep_actions else None

    def run(self) -> None:
        """Run all episodes and write the result.

        Raises:
            ConductorError: A node did not come up, fell silent or refused.
        """
        started = time.monotonic()
        self._wait(
            lambda: not self._silent(),
            self.config.startup_timeout_s,
            lambda: f"no report from {self._silent()}",
        )
        startup_s = time.monotonic() - started
        for _ in range(self.config.episodes):
            self._episodes.append(self._run_episode())
        self._wait_for_diagnostics()
        summary = {
            "startup_s": startup_s,
            "episodes": [asdict(episode) for episode in self._episodes],
            "sim": self._sim,
            "bridge": self._bridge,
            "policy": self._policy,
        }
        if self._tap is not None:
            _replace(self.folder / "actions.json", self._tap.episodes())
        _replace(self.folder / "episodes.json", summary)

    def _silent(self) -> list[str]:
        heard = {"sim": self._sim, "bridge": self._bridge, "policy": self._policy}
        silent = [name for name, values in heard.items() if not values]
        if not silent and self._policy.get("chunks") == "0":
            silent = ["policy (runs, but has sent no chunk)"]
        return silent

    def _run_episode(self) -> EpisodeResult:
        self._call(self._reset_bridge, Trigger.Request())
        answer = self._call(self._reset_sim, Trigger.Request())
        number = len(self._episodes) + 1
        self._wait(
            lambda: self._is_settled(number),
            _CALL_TIMEOUT_S,
            lambda: f"sim/reset answered {answer.message!r} but the episode did not start",
        )
        self._enable_arms()
        self._ticks = self._governed = 0
        started = time.monotonic()
        self._wait(self._is_over, math.inf, lambda: "")
        wall_s = time.monotonic() - started
        result = self._judge(wall_s)
        self._call(self._enable, SetBool.Request(data=False), must=False)
        self._wait(
            lambda: self._mode in (Mode.IDLE, Mode.FAULT),
            _SILENCE_S,
            lambda: "the bridge did not come to rest after bridge/enable false",
        )
        return result

    def _enable_arms(self) -> None:
        """Enable; a bridge may want to see some states more after the reset's jump."""
        end, tries = time.monotonic() + _CALL_TIMEOUT_S, 0
        while True:
            answer = self._call(self._enable, SetBool.Request(data=True), must=False)
            if answer.success:
                return
            tries += 1
            is_late = float(self._sim["since_reset_s"]) > _PATIENCE_S or time.monotonic() > end
            if tries >= _TRIES and is_late:
                raise ConductorError("bridge/enable was refused", got=answer.message)
            self._spin(0.05)

    def _is_settled(self, number: int) -> bool:
        """Has episode `number` run long enough that no node still sees the last one's pose?"""
        is_there = int(self._sim.get("episode", 0)) == number
        return is_there and float(self._sim["since_reset_s"]) >= _SETTLE_S

    def _is_over(self) -> bool:
        # the trace is first to tell of a fault; why, the status says a moment later
        is_fault = self._mode is Mode.FAULT and self._bridge.get("mode") == Mode.FAULT.name
        limit_s = self.config.timeout_s or float(self._sim["timeout_s"])
        is_late = float(self._sim["episode_time_s"]) >= limit_s
        return self._sim["success"] == "True" or is_fault or is_late

    def _judge(self, wall_s: float) -> EpisodeResult:
        success = self._sim["success"] == "True"
        time_s = self._sim["success_time_s" if success else "episode_time_s"]
        return EpisodeResult(
            seed=int(self._sim["seed"]),
            task=self._sim["task"],
            instruction=self._sim["instruction"],
            success=success,
            wrong_object=self._sim["wrong_object"] == "True",
            time_s=float(time_s),
            wall_s=wall_s,
            ticks=self._ticks,
            governed_ticks=self._governed,
            fault=self._bridge.get("reason", "") if self._mode is Mode.FAULT else "",
        )

    def _wait_for_diagnostics(self) -> None:
        """Let every node report once more, so that the figures hold the last episode too."""
        self._bridge, self._policy = {}, {}
        self._wait(
            lambda: bool(self._bridge and self._policy), 30.0, lambda: "no last diagnostics came"
        )

    def _call(self, client: Any, request: Any, *, must: bool = True) -> Any:  # noqa: ANN401
        name = client.srv_name
        self._wait(
            client.service_is_ready, _CALL_TIMEOUT_S, lambda: f"service {name} is not there"
        )
        future = client.call_async(request)
        self._wait(future.done, _CALL_TIMEOUT_S, lambda: f"service {name} did not answer")
        answer = future.result()
        if must and not answer.success:
            raise ConductorError(f"service {name} refused", got=answer.message)
        return answer

    def _wait(
        self, is_done: Callable[[], bool], timeout_s: float, what: Callable[[], str]
    ) -> None:
        """Spin until `is_done`; give up after `timeout_s` of wall time or long silence."""
        started = heard = time.monotonic()
        last = self._sim
        while not is_done():
            self._spin(0.02)
            now = time.monotonic()
            if self._sim is not last:
                last, heard = self._sim, now
            if now - started > timeout_s:
                raise ConductorError(what(), got=f"{timeout_s:.0f} s of waiting")
            if timeout_s == math.inf and now - heard > _SILENCE_S:
                raise ConductorError("sim_node is silent", got=f"{_SILENCE_S:.0f} s")

    def _spin(self, timeout_s: float) -> None:
        if not is_wanted():
            raise ExternalShutdownException
        self._executor.spin_once(timeout_sec=timeout_s)
        now = time.monotonic()
        if now >= self._progress_due:
            self._progress_due = now + _PROGRESS_S
            _replace(
                self.folder / "progress.json",
                {
                    "done": [asdict(episode) for episode in self._episodes],
                    "mode": self._mode.name,
                    "sim": self._sim,
                    "policy": self._policy,
                    "bridge": self._bridge,
                },
            )

    def _on_sim(self, message: DiagnosticStatus) -> None:
        self._sim = read_status(message)
        if self._tap is not None:
            self._tap.on_sim(self._sim)

    def _on_bridge(self, message: DiagnosticStatus) -> None:
        self._bridge = read_status(message)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "policy":
                self._policy = read_status(status)

    def _on_trace(self, message: Float64MultiArray) -> None:
        trace = Trace.from_message(message)
        if trace is not None:
            self._mode = trace.mode
            self._ticks += 1
            self._governed += int(trace.is_governed)


def _replace(path: Path, data: object) -> None:
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(data), encoding="utf-8")
    partial.replace(path)


def main(arguments: list[str] | None = None) -> int:
    """Conduct the demo; 1 when the graph did not play along."""
    return run_node("demo_conductor", arguments, _run)


def _run() -> int:
    node = Node("conductor")
    try:
        Conductor(node).run()
    finally:
        node.destroy_node()
    return 0


if __name__ == "__main__":
    sys.exit(main())
