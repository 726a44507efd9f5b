# SPDX-License-Identifier: Apache-2.0
"""The folder of an evaluation: which cells were asked for, all that is known of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from onestep_vla_ros.core.errors import DatasetError, OneStepError
from onestep_vla_ros.report import write_json
from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.study.markdown import report_markdown
from onestep_vla_ros.study.pictures import write_pictures
from onestep_vla_ros.study.summary import Summary, summarise
from onestep_vla_ros.train.cells import Cell
from onestep_vla_ros.train.episode_log import NAME, read_records
from onestep_vla_ros.train.grid import Results

CELLS = "cells.json"


def declare(folder: Path, cells: Sequence[Cell]) -> None:
    """Add cells to those the folder is about; the first ever asked for stays the first.

    Raises:
        DatasetError: The folder's list is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    every = dict.fromkeys([*declared(folder), *cells])
    text = json.dumps([cell.to_json() for cell in every], indent=1)
    part = folder / f"{CELLS}.part"
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(folder / CELLS)


def declared(folder: Path) -> tuple[Cell, ...]:
    """Return the cells that were ever asked for there, in that order.

    Raises:
        DatasetError: The list is damaged.
    """
    path = folder / CELLS
    if not path.is_file():
        return ()
    try:
        return tuple(Cell.from_json(data) for data in json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, OneStepError) as error:
        raise DatasetError(
            f"{path} is damaged", got=str(error).replace("\n", " "), do="delete it"
        ) from None


def read_results(folder: Path) -> Results:
    """Return every finished episode there, cells as declared, episodes by seed."""
    found: dict[Cell, list[Episode]] = {cell: [] for cell in declared(folder)}
    for (cell, _), record in sorted(
        read_records(folder / NAME, Cell.from_json).items(), key=lambda r: r[0][1]
    ):
        found.setdefault(cell, []).append(record.episode)
    return found


def write_report(folder: Path, seed: int) -> tuple[Summary, ...]:
    """Write report.md, report.json and pictures from all that is there; return the summaries."""
    summaries = summarise(read_results(folder))
    part = folder / "report.md.part"
    part.write_text(report_markdown(summaries), encoding="utf-8")
    part.replace(folder / "report.md")
    write_json(folder / "report.json", "eval", seed, {"cells": [s.to_json() for s in summaries]})
    write_pictures(summaries, folder)
    return summaries
