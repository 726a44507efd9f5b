# SPDX-License-Identifier: Apache-2.0
"""What the soak does to the graph while it runs: one fault at a time, drawn by chance."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.faults.process_children import Children
from onestep_vla_ros.nodes.chunk_faults import CHUNK_FAULTS
from onestep_vla_ros.nodes.rig_link import RigLink

_BUSY = "while True: pass"
_LEASE_S = 2.0
"""Fast DDS takes a process that is silent for longer as gone (config/fastdds.xml) [s]."""


class SoakFaults:
    """Injects faults into the running graph and counts them.

    Args:
        children: The graph's processes.
        link: Ears and hands on ROS.
        start: Starts a process of the graph by name.
        rng: Where chance comes from.

    Attributes:
        counts: How often each was injected.
        last: Name of the last that was over.
    """

    def __init__(
        self,
        children: Children,
        link: RigLink,
        start: Callable[[str], None],
        rng: random.Random,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.last = ""
        self._children, self._link, self._start, self._rng = children, link, start, rng
        self._gentle = (
            self._pause("policy", 0.3, 1.5),
            self._pause("bridge", 0.05, 0.5),
            self._pause("sim", 0.05, 1.0),
            self._pause("chunk_relay", 0.3, 1.5),
            self._spoil_chunks,
            self._spoil_chunks,
            self._disable,
            self._stop,
            self._rival,
            self._stress,
        )
        self._fatal = (self._kill("policy"), self._kill("policy"), self._kill("sim"))

    def inject(self, *, may_kill: bool) -> str:
        """Inject one fault, wait until it is over and return its name."""
        faults = (*self._gentle, *self._fatal) if may_kill else self._gentle
        name = self._rng.choice(faults)()
        self.counts[name] += 1
        self.last = name
        return name

    def _pause(self, child: str, low_s: float, high_s: float) -> Callable[[], str]:
        def pause() -> str:
            self._children.send(child, signal.SIGSTOP)
            self._link.listen(min(self._rng.uniform(low_s, high_s), 0.9 * _LEASE_S))
            self._children.send(child, signal.SIGCONT)
            return f"pause {child}"

        return pause

    def _kill(self, child: str) -> Callable[[], str]:
        def kill() -> str:
            self._children.send(child, signal.SIGKILL)
            self._children.wait(child)
            self._link.listen(self._rng.uniform(0.5, 3.0))
            self._start(child)
            return f"kill {child}"

        return kill

    def _spoil_chunks(self) -> str:
        kind = self._rng.choice(CHUNK_FAULTS[1:])
        self._link.set("chunk_relay", fault=kind, count=self._rng.randint(1, 5))
        self._link.listen(1.5)
        self._link.set("chunk_relay", fault="none", count=0)
        return f"chunks {kind}"

    def _disable(self) -> str:
        self._link.call("bridge/enable", data=False)
        self._link.listen(self._rng.uniform(0.0, 1.0))
        return "disable"

    def _stop(self) -> str:
        self._link.call("bridge/stop")
        self._link.listen(self._rng.uniform(0.0, 0.6))
        self._link.call("bridge/reset")  # refused while braking, taken at rest
        return "stop"

    def _rival(self) -> str:
        self._link.add_rival("action_chunk")
        self._link.listen(1.2)
        is_seen = self._link.mode() in (Mode.FAULT, Mode.IDLE)
        self._link.drop_rivals()
        return "rival" if is_seen else "rival not seen"

    def _stress(self) -> str:
        command = [sys.executable, "-c", _BUSY]
        busy = [subprocess.Popen(command) for _ in range(4)]  # noqa: S603 - a constant
        end = time.monotonic() + self._rng.uniform(0.5, 2.0)
        try:
            while time.monotonic() < end:
                self._link.pump()
        finally:
            for process in busy:
                process.kill()
                process.wait()
        return "stress"
