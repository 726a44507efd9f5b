# SPDX-License-Identifier: Apache-2.0
"""The bench plays the same actions in every way, and says when one of them ends elsewhere."""

from __future__ import annotations

import json

import numpy as np
import pytest

from onestep_vla_ros.bench import libero as bench
from onestep_vla_ros.bench.libero_replay import BASELINE, WAYS, Played, Recording
from onestep_vla_ros.core.errors import ConfigError

BASE = Played(60.0, 50.0, [3.0, 5.0], [0.1, 0.2, 0.3], [True, False], [[1.0, 2.0], [3.0, 4.0]])


def played(wall_s=30.0, state=4.0):
    return Played(wall_s, 20.0, [3.0, 5.0], [0.1], [True, True], [[1.0, 2.0], [3.0, state]])


def test_the_first_way_is_the_packages_own_and_looks_at_every_step():
    assert WAYS[0].name == BASELINE
    assert WAYS[0].rendering is None
    assert {way.every for way in WAYS} == {1, 8}
    assert len({way.name for way in WAYS}) == len(WAYS)


def test_a_row_counts_episodes_a_minute_and_its_ratio_to_the_baseline():
    row = bench._row("ours", played(), BASE)
    assert (row.episodes, row.successes) == (2, 2)
    assert row.per_minute == pytest.approx(4.0)
    assert row.ratio == pytest.approx(2.0)
    assert row.start_s == pytest.approx(4.0)
    assert row.cpu_s == pytest.approx(10.0)
    assert bench._row("base", BASE, BASE).ratio == 1.0


def test_a_row_holds_only_when_it_ends_where_the_baseline_ends():
    assert bench._row("ours", played(), BASE).holds
    moved = bench._row("ours", played(state=4.0 + 1e-9), BASE)
    assert moved.off_by == pytest.approx(1e-9)
    assert not moved.holds


def test_no_episodes_are_refused():
    with pytest.raises(ConfigError, match=r"episodes of each task; got: 0; allowed: >= 1"):
        bench.run_bench_libero("libero_object", [0], 0, None)


def test_a_process_that_ends_early_is_named(tmp_path):
    with pytest.raises(bench.ReplayFailed, match=r"'baseline' ended early.*No such file"):
        bench._measure(WAYS[0], tmp_path / "missing.json")


@pytest.mark.libero
@pytest.mark.slow
def test_every_way_ends_where_the_packages_own_runner_ends(tmp_path, monkeypatch):
    pytest.importorskip("libero", reason="needs the pip extra libero (make test-libero)")
    real = bench.record

    def short(*arguments):
        return [Recording(r.suite, r.task, r.state, r.actions[:12]) for r in real(*arguments)]

    monkeypatch.setattr(bench, "record", short)
    path = tmp_path / "bench.json"
    assert bench.run_bench_libero("libero_object", [0], 1, path) == 0
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["command"] == "bench libero"
    assert result["machine"]["cpu"]
    assert result["steps"] == 12
    assert [row["name"] for row in result["rows"]] == [way.name for way in WAYS]
    for row in result["rows"]:
        assert row["off_by"] == 0.0
        assert row["per_minute"] > 0.0
        assert np.isfinite(row["cpu_s"])
        assert 0.0 < row["step_ms"]["p50"] <= row["step_ms"]["p99"]
    assert result["rows"][0]["ratio"] == 1.0
