# SPDX-License-Identifier: Apache-2.0
"""What every evaluation is asked for, whatever its world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onestep_vla_ros.core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """How much to play, and where to write it.

    Attributes:
        episodes: Of each cell.
        seed: Episode i of every cell runs seed + i.
        jobs: Processes that share the episodes.
        out: Folder for log, report, pictures and films; None may keep everything in memory.
        videos: How many episodes to film, failed ones first.
        bar: Success rate that has to be reached.
        json: File for the result, or None.
    """

    episodes: int = 100
    seed: int = 0
    jobs: int = 1
    out: Path | None = None
    videos: int = 0
    bar: float = 0.0
    json: Path | None = None

    def __post_init__(self) -> None:
        """Raise `ConfigError` on a number that is too small."""
        for name, low in (("episodes", 1), ("jobs", 1), ("seed", 0), ("videos", 0)):
            if getattr(self, name) < low:
                got, allowed = getattr(self, name), f">= {low}"
                raise ConfigError(f"{name} is too small", got=got, allowed=allowed)
