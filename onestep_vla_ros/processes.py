# SPDX-License-Identifier: Apache-2.0
"""A set of child processes that ends together and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import FrameType, TracebackType

from onestep_vla_ros.leash import die_with_parent, end_groups, start_time
from onestep_vla_ros.transport import clean_shared_memory

Sink = Callable[[str, str], None]
"""Takes a process name and one line of its output; called from reader threads."""


class Terminated(Exception):  # noqa: N818 - a request, no error
    """SIGTERM or SIGHUP came: unwind, end the children, leave."""


class Processes:
    """Child processes, each in its own session; a context that ends them all on the way out.

    Against every way to go: normal exit and signals end the groups in order (SIGTERM, then
    SIGKILL); when this process is killed, the kernel terminates the children and a watcher
    process ends what is left of their groups. Both remove dead shared-memory segments.

    Args:
        sink: Where output lines go.
        environment: Variables set for every child, above this process's own.
    """

    def __init__(self, sink: Sink, environment: Mapping[str, str]) -> None:
        self._sink = sink
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
        self._children: dict[str, subprocess.Popen[str]] = {}
        self._readers: list[threading.Thread] = []
        self._leash: subprocess.Popen[str] | None = None
        self._handlers: dict[signal.Signals, object] = {}

    def __enter__(self) -> Processes:
        """Clean what earlier runs left and start the watcher."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._handlers[number] = signal.signal(number, _raise_terminated)
        clean_shared_memory()
        self._leash = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "onestep_vla_ros.leash"],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every child, whatever happens meanwhile, and clean up."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._handlers.setdefault(number, signal.getsignal(number))
            signal.signal(number, signal.SIG_IGN)
        self.stop()
        clean_shared_memory()
        if self._leash is not None and self._leash.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._leash.stdin.write("done\n")
                self._leash.stdin.close()
            self._leash.wait()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start one child; its output goes to the sink line by line. Main thread only."""
        child = subprocess.Popen(  # noqa: S603 - commands come from graph.py
            list(command),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )
        if self._leash is not None and self._leash.stdin is not None:
            self._leash.stdin.write(f"{child.pid}\n")
            self._leash.stdin.flush()
        self._children[name] = child
        reader = threading.Thread(target=self._read, args=(name, child), daemon=True)
        reader.start()
        self._readers.append(reader)

    def ended(self) -> dict[str, int]:
        """Return the exit status of every child that has ended, by name."""
        return {
            name: status
            for name, child in self._children.items()
            if (status := child.poll()) is not None
        }

    def stop(self) -> dict[str, int]:
        """End every child still alive; return all exit statuses."""
        running = [child for child in self._children.values() if child.poll() is None]
        reaper = threading.Thread(target=lambda: [child.wait() for child in running])
        groups = {child.pid: start_time(child.pid) for child in running}
        reaper.start()
        end_groups(groups)
        reaper.join()
        for reader in self._readers:
            reader.join(timeout=1.0)
        return self.ended()

    def _read(self, name: str, child: subprocess.Popen[str]) -> None:
        if child.stdout is None:
            return
        with child.stdout:
            for line in child.stdout:
                self._sink(name, line.rstrip("\n"))


def _raise_terminated(number: int, frame: FrameType | None) -> None:
    raise Terminated(signal.Signals(number).name)
