# SPDX-License-Identifier: Apache-2.0
"""How well chunks fit the plans they replace: jump, acceleration and refusals of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from onestep_vla_ros.sim.rollout import SEAM_S, Episode
from onestep_vla_ros.study.entry import Entry
from onestep_vla_ros.study.markdown import table
from onestep_vla_ros.study.studies import Study
from onestep_vla_ros.train.grid import Results

SEAM_NOTE = (
    "At the seams: how far the first waypoint of a chunk lay from the plan it replaced, the "
    "farthest arm joint [mrad]; the largest commanded acceleration of an arm joint in the "
    f"{SEAM_S:g} s after it [rad/s²]; each median / 95th percentile; and chunks refused."
)


@dataclass(frozen=True, slots=True)
class Seams:
    """The seams of one place in a study's table.

    Attributes:
        count: Chunks that replaced a plan.
        jump_mrad: Median and 95th percentile of the jump [mrad].
        acceleration: The same of the acceleration after it [rad/s²].
        refused: Part of all chunks that the bridge refused.
    """

    count: int
    jump_mrad: tuple[float, float]
    acceleration: tuple[float, float]
    refused: float

    @staticmethod
    def of(episodes: Sequence[Episode]) -> Seams | None:
        """Return what the episodes say; None when no chunk replaced a plan."""
        jumps = [x for e in episodes for x in e.seams_rad]
        peaks = [x for e in episodes for x in e.seam_accelerations]
        if not jumps:
            return None
        refused = sum(sum(e.rejected.values()) for e in episodes)
        chunks = sum(e.chunks for e in episodes)
        return Seams(len(jumps), _spread(1e3 * np.array(jumps)), _spread(peaks), refused / chunks)


SeamTable = Mapping[tuple[str, str], Seams]
"""(Row, column) to the seams there, of one task."""


def seam_tables(study: Study, entries: Sequence[Entry], results: Results) -> dict[str, SeamTable]:
    """Return each task's seams by row and column, over all training seeds."""
    grouped: dict[str, dict[tuple[str, str], list[Episode]]] = {}
    for entry in entries:
        place = study.place(entry.variant, entry.cell)
        group = grouped.setdefault(entry.cell.task, {}).setdefault(place, [])
        group.extend(results.get(entry.cell, ()))
    found = {
        task: {place: Seams.of(group) for place, group in places.items()}
        for task, places in grouped.items()
    }
    return {
        task: {place: seams for place, seams in places.items() if seams is not None}
        for task, places in found.items()
    }


def seam_markdown(seams: SeamTable, title: str) -> str:
    """Return jump, acceleration and refusals by row and column."""
    rows = list(dict.fromkeys(row for row, _ in seams))
    columns = list(dict.fromkeys(column for _, column in seams))
    lines = [[row, *(_words(seams.get((row, column))) for column in columns)] for row in rows]
    return table([title, *columns], lines, left=0)


def seams_json(tables: Mapping[str, SeamTable]) -> list[dict[str, object]]:
    """Return every place's figures."""
    return [
        {"task": task, "row": row, "column": column, **asdict(seams)}
        for task, places in tables.items()
        for (row, column), seams in places.items()
    ]


def _words(seams: Seams | None) -> str:
    if seams is None:
        return "–"
    jump, peak = (f"{low:.3g} / {high:.3g}" for low, high in (seams.jump_mrad, seams.acceleration))
    return f"{jump}; {peak}; {seams.refused:.1%}"


def _spread(values: Sequence[float] | np.ndarray) -> tuple[float, float]:  # type: ignore[type-arg]
    low, high = np.percentile(values, [50, 95])
    return float(low), float(high)
