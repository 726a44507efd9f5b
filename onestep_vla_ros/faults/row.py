# SPDX-License-Identifier: Apache-2.0
"""What one row of the fault matrix came to: its bound, its worst time and whether it holds."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from onestep_vla_ros.core.errors import ConfigError

FAULTS: dict[int, str] = {
    1: "camera off",
    2: "camera stuck, same stamp or same picture",
    3: "camera garbage",
    4: "camera late, slow or skewed",
    5: "stamp in the future",
    6: "joint states off",
    7: "joint states lose 30 %",
    8: "joints permuted, extra, arms swapped in order",
    9: "joint missing, twice, renamed, NaN or out of range",
    10: "encoder jumps",
    11: "policy killed in mid-chunk",
    12: "policy hangs",
    13: "policy out of memory",
    14: "inference slower than the chunk",
    15: "chunk with NaN, infinity or denormal",
    16: "chunk of wrong form",
    17: "chunk jumps away from the plan",
    18: "waypoints too fast",
    19: "chunk twice",
    20: "chunks out of order",
    21: "clock jumps, freezes or races",
    22: "policy cut off from the bridge",
    23: "controller cut off, or bridge killed or hung",
    24: "robot side killed and back",
    25: "one arm's controller dies",
    26: "second publisher",
    27: "parameters are garbage",
    28: "parameter set while running",
    29: "checkpoint damaged",
    30: "checkpoint is a pickle",
    31: "disk full while recording",
    32: "arm blocked",
    33: "operator disables, or a signal ends the bridge",
    34: "CPU starved",
    35: "arms are not where the plan starts",
}
"""The rows of the fault matrix, by number, in a few words."""

KINDS = ("pure", "process")


@dataclass(frozen=True, slots=True)
class RowResult:
    """One row as it came out.

    Attributes:
        row: Number in the fault matrix, 1 to 35.
        fault: What was injected, in a few words.
        bound_s: Longest time allowed [s]; None where the row bounds no time.
        worst_s: Longest time seen over all repetitions [s]; None where no time was measured.
        holds: Was everything as expected, in time and without a violation?
        kind: "pure" (injected clock) or "process" (real processes).
        detail: What was done and seen, or what went wrong, in a sentence or two.
        violations: Invariant violations the wire checker counted.
        cases: Phases, seeds and repetitions that were run.
        is_unjudged: It does not hold for no other reason than that the machine was too busy.
    """

    row: int
    fault: str
    bound_s: float | None
    worst_s: float | None
    holds: bool
    kind: str
    detail: str = ""
    violations: int = 0
    cases: int = 1
    is_unjudged: bool = False

    def __post_init__(self) -> None:
        """Raise `ConfigError` when the row or the kind is none there is."""
        if self.row not in FAULTS:
            raise ConfigError("no such row", got=self.row, allowed="1 to 35")
        if self.kind not in KINDS:
            raise ConfigError("no such kind of row", got=repr(self.kind), allowed=list(KINDS))

    def to_json(self) -> dict[str, object]:
        """Return the fields by name; a time that is not finite becomes a word."""
        fields = asdict(self)
        for name in ("bound_s", "worst_s"):
            value = fields[name]
            if value is not None and not math.isfinite(value):
                fields[name] = str(value)
        return fields
