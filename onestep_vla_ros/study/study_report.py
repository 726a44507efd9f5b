# SPDX-License-Identifier: Apache-2.0
"""A study as Markdown, JSON and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.study.claims import K1, K10, Table, Verdict, verdicts
from onestep_vla_ros.study.entry import Entry
from onestep_vla_ros.study.markdown import p_text, percent, signed_span, span, table
from onestep_vla_ros.study.pictures import Point, draw
from onestep_vla_ros.study.pool import Pool, compare
from onestep_vla_ros.study.seams import SEAM_NOTE, SeamTable, seam_markdown
from onestep_vla_ros.study.studies import Study
from onestep_vla_ros.train.grid import Results

_NONE, _SAME = "–", "the same"


def tabulate(study: Study, entries: Sequence[Entry], results: Results) -> dict[str, Table]:
    """Return each task's pools by row and column, and perhaps those of all tasks as one."""
    grouped: dict[str, dict[tuple[str, str], dict[int, list[Episode]]]] = {}
    for entry in entries:
        episodes = results.get(entry.cell)
        if episodes:
            place = study.place(entry.variant, entry.cell)
            group = grouped.setdefault(entry.cell.task, {}).setdefault(place, {})
            group.setdefault(entry.seed, []).extend(episodes)
    tables: dict[str, Table] = {
        task: {place: Pool.of(group, task) for place, group in places.items()}
        for task, places in grouped.items()
    }
    if study.is_joined and len(tables) > 1:
        tables[" and ".join(tables)] = _joined(list(tables.values()))
    return tables


def _joined(tables: Sequence[Table]) -> Table:
    """Return all tasks as one, where each of them has episodes."""
    places = [place for place in tables[0] if all(place in table for table in tables)]
    return {place: Pool.joined([table[place] for table in tables]) for place in places}


def study_markdown(
    study: Study, tables: Mapping[str, Table], seams: Mapping[str, SeamTable] | None = None
) -> str:
    """Return the tables and the verdicts; what the README includes."""
    parts = [study.about, ""]
    one_step = {v.name for v in study.variants if v.is_one_step}
    for title, pools in _titled(study, tables).items():
        parts += [pool_table(pools, title, one_step), ""]
    for task, found in (seams or {}).items():
        parts += [seam_markdown(found, f"{task}, at the seams"), ""]
    if seams:
        parts += [SEAM_NOTE, ""]
    parts += [_note(tables), ""]
    parts += [v.line() for v in verdicts(study.name, tables)]
    return "\n".join(parts).rstrip()


def pool_table(pools: Table, title: str = "", one_step: Set[str] = frozenset()) -> str:
    """Return success by row and column, with the paired difference of K where both are there.

    Args:
        pools: Of one task, or with tasks as columns.
        title: Above the rows' names.
        one_step: Rows whose first column stands for all.
    """
    rows = list(dict.fromkeys(row for row, _ in pools))
    columns = list(dict.fromkeys(column for _, column in pools))
    has_gap = {K1, K10} <= set(columns)
    head = [title, *columns, *([f"{K1} less {K10}", "p"] if has_gap else [])]
    lines = []
    for row in rows:
        found = [pools.get((row, column)) for column in columns]
        missing = _SAME if row in one_step else _NONE
        shown = [f"{percent(p.rate)} ({span(p.interval)})" if p else missing for p in found]
        lines.append([row, *shown, *(_gap(pools, row) if has_gap else [])])
    return table(head, lines, left=0)


def seed_table(pools: Table) -> str:
    """Return the success rate of every training seed."""
    seeds = sorted({seed for pool in pools.values() for seed in pool.by_seed})
    rows = [
        [row, column, *(percent(p.by_seed[s]) if s in p.by_seed else _NONE for s in seeds)]
        for (row, column), p in pools.items()
    ]
    return table(["", "", *(f"seed {s}" for s in seeds)], rows, left=0)


def report(
    study: Study, tables: Mapping[str, Table], seams: Mapping[str, SeamTable] | None = None
) -> str:
    """Return report.md: the tables, the verdicts and every training seed."""
    parts = [f"# Study: {study.name}", "", study_markdown(study, tables, seams), ""]
    for title, pools in tables.items():
        parts += [f"## {title}, by training seed", "", seed_table(pools), ""]
    return "\n".join(parts)


def to_json(study: Study, tables: Mapping[str, Table]) -> dict[str, object]:
    """Return the study's figures."""
    judged: list[Verdict] = verdicts(study.name, tables)
    return {
        "study": study.name,
        "rows": [
            {"task": task, "row": row, "column": column, **pool.to_json()}
            for task, pools in tables.items()
            for (row, column), pool in pools.items()
        ],
        "verdicts": [
            {
                "claim": v.claim,
                "task": v.task,
                "words": v.words,
                "verdict": v.verdict,
                "because": v.because,
            }
            for v in judged
        ],
    }


def draw_study(study: Study, tables: Mapping[str, Table], path: Path) -> None:
    """Draw curves of rows over K or of K over a number, a panel a task; bars side by side."""
    is_bar = study.columns == "task"
    panels: dict[str, dict[str, list[Point]]] = {}
    for task, pools in tables.items():
        curves = panels.setdefault("" if is_bar else task, {})
        for (row, column), pool in pools.items():
            x, name = (column, row) if study.is_over_columns else (row, column)
            point = Point(x if is_bar else _number(x), pool.rate, pool.interval)
            curves.setdefault(name, []).append(point)
    draw(panels, study.under, path, is_even=is_bar or study.is_over_columns, is_bar=is_bar)


def _titled(study: Study, tables: Mapping[str, Table]) -> Mapping[str, Table]:
    """Return the tables to show by their titles: one a task, or one whose columns are tasks."""
    if study.columns != "task":
        return tables
    joined: dict[tuple[str, str], Pool] = {}
    for pools in tables.values():
        joined |= pools
    return {"": joined}


def _gap(pools: Table, row: str) -> tuple[str, str]:
    one, ten = pools.get((row, K1)), pools.get((row, K10))
    found = compare(ten, one) if one and ten else None
    if found is None:
        return _NONE, _NONE
    difference = f"{100 * found.paired.difference:+.1f} ({signed_span(found.paired.interval)})"
    return difference, p_text(found.paired.p)


def _note(tables: Mapping[str, Table]) -> str:
    pools = [pool for table in tables.values() for pool in table.values()]
    if not pools:
        return "Nothing has been measured yet."
    trials = sorted({pool.trials for pool in pools})
    seeds = max(len(pool.by_seed) for pool in pools)
    each = f"{trials[0]}" if len(trials) == 1 else f"{trials[0]} to {trials[-1]}"
    if seeds == 1:
        return (
            f"{each} episodes a cell, one training. Intervals are Wilson 95 %, differences on the "
            "same episode seeds with the paired score interval and McNemar's exact p."
        )
    return (
        f"{each} episodes a cell, over {seeds} training seeds. Rates are means of the training "
        "seeds, intervals Wilson 95 % of all episodes pooled (they know nothing of the scatter of "
        "trainings), differences paired by training and episode seed, with McNemar's exact p."
    )


def _number(words: str) -> object:
    """Return the number in "K=10", "H = 20" or "latency 0.2 s"."""
    number = words.split("=")[-1].removeprefix("latency ").removesuffix(" s").strip()
    return int(number) if number.isdigit() else float(number)
