# SPDX-License-Identifier: Apache-2.0
"""`onestep-vla faults`: tables, JSON and exit status say what the rows came to."""

from __future__ import annotations

import json
import math

import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.faults.command import FaultsRequest, run_faults
from onestep_vla_ros.faults.comparison import BRIDGE, COMPARED, Compared, compare
from onestep_vla_ros.faults.pure_rows import run_all
from onestep_vla_ros.faults.row import FAULTS, RowResult
from onestep_vla_ros.faults.tables import (
    comparison_json,
    comparison_markdown,
    rows_markdown,
    time_text,
)

ROWS = [
    RowResult(1, FAULTS[1], 0.16, 0.1593, True, "pure", "seen", 0, 10),
    RowResult(6, FAULTS[6], 0.06, math.inf, False, "pure", "too | late\nby far", 2, 10),
    RowResult(7, FAULTS[7], None, None, True, "pure"),
]


def request(tmp_path, **changes):
    given = {"rows": (27, 28), "processes": False, "repetitions": 1, "seed": 0, "readme": None}
    return FaultsRequest(**{**given, "json": tmp_path / "f.json", **changes})


def test_rows_that_hold_end_with_0_and_stand_in_the_json(tmp_path, capsys):
    assert run_faults(request(tmp_path)) == 0
    written = json.loads((tmp_path / "f.json").read_text())
    assert written["command"] == "faults"
    assert written["violations"] == 0
    assert [row["row"] for row in written["rows"]] == [27, 28]
    assert {"row", "fault", "bound_s", "worst_s", "holds", "kind", "detail"} <= set(
        written["rows"][0]
    )
    assert written["rows"][0]["worst_s"] < written["rows"][0]["bound_s"] == 1.0
    assert "2 of 2 rows hold" in capsys.readouterr().out


def test_an_unknown_row_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(ConfigError, match="1 to 35"):
        next(run_all((1, 36), 0))


def test_the_readme_needs_all_rows(tmp_path):
    with pytest.raises(ConfigError, match="all rows"):
        run_faults(request(tmp_path, readme=tmp_path / "README.md"))


def test_a_row_that_does_not_hold_ends_with_1(tmp_path, monkeypatch, capsys):
    def run(rows, seed):
        yield ROWS[1]

    monkeypatch.setattr("onestep_vla_ros.faults.command.run_all", run)
    assert run_faults(request(tmp_path, rows=(6,))) == 1
    assert json.loads((tmp_path / "f.json").read_text())["rows"][0]["worst_s"] == "inf"
    out = capsys.readouterr().out
    assert "NO" in out
    assert "0 of 1 rows hold, 2 violations" in out


def test_a_bridge_that_violates_in_the_comparison_ends_with_1(tmp_path, monkeypatch):
    def run(rows, seed):
        yield ROWS[0]
        yield [Compared(1, FAULTS[1], BRIDGE, {"I5": 1}, 100)]

    monkeypatch.setattr("onestep_vla_ros.faults.command.run_all", run)
    assert run_faults(request(tmp_path, rows=(1,))) == 1


def test_markdown_keeps_its_columns_whatever_a_detail_holds():
    lines = rows_markdown(ROWS).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(ROWS)
    assert {line.replace("\\|", "").count("|") for line in table} == {7}
    assert "| 6 | joint states off | 60 ms | never | **no** |" in table[3]
    assert lines[-1] == "2 of 3 rows hold; 21 cases, 2 violations."


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "–"), (math.inf, "never"), (0.1593, "159.3 ms"), (0.0, "0 ms")]
)
def test_times_are_read_at_a_glance(seconds, text):
    assert time_text(seconds) == text


@pytest.mark.parametrize("row", [0, 15])
def test_the_bridge_violates_nothing_where_the_alternatives_do(row):
    found = compare(row, 0)
    by_name = {c.driver: c for c in found}
    assert not by_name.pop(BRIDGE).violations
    assert len(by_name) == 5
    assert all(c.violations for c in by_name.values())
    if row == 15:
        assert by_name["hard chunk swap"].violations["I1"] > 0
    table = comparison_markdown(found)
    assert table.splitlines()[0].startswith(f"| row | fault | {BRIDGE} | hard chunk swap |")
    figures = comparison_json(found)
    assert figures[BRIDGE]["violations"] == 0
    assert figures["hard chunk swap"]["rows"][str(row)] == by_name["hard chunk swap"].violations


def test_every_compared_row_is_one_of_the_matrix():
    assert set(COMPARED) <= {0, *FAULTS}
    assert len(COMPARED) >= 15
