# SPDX-License-Identifier: Apache-2.0
"""Stamps of the wall clock on the steady clock, whatever the wall clock does."""

from __future__ import annotations

REANCHOR_S = 0.005
"""The offset is taken again only when it is off by more than this [s]."""


class StampOffset:
    """Keeps `wall - steady`, so that a jump of the wall clock moves no deadline.

    One stamp gives one local time, and a chunk keeps its identity, because small differences
    (the time between reading both clocks, slewing) do not move the offset.

    Args:
        wall_s: Wall time [s].
        steady_s: Steady time read at the same moment [s].
    """

    def __init__(self, wall_s: float, steady_s: float) -> None:
        self._offset_s = wall_s - steady_s
        self.jumps = 0
        """How often the wall clock was found to have jumped."""

    def follow(self, wall_s: float, steady_s: float) -> None:
        """Look at both clocks; take the offset again when the wall clock has jumped."""
        offset_s = wall_s - steady_s
        if abs(offset_s - self._offset_s) > REANCHOR_S:
            self._offset_s = offset_s
            self.jumps += 1

    def local_s(self, stamp_s: float) -> float:
        """Return a stamp on the steady clock [s]."""
        return stamp_s - self._offset_s

    def wire_s(self, local_s: float) -> float:
        """Return a steady time as a stamp [s]."""
        return local_s + self._offset_s
