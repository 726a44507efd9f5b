# SPDX-License-Identifier: Apache-2.0
"""What the running path answers instead of raising: accepted, or refused with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Reason(Enum):
    """Why something was refused; the value is the words a user reads."""

    MALFORMED = "malformed"
    NOT_FINITE = "not finite"
    DENORMAL = "denormal number"
    WRONG_JOINTS = "wrong joints"
    WRONG_LENGTH = "too few or too many waypoints"
    WRONG_PERIOD = "waypoint period out of range"
    HORIZON = "horizon too long"
    FUTURE = "stamp in the future"
    TOO_OLD = "observation too old"
    LATE = "too few waypoints left"
    DUPLICATE = "duplicate"
    OLDER = "older than the newest"
    OUT_OF_RANGE = "outside the position limits"
    JUMP = "jumps away from the plan"
    STATE_JUMP = "measured position jumps"
    BEFORE_ENABLE = "observed before the arms were enabled"
    NOT_ENABLED = "not enabled"
    BLIND = "the policy is in trouble"
    STOPPED = "stopped"
    NOT_AT_REST = "not at rest"
    OBSTACLE = "not safe to start"
    START_POSE = "not where the policy starts"
    NO_STATE = "no fresh joint state"


@dataclass(frozen=True, slots=True)
class Accepted:
    """It was taken; `detail` may say what follows."""

    detail: str = ""

    @property
    def is_accepted(self) -> bool:
        """Always true."""
        return True


@dataclass(frozen=True, slots=True)
class Rejected:
    """It was refused and nothing changed, except where `detail` says so."""

    reason: Reason
    detail: str

    @property
    def is_accepted(self) -> bool:
        """Always false."""
        return False


Verdict = Accepted | Rejected
