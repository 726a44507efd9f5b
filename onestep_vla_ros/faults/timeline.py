# SPDX-License-Identifier: Apache-2.0
"""An injected clock: events in the order of time, exact to the nanosecond."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from onestep_vla_ros.faults.setup import NS, START_NS


class Timeline:
    """Runs events one after the other; the clock they read can be set back, time cannot."""

    def __init__(self) -> None:
        self._ns, self._back_ns, self._count = START_NS, 0, 0
        self._events: list[tuple[int, int, Callable[[], object]]] = []

    @property
    def now_s(self) -> float:
        """What the clock shows [s]."""
        return (self._ns - self._back_ns) / NS

    @property
    def true_s(self) -> float:
        """Time since the clock's zero, as if it had never been set [s]."""
        return self._ns / NS

    @property
    def back_s(self) -> float:
        """How far the clock has been set back [s]."""
        return self._back_ns / NS

    def set_back(self, seconds: float) -> None:
        """Set the clock back; what is planned still happens when it would have."""
        self._back_ns += round(seconds * NS)

    def at(self, time_s: float, action: Callable[[], object]) -> None:
        """Do `action` when the clock shows `time_s`, after what was planned for then before."""
        self._push(round(time_s * NS) + self._back_ns, action)

    def every(self, period_s: float, action: Callable[[], object], first_s: float = 0.0) -> None:
        """Do `action` every `period_s` for ever, first `first_s` from now."""
        period_ns = round(period_s * NS)

        def again() -> None:
            self._push(self._ns + period_ns, again)
            action()

        self._push(self._ns + round(first_s * NS), again)

    def run(self, until_s: float) -> None:
        """Let everything before `until_s` happen; the clock then shows `until_s`."""
        until_ns = round(until_s * NS) + self._back_ns
        while self._events and self._events[0][0] < until_ns:
            self._ns, _, action = heapq.heappop(self._events)
            action()
        self._ns = until_ns

    def _push(self, ns: int, action: Callable[[], object]) -> None:
        self._count += 1
        heapq.heappush(self._events, (ns, self._count, action))
