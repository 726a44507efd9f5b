# SPDX-License-Identifier: Apache-2.0
"""All pure rows by number, and running many of them on all cores."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.faults import (
    camera_rows,
    checkpoint_rows,
    chunk_rows,
    clock_rows,
    policy_rows,
    robot_rows,
    state_rows,
    system_rows,
)
from onestep_vla_ros.faults.comparison import COMPARED, Compared, compare
from onestep_vla_ros.faults.row import FAULTS, RowResult
from onestep_vla_ros.faults.sweep import Sweep

CASES = 10
"""Cases of each row, one a phase of the replan period."""

_LEAST = 6
"""Fewer cases than this would leave out variants of a row."""

_FILES = (
    camera_rows,
    state_rows,
    policy_rows,
    chunk_rows,
    clock_rows,
    robot_rows,
    system_rows,
    checkpoint_rows,
)
_LONG = (7, 8, 20, 15, 11, 14, 1, 2, 3, 4)
"""Rows that take longest begin first, so that no core waits at the end."""


def run_pure_row(row: int, cases: int, seed: int, long_s: float = 60.0) -> RowResult:
    """Run one row in this process.

    Args:
        row: 1 to 35.
        cases: Moments of the replan period at which the fault begins; at least 6 are run.
        seed: Of the first case.
        long_s: Length of row 7 [s].
    """
    sweep = Sweep(max(cases, _LEAST), seed, long_s)
    result: RowResult = _function(row)(sweep)
    return result


def run_all(
    rows: Sequence[int] | None, seed: int, cases: int = CASES, jobs: int | None = None
) -> Iterator[RowResult | list[Compared]]:
    """Yield every row, and every comparison with the alternatives, as it gets done.

    Args:
        rows: Row numbers; None for all 35 and the comparison without a fault.
        seed: Of the first case.
        cases: As in `run_pure_row`.
        jobs: Processes; None for one a core.

    Raises:
        ConfigError: There is no such row.
    """
    wanted = tuple(FAULTS) if rows is None else tuple(dict.fromkeys(rows))
    unknown = [row for row in wanted if row not in FAULTS]
    if unknown:
        raise ConfigError("no such row", got=unknown, allowed="1 to 35")
    compared = [row for row in COMPARED if rows is None or row in wanted]
    order = sorted(wanted, key=lambda row: _LONG.index(row) if row in _LONG else len(_LONG))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs or cores, mp_context=spawn) as pool:
        todo: list[Future[RowResult | list[Compared]]] = [
            pool.submit(run_pure_row, row, cases, seed) for row in order
        ]
        todo += [pool.submit(compare, row, seed) for row in compared]
        try:
            for done in as_completed(todo):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _function(row: int) -> Callable[[Sweep], RowResult]:
    name = f"row_{row}"
    return next(getattr(file, name) for file in _FILES if hasattr(file, name))
