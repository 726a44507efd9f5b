# SPDX-License-Identifier: Apache-2.0
"""The matrix as it came out: on the terminal, in Markdown, in JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from onestep_vla_ros.faults.comparison import BRIDGE, Compared
from onestep_vla_ros.faults.row import RowResult

_NO_TIME = "–"


def rows_table(rows: Sequence[RowResult], title: str) -> Table:
    """Return the rows for the terminal."""
    table = Table(title=title, title_justify="left", pad_edge=False)
    for name, justify in (("row", "right"), ("fault", "left"), ("bound", "right")):
        table.add_column(name, justify=justify, no_wrap=name != "fault")  # type: ignore[arg-type]
    table.add_column("worst", justify="right", no_wrap=True)
    table.add_column("holds", no_wrap=True)
    table.add_column("what happened", overflow="fold")
    for row in rows:
        style = "green" if row.holds else "bold red"
        table.add_row(
            str(row.row),
            row.fault,
            time_text(row.bound_s),
            time_text(row.worst_s),
            f"[{style}]{'yes' if row.holds else 'NO'}[/]",
            row.detail.replace("[", "\\["),
        )
    return table


def comparison_table(found: Sequence[Compared]) -> Table:
    """Return the violations of each driver for the terminal."""
    drivers = _drivers(found)
    table = Table(title="Violations on the wire, same faults, same checker", pad_edge=False)
    table.add_column("row", justify="right")
    table.add_column("fault")
    for name in drivers:
        table.add_column(name, justify="right")
    for row in _by_row(found):
        table.add_row(_number(row[0].row), row[0].fault, *(_count(c) for c in row))
    return table


def rows_markdown(rows: Sequence[RowResult]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| row | fault | bound | worst | holds | what happened |",
        "|--:|---|--:|--:|---|---|",
    ]
    for row in rows:
        bound, worst = time_text(row.bound_s), time_text(row.worst_s)
        detail = row.detail.replace("|", "\\|").replace("\n", " ")
        holds = "yes" if row.holds else "**no**"
        lines.append(f"| {row.row} | {row.fault} | {bound} | {worst} | {holds} | {detail} |")
    cases = sum(row.cases for row in rows)
    held = sum(row.holds for row in rows)
    violations = sum(row.violations for row in rows)
    lines += ["", f"{held} of {len(rows)} rows hold; {cases} cases, {violations} violations."]
    return "\n".join(lines)


def comparison_markdown(found: Sequence[Compared]) -> str:
    """Return the violations of each driver as a Markdown table."""
    drivers = _drivers(found)
    lines = [
        f"| row | fault | {' | '.join(drivers)} |",
        f"|--:|---|{'--:|' * len(drivers)}",
    ]
    for row in _by_row(found):
        counts = " | ".join(_count(c) for c in row)
        lines.append(f"| {_number(row[0].row)} | {row[0].fault} | {counts} |")
    samples = next((c.samples for c in found if c.driver == BRIDGE), 0)
    lines += [
        "",
        "Violated invariants, each counted once a message and arm, in about "
        f"{samples:,} joint samples a cell. Two chunks of the stand-in policy agree to 2 mrad.",
    ]
    return "\n".join(lines)


def comparison_json(found: Sequence[Compared]) -> dict[str, object]:
    """Return the comparison for the JSON file: per driver and row, counts by invariant."""
    result: dict[str, object] = {}
    for name in _drivers(found):
        own = [c for c in found if c.driver == name]
        result[name] = {
            "violations": sum(sum(c.violations.values()) for c in own),
            "samples": sum(c.samples for c in own),
            "rows": {str(c.row): c.violations for c in sorted(own, key=lambda c: c.row)},
        }
    return result


def time_text(seconds: float | None) -> str:
    """Return a time in ms, "–" for none, "never" for an infinite one."""
    if seconds is None:
        return _NO_TIME
    return "never" if seconds == float("inf") else f"{seconds * 1e3:.4g} ms"


def _drivers(found: Sequence[Compared]) -> list[str]:
    names = dict.fromkeys(c.driver for c in found)
    return sorted(names, key=lambda name: name != BRIDGE)


def _by_row(found: Sequence[Compared]) -> list[list[Compared]]:
    """Return the rows in order, each with the drivers in order."""
    drivers = _drivers(found)
    rows = sorted({c.row for c in found})
    return [
        sorted((c for c in found if c.row == row), key=lambda c: drivers.index(c.driver))
        for row in rows
    ]


def _number(row: int) -> str:
    return str(row) if row else _NO_TIME


def _count(found: Compared) -> str:
    return str(sum(found.violations.values()))
