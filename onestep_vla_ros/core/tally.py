# SPDX-License-Identifier: Apache-2.0
"""The tally: chunks and states that were refused, and good chunks in a row before moving again."""

from __future__ import annotations

from collections import Counter

from onestep_vla_ros.core.verdict import Reason, Rejected

_MALFORMED = frozenset(
    {
        Reason.MALFORMED,
        Reason.NOT_FINITE,
        Reason.DENORMAL,
        Reason.WRONG_JOINTS,
        Reason.WRONG_LENGTH,
        Reason.WRONG_PERIOD,
        Reason.HORIZON,
        Reason.OUT_OF_RANGE,
    }
)


class Tally:
    """Counts refusals by reason, good chunks and malformed ones in a row.

    Args:
        resume_chunks: Good ones in a row that it takes to move.
        fault_chunks: Malformed ones in a row that are a fault.

    Attributes:
        counts: Refusals, as "joint_states: not finite" or "action_chunk: jumps …".
        hold_reason: Why there is no plan, in words.
    """

    def __init__(self, resume_chunks: int, fault_chunks: int) -> None:
        self._resume_chunks, self._fault_chunks = resume_chunks, fault_chunks
        self.counts: Counter[str] = Counter()
        self.begin("no chunk yet")

    def begin(self, why: str) -> None:
        """Start both rows anew: there is no plan, and this is why."""
        self.hold_reason = why
        self._good = self._malformed = 0

    def count(self, topic: str, verdict: Rejected) -> None:
        """Count what was refused on `topic`."""
        self.counts[f"{topic}: {verdict.reason.value}"] += 1

    def is_enough(self) -> bool:
        """Note a good chunk while holding; are there enough in a row to move?"""
        self._good += 1
        self.hold_reason = f"{min(self._good, self._resume_chunks)} of {self._resume_chunks} good"
        self.hold_reason += " chunks"
        return self._good >= self._resume_chunks

    def end_malformed(self) -> None:
        """Note a chunk that was well formed."""
        self._malformed = 0

    def refuse(self, verdict: Rejected, has_plan: bool) -> str:
        """Note a refused chunk while enabled; return the fault it makes, "" for none."""
        if verdict.reason not in (Reason.DUPLICATE, Reason.OLDER):
            self._good = 0
        if not has_plan:
            self.hold_reason = f"chunk refused, {verdict.reason.value}: {verdict.detail}"
        if verdict.reason not in _MALFORMED:
            return ""
        self._malformed += 1
        if self._malformed < self._fault_chunks:
            return ""
        return f"{self._malformed} bad chunks: {verdict.detail}"
