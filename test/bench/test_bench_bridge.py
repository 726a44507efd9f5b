# SPDX-License-Identifier: Apache-2.0
"""The bench measures the real bridge process and says whether the targets were met."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = [pytest.mark.ros, pytest.mark.slow]

from onestep_vla_ros.bench import bridge as bench  # noqa: E402


def test_bench_tells_every_figure_of_a_real_bridge(tmp_path):
    cases = (bench.Case(bench.BASELINE, 100, is_loaded=False, mode="forward_position"),)
    cases += (bench.Case("250 Hz", 250, is_loaded=True),)
    path = tmp_path / "bench.json"
    status = bench.run_bench_bridge(3.0, path, cases)
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["command"] == "bench bridge"
    assert result["machine"]["cpu"]
    assert status == (0 if result["holds"] else 1)
    base, row = result["rows"]
    assert base["name"] == "baseline"
    assert base["ratio"] == 1.0
    assert row["ratio"] > 0.0
    for one in (base, row):
        rate = one["rate_hz"]
        # figures of a process that really ran: about the periods of the time, most of it moving
        assert 0.3 * 3.0 * rate < one["ticks"] + one["missed_ticks"] < 3.0 * 4.0 * rate
        assert one["messages"] > 0.1 * 3.0 * rate  # the machine may be full of other tests
        assert one["run_share"] > 0.0
        assert 0.0 < one["cpu_share"] < 1.5
        assert 0.0 < one["tick_p50_ms"] <= one["tick_p99_ms"] <= one["tick_max_ms"]
        assert 0.0 < one["tick_cpu_p50_ms"] < 20.0
        assert 0.0 < one["capture_to_command_p50_ms"] <= one["capture_to_command_p99_ms"] < 300.0
        assert 0.0 <= one["sent_jitter_ms"]["p50"] < 1e3 / rate
        assert one["transport_ms"]["p50"] > 0.0


@pytest.mark.parametrize(
    ("changed", "holds"),
    [
        ({}, True),
        ({"tick_p99_ms": "1.2"}, False),
        ({"overruns": "30"}, False),
    ],
)
def test_row_says_whether_its_targets_were_met(changed, holds):
    counters = ("ticks", "overruns", "run_ticks", "process_cpu_s", "steady_s")
    first = dict.fromkeys((*counters, *bench._TICK), "0.5")
    first |= {"capture_to_command_p50_ms": "5.0", "capture_to_command_p99_ms": "9.0"}
    last = first | {"ticks": "15000", "steady_s": "60.0", "mode": "RUN"} | changed
    seen = dict.fromkeys(bench._SEEN, 0)
    measured = {"first": first, "last": last, "is_fifo": False, **seen}
    row = bench._row(bench.Case("250 Hz, idle", 250, is_loaded=False), measured)
    assert row["holds"] is holds
    if "overruns" in changed:
        assert row["missed_share"] == pytest.approx(29.5 / 14999.5)


def test_loaded_row_is_judged_by_processor_time():
    first = dict.fromkeys(("ticks", "overruns", "run_ticks", "process_cpu_s"), "0.0")
    first |= dict.fromkeys(bench._TICK, "0.5") | {"steady_s": "0.0"}
    first |= {"capture_to_command_p50_ms": "5.0", "capture_to_command_p99_ms": "9.0"}
    last = first | {"ticks": "100", "steady_s": "1.0", "tick_p99_ms": "7.0"}
    measured = {"first": first, "last": last, "is_fifo": False}
    measured |= dict.fromkeys(bench._SEEN, 0)
    case = bench.Case("loaded", 100, is_loaded=True)
    assert bench._row(case, measured)["holds"] is True
    last["tick_cpu_p99_ms"] = "1.1"
    assert bench._row(case, measured)["holds"] is False


def test_bridge_that_does_not_start_ends_the_bench_with_its_words(monkeypatch):
    monkeypatch.setattr(bench, "_bridge", lambda case: ["sh", "-c", "echo no bridge; exit 1"])
    with pytest.raises(bench.BenchFailed, match="no bridge"):
        bench.run_bench_bridge(1.0, None, bench.CASES[:1])
