# SPDX-License-Identifier: Apache-2.0
"""The hand-over study: the same chunks for all, ours within every limit, the others not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from onestep_vla_ros.bench.seam_alternatives import HardSwap, LinearBlend
from onestep_vla_ros.bench.seam_stream import Stream
from onestep_vla_ros.bench.seams import run_bench_seams, run_executor
from onestep_vla_ros.core.chunk import Chunk


def test_ours_keeps_the_limits_where_the_alternatives_do_not(tmp_path):
    assert run_bench_seams(3, tmp_path / "seams.json", hand_overs=25) == 0
    result = json.loads((tmp_path / "seams.json").read_text())
    assert result["command"] == "bench seams"
    rows = {row["name"]: row for row in result["rows"]}
    assert rows["hard swap"]["violations"] > 100
    assert rows["linear blend"]["violations"] > 100
    for mode in ("splice", "blend", "ensemble"):
        row = rows[f"ours, {mode}"]
        assert (row["violations"], row["refused"]) == (0, 0)
        assert 0 < row["jerk_ratio_to_baseline"] < 0.1
        assert row["distance_to_wish_mrad"] < 60


def test_chunks_come_one_after_the_other_up_to_400_ms_late():
    stream, again = Stream(5, 200, 0.01), Stream(5, 200, 0.01)
    delays = np.array([h.arrival_s - h.chunk.stamp_s for h in stream.hand_overs])
    assert delays.min() >= 0.0
    assert 0.35 < delays.max() <= 0.4
    for before, after in zip(stream.hand_overs, stream.hand_overs[1:], strict=False):
        assert after.chunk.stamp_s > before.arrival_s
    assert np.array_equal(stream.hand_overs[7].chunk.q, again.hand_overs[7].chunk.q)


def test_alternatives_do_what_they_stand_for():
    home, chunk = np.zeros(14), Chunk(np.full((4, 14), 0.2), 1.0, 0.1)
    swap, blend = HardSwap(home), LinearBlend(home, 0.2)
    for executor in (swap, blend):
        assert not executor.command(1.0).any()
        executor.on_chunk(chunk, 1.0)
    assert swap.command(1.01)[0] == pytest.approx(0.2)
    assert [blend.command(1.0 + t)[0] for t in (0.0, 0.1, 0.2, 0.3)] == pytest.approx(
        [0.0, 0.1, 0.2, 0.2]
    )
    blend.on_chunk(Chunk(np.full((4, 14), 0.4), 1.1, 0.1), 1.3)
    assert blend.command(1.4)[0] == pytest.approx(0.3)


def test_every_tick_gets_a_command():
    stream = Stream(1, 5, 0.01)
    assert run_executor(HardSwap(stream.home), stream).shape == (len(stream.ticks_s), 14)
