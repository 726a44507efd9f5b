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
