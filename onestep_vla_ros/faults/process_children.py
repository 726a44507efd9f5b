# SPDX-License-Identifier: Apache-2.0
"""The rig's processes: stopped, continued, killed and started again one by one."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence

from onestep_vla_ros.core.errors import OneStepError
from onestep_vla_ros.processes import Processes

_LINES = 30


class ProcessError(OneStepError):
    """A process of the rig did not do what the rig told it."""


class Children(Processes):
    """`Processes` whose members can be signalled; keeps the last lines each has said.

    Args:
        environment: Variables for every child.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(self._hear, environment)
        self._said: dict[str, deque[str]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Children:
        """Clean what earlier runs left and start the watcher."""
        super().__enter__()
        return self

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a child; a name may be used again once its last process has ended."""
        with self._lock:
            self._said[name] = deque(maxlen=_LINES)
        super().start(name, command)

    def said(self, name: str) -> str:
        """Return the last lines of a child's output."""
        with self._lock:
            return "\n".join(self._said.get(name, ()))

    def pid(self, name: str) -> int:
        """Return the process id of a child."""
        return self._child(name).pid

    def names(self) -> list[str]:
        """Return the names of the children that live."""
        return [name for name, child in self._children.items() if child.poll() is None]

    def send(self, name: str, number: signal.Signals) -> float:
        """Send a signal to a child; return when, system time [s]."""
        self._child(name).send_signal(number)
        return time.time()

    def wait(self, name: str, timeout_s: float = 10.0) -> int:
        """Wait for a child to end; return its exit status.

        Raises:
            ProcessError: It still lives.
        """
        try:
            return self._child(name).wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise ProcessError(f"process {name!r} still lives", got=f"{timeout_s} s") from None

    def end(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        """End a child with a signal, by force if it does not go; return its exit status."""
        child = self._child(name)
        if child.poll() is None:
            child.send_signal(number)
            try:
                child.wait(timeout=5.0)
            except subprocess.TimeoutExpired:
                child.kill()
        return child.wait()

    def _child(self, name: str) -> subprocess.Popen[str]:
        if name not in self._children:
            raise ProcessError("no such process", got=name, allowed=sorted(self._children))
        return self._children[name]

    def _hear(self, name: str, line: str) -> None:
        with self._lock:
            self._said[name].append(line)
