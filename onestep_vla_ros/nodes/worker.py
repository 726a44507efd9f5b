# SPDX-License-Identifier: Apache-2.0
"""The thread that infers: takes an observation when one is due, hands its chunk on."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.observation import Observation
from onestep_vla_ros.core.observer import Observer, Refusal
from onestep_vla_ros.nodes.trace import InferenceTrace

_POLL_S = 0.05
"""Wall time between two looks when nothing arrives, so that silence is noticed too [s]."""

_LATENCIES_KEPT = 10_000


class InferenceWorker:
    """Runs `infer` on its own thread, one observation at a time.

    Args:
        observer: What has arrived; touched under `arrived` only.
        infer: Observation to Chunk; may raise, which is counted.
        now_s: The clock that deadlines run on [s]; the observer's stamps are on it too.
        on_chunk: Called with each chunk and when what happened, on the worker's thread.
        on_trouble: Called with a line to log, on the worker's thread.
        fault_inferences: Failures in a row after which the worker gives up.

    Attributes:
        arrived: Hold it to feed the observer; notify it afterwards.
        image_s: When the newest picture came, by `now_s` [s]; set by the feeder.
        failure: Why the worker gave up, empty while it works.
        refused: Reason to count; each spell of a reason counts once.
        latencies_s: Wall time of the last inferences [s].
    """

    def __init__(
        self,
        observer: Observer,
        infer: Callable[[Observation], Chunk],
        now_s: Callable[[], float],
        on_chunk: Callable[[Chunk, InferenceTrace], None],
        on_trouble: Callable[[str], None],
        fault_inferences: int,
    ) -> None:
        self.arrived = threading.Condition()
        self.observer = observer
        self.image_s = 0.0
        self.failure = ""
        self.refused: Counter[str] = Counter()
        self.failed = 0
        self.chunks = 0
        self.latencies_s: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        self._infer, self._now_s = infer, now_s
        self._on_chunk, self._on_trouble = on_chunk, on_trouble
        self._fault_inferences = fault_inferences
        self._failed_in_a_row = 0
        self._last_reason = ""
        self._is_wanted = True
        self._thread = threading.Thread(target=self._run, name="inference")

    def start(self) -> None:
        """Start to infer."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the inference under way and end the thread; any thread but its own."""
        with self.arrived:
            self._is_wanted = False
            self.arrived.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def refuse(self, reason: str, detail: str) -> None:
        """Count something that could not be used and report it."""
        self.refused[reason] += 1
        self._on_trouble(f"refused, {reason}: {detail}")

    def _run(self) -> None:
        while not self.failure:
            with self.arrived:
                if not self._is_wanted:
                    return
                found = self.observer.observe(self._now_s())
                if found is None or isinstance(found, Refusal):
                    self._note(found)
                    self.arrived.wait(_POLL_S)
                    continue
                observed_s = self.image_s
            self._last_reason = ""
            self._infer_one(found, observed_s)

    def _infer_one(self, observation: Observation, observed_s: float) -> None:
        started, started_s = time.perf_counter(), self._now_s()
        try:
            chunk = self._infer(observation)
        except Exception as error:  # noqa: BLE001 - whatever a model raises, the arms must hold
            self.failed += 1
            self._failed_in_a_row += 1
            self._on_trouble(f"inference failed: {type(error).__name__}: {error}")
            if self._failed_in_a_row >= self._fault_inferences:
                self.failure = (
                    f"{self._failed_in_a_row} inferences in a row failed; "
                    f"the last: {type(error).__name__}: {error}"
                )
            return
        self._failed_in_a_row = 0
        self.latencies_s.append(time.perf_counter() - started)
        self.chunks += 1
        self._on_chunk(chunk, InferenceTrace(chunk.stamp_s, observed_s, started_s, self._now_s()))

    def _note(self, refusal: Refusal | None) -> None:
        if refusal is not None and refusal.reason != self._last_reason:
            self.refuse(refusal.reason, refusal.detail)
        if refusal is not None:
            self._last_reason = refusal.reason
