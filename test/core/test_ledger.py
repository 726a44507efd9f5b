# SPDX-License-Identifier: Apache-2.0
"""The ledger's figures."""

from __future__ import annotations

import math

import pytest

from onestep_vla_ros.core.ledger import Ledger


def test_latency_ends_with_the_first_running_command():
    ledger = Ledger(10)
    ledger.on_spliced(1.0, 1.08)
    ledger.on_tick(1.085, is_running=False, is_governed=False, missed=0)
    ledger.on_tick(1.09, is_running=True, is_governed=True, missed=0)
    ledger.on_tick(1.10, is_running=True, is_governed=False, missed=2)
    summary = ledger.summary()
    assert summary.capture_to_received.p50_ms == pytest.approx(80.0)
    assert summary.capture_to_command.p50_ms == pytest.approx(90.0)
    assert summary.capture_to_command.count == 1
    counts = (summary.spliced, summary.ticks, summary.run_ticks, summary.governed_ticks)
    assert counts == (1, 3, 2, 1)
    assert summary.overruns == 2


def test_percentiles_look_back_on_the_window_only():
    ledger = Ledger(10)
    for k in range(100):
        ledger.on_spliced(0.0, 0.1 if k < 90 else 0.2)
    summary = ledger.summary()
    assert summary.capture_to_received.count == 10
    assert summary.capture_to_received.p50_ms == pytest.approx(200.0)
    assert summary.spliced == 100


def test_late_chunks_are_also_refused_ones():
    ledger = Ledger(10)
    ledger.on_rejected(is_late=True)
    ledger.on_rejected(is_late=False)
    summary = ledger.summary()
    assert (summary.late, summary.rejected) == (1, 2)


def test_empty_window_has_no_figures():
    assert math.isnan(Ledger(10).summary().capture_to_command.p99_ms)


def test_inference_and_the_ways_to_and_from_it():
    ledger = Ledger(10)
    ledger.on_inference(1.0, observed_s=1.03, started_s=1.04, ended_s=1.09)
    ledger.on_spliced(1.0000004, 1.1)  # stamps come rounded differently on their two ways
    ledger.on_spliced(2.0, 2.2)  # here the chunk is seen before the policy says when it was
    ledger.on_inference(2.0, observed_s=2.03, started_s=2.04, ended_s=2.19)
    ledger.on_inference(3.0, observed_s=3.03, started_s=3.04, ended_s=3.09)  # never spliced
    summary = ledger.summary()
    assert summary.capture_to_observed.p50_ms == pytest.approx(30.0)
    assert summary.inference.count == 3
    assert summary.inference.p50_ms == pytest.approx(50.0)
    assert summary.inferred_to_received.count == 2
    assert summary.inferred_to_received.p50_ms == pytest.approx(10.0)


def test_what_never_meets_its_other_half_is_forgotten():
    ledger = Ledger(10)
    for k in range(5000):
        ledger.on_inference(float(k), k + 0.03, k + 0.04, k + 0.09)
    assert len(ledger._inferred_s) < 200
