# SPDX-License-Identifier: Apache-2.0
"""`onestep-vla faults`: run the matrix, print it, write it down, say whether it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import (
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.faults.comparison import BRIDGE, COMPARED, Compared
from onestep_vla_ros.faults.process_rows import run_process_rows
from onestep_vla_ros.faults.pure_rows import run_all
from onestep_vla_ros.faults.row import FAULTS, RowResult
from onestep_vla_ros.faults.tables import (
    comparison_json,
    comparison_markdown,
    comparison_table,
    rows_markdown,
    rows_table,
    time_text,
)
from onestep_vla_ros.report import write_json, write_marked


@dataclass(frozen=True, slots=True)
class FaultsRequest:
    """What to run and where to write it.

    Attributes:
        rows: Row numbers; None for all.
        processes: Real processes instead of an injected clock.
        repetitions: Of each process row; a pure row runs one case a phase of the replan period.
        seed: Of moments and noise.
        json: File for the result, or None.
        readme: Markdown file whose marked tables are written anew, or None.
    """

    rows: tuple[int, ...] | None
    processes: bool
    repetitions: int
    seed: int
    json: Path | None
    readme: Path | None


def run_faults(request: FaultsRequest) -> int:
    """Run the rows, print their tables; return 0 when all hold, else 1.

    Raises:
        ConfigError: No such row, or the README asked for from only some of the rows.
    """
    if request.readme is not None and request.rows is not None:
        raise ConfigError(
            "the README's tables need all rows", got=list(request.rows), do="leave out --rows"
        )
    console = Console()
    rows, found = (_processes if request.processes else _pure)(request, console)
    kind = "real processes" if request.processes else "injected clock"
    console.print(rows_table(rows, f"Faults, {kind}"))
    if found:
        console.print(comparison_table(found))
    violations = sum(row.violations for row in rows)
    held = sum(row.holds for row in rows)
    clean = not any(sum(c.violations.values()) for c in found if c.driver == BRIDGE)
    console.print(f"{held} of {len(rows)} rows hold, {violations} violations of I1 to I14")
    if not clean:
        console.print("[bold red]the bridge violates invariants in the comparison")
    _write(request, rows, found, violations)
    return 0 if rows and held == len(rows) and clean else 1


def _pure(request: FaultsRequest, console: Console) -> tuple[list[RowResult], list[Compared]]:
    rows: list[RowResult] = []
    found: list[Compared] = []
    total = len(request.rows or FAULTS)
    total += len([row for row in COMPARED if request.rows is None or row in request.rows])
    with _progress(console) as progress:
        task = progress.add_task("pure rows", total=total)
        for result in run_all(request.rows, request.seed):
            if isinstance(result, RowResult):
                rows.append(result)
                progress.update(task, description=_line(result))
                if not console.is_terminal:  # where no bar is drawn, a line says how far it is
                    console.print(_line(result))
            else:
                found += result
            progress.advance(task)
    return sorted(rows, key=lambda row: row.row), found


def _processes(request: FaultsRequest, console: Console) -> tuple[list[RowResult], list[Compared]]:
    with _progress(console) as progress:
        task = progress.add_task("process rows", total=None)

        def on_row(result: RowResult) -> None:
            progress.console.print(_line(result))
            progress.advance(task)

        rows = run_process_rows(request.rows, request.repetitions, request.seed, on_row)
    return list(rows), []


def _write(
    request: FaultsRequest, rows: list[RowResult], found: list[Compared], violations: int
) -> None:
    if request.json is not None:
        figures = {
            "rows": [row.to_json() for row in rows],
            "violations": violations,
            "alternatives": comparison_json(found),
        }
        write_json(request.json, "faults", request.seed, figures)
    if request.readme is not None:
        tables = {"process" if request.processes else "pure": rows_markdown(rows)}
        if found:
            tables["alternatives"] = comparison_markdown(found)
        write_marked(request.readme, "faults", tables)


def _progress(console: Console) -> Progress:
    columns = (
        SpinnerColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    return Progress(*columns, console=console, transient=True)


def _line(result: RowResult) -> str:
    missed = "[bold yellow]the machine is too busy to judge[/]"
    missed = missed if result.is_unjudged else "[bold red]does not hold[/]"
    word = "[green]holds[/]" if result.holds else missed
    times = f"{time_text(result.worst_s)} of {time_text(result.bound_s)}"
    return f"row {result.row}, {result.fault}: {word}, {times}"
