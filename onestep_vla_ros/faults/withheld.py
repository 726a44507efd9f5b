# SPDX-License-Identifier: Apache-2.0
"""Time that the machine withheld from processes: tells a full machine from a slow bridge.

A process of its own looks, `python -m onestep_vla_ros.faults.withheld`: a thread would be late
whenever this interpreter's lock is held, and take that for the machine's doing.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from types import TracebackType

_PERIOD_S = 0.01
_FREEZE_S = 0.01
"""The observer itself is late by so much only when nothing runs for a while [s]."""
_TASKS_EVERY = 20
_KEPT = 30_000
_NANO = 1e9
_EVERYBODY = 0

_Look = tuple[float, dict[int, float]]
"""When it was looked, and what had been withheld from each process by then [s]."""


class Withheld:
    """Knows for how long watched processes were ready to run and did not.

    Two signs, for each hides what the other shows. The kernel counts how long a thread waited
    for a core (`schedstat`), but not how long a hypervisor or a quota held the whole machine or
    container; then the observer wakes late.

    Thread: one. Time: the steady clock.
    """

    _observer: subprocess.Popen[str]

    def __enter__(self) -> Withheld:
        """Begin to look."""
        self._observer = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "onestep_vla_ros.faults.withheld"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is not for it
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the observer; it ends with its standard input."""
        self._observer.communicate()

    def watch(self, pid: int) -> None:
        """Watch a process too, until it ends."""
        self._tell(f"watch {pid}")

    def worst_s(self, begun_s: float, span_s: float = math.inf) -> float:
        """Return the most withheld from one process in any `span_s` since `begun_s` [s].

        Args:
            begun_s: Steady time [s].
            span_s: Length of the span, give or take the observer's two periods [s].
        """
        self._tell(f"worst {begun_s!r} {span_s!r}")
        stdout = self._observer.stdout
        return float(stdout.readline() if stdout else "nan")

    def _tell(self, line: str) -> None:
        if self._observer.stdin:
            self._observer.stdin.write(line + "\n")
            self._observer.stdin.flush()


class Observer:
    """What the observing process keeps: sums of what was withheld, look by look."""

    def __init__(self) -> None:
        self._tasks: dict[tuple[int, int], tuple[int, int]] = {}
        self._pids: set[int] = set()
        self._sums_s: dict[int, float] = {_EVERYBODY: 0.0}
        self._looks: deque[_Look] = deque(maxlen=_KEPT)
        self._count = 0

    def watch(self, pid: int) -> None:
        """Watch a process; what its threads waited before does not count."""
        self._pids.add(pid)
        self._sums_s.setdefault(pid, 0.0)
        self._find_tasks(pid, is_new=False)

    def look(self, late_s: float) -> None:
        """Read how long every watched thread has waited; `late_s` is the observer's own."""
        if late_s > _FREEZE_S:
            self._sums_s[_EVERYBODY] += late_s
        if self._count % _TASKS_EVERY == 0:
            for pid in self._pids:
                self._find_tasks(pid, is_new=True)
        self._count += 1
        for (pid, tid), (handle, before_ns) in list(self._tasks.items()):
            waited_ns = _waited_ns(handle)
            if waited_ns is None:
                os.close(handle)
                del self._tasks[pid, tid]
                continue
            self._sums_s[pid] += (waited_ns - before_ns) / _NANO
            self._tasks[pid, tid] = handle, waited_ns
        self._looks.append((time.monotonic(), dict(self._sums_s)))

    def worst_s(self, begun_s: float, span_s: float) -> float:
        """Return the most withheld from one process in any `span_s` since `begun_s` [s]."""
        looks: list[_Look] = []
        for look in reversed(self._looks):
            looks.append(look)
            if look[0] < begun_s:
                break
        looks.reverse()
        worst_s, first = 0.0, 0
        for at_s, sums in looks:
            while looks[first][0] < at_s - span_s - 2.0 * _PERIOD_S:
                first += 1
            before = looks[first][1]
            worst_s = max(worst_s, *(s - before.get(pid, 0.0) for pid, s in sums.items()))
        return worst_s

    def _find_tasks(self, pid: int, *, is_new: bool) -> None:
        for task in Path(f"/proc/{pid}/task").glob("*"):
            key = pid, int(task.name)
            if key in self._tasks:
                continue
            with contextlib.suppress(OSError):
                handle = os.open(task / "schedstat", os.O_RDONLY)
                waited_ns = _waited_ns(handle) or 0
                self._tasks[key] = handle, 0 if is_new else waited_ns


def _waited_ns(handle: int) -> int | None:
    """Return how long a thread has waited for a core; None when it has ended [ns]."""
    try:
        return int(os.pread(handle, 100, 0).split()[1])
    except (OSError, IndexError):
        return None


def main() -> int:
    """Look until the standard input ends; answer what it asks."""
    observer, rest, due_s = Observer(), b"", time.monotonic()
    while True:
        due_s += _PERIOD_S
        while (left_s := due_s - time.monotonic()) > 0.0:
            if not select.select([0], [], [], left_s)[0]:
                break
            data = os.read(0, 4096)
            if not data:
                return 0
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                word, *numbers = line.decode().split()
                if word == "watch":
                    observer.watch(int(numbers[0]))
                else:
                    observer.look(0.0)
                    print(observer.worst_s(*map(float, numbers)), flush=True)
        late_s = time.monotonic() - due_s
        observer.look(late_s)
        due_s = max(due_s, time.monotonic() - _PERIOD_S)


if __name__ == "__main__":
    sys.exit(main())
