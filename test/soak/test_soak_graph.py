# SPDX-License-Identifier: Apache-2.0
"""The soak's own arithmetic and bar; `onestep-vla soak graph` runs the graph."""

from __future__ import annotations

import os

import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.soak import memory as soak_memory
from onestep_vla_ros.soak.memory import MemoryLog
from onestep_vla_ros.soak.report import broken


@pytest.fixture
def log(monkeypatch):
    """A memory log whose clock and sizes the test sets."""
    log, now = MemoryLog(), [0.0]
    monkeypatch.setattr(soak_memory.time, "monotonic", lambda: now[0])

    def sample(time_s, rss, shared, pid=None):
        now[0] = time_s
        monkeypatch.setattr(soak_memory, "_sizes_mib", lambda pid: (rss, shared))
        log.sample({"node": pid or os.getpid()})

    log.take = sample
    return log


def figures(**changes):
    slope = {"own_mib_h": 0.2, "error_mib_h": 0.1, "span_s": 1200.0}
    sound = {
        "violations": {},
        "lost_messages": 0,
        "publishers": 1,
        "memory": {"bridge": slope},
        "growth_threads_handles": {"bridge": (0, 0)},
        "left": {"processes": [], "shared_memory": []},
    }
    return sound | changes


def test_slope_of_a_straight_line_is_exact(log):
    for i in range(30):
        log.take(60.0 * i, 100.0 + 3.0 * i / 60.0, 50.0 + 1.0 * i / 60.0)
    slope = log.slopes()["node"]
    assert slope.own_mib_h == pytest.approx(2.0)
    assert slope.rss_mib_h == pytest.approx(3.0)
    assert slope.error_mib_h == pytest.approx(0.0, abs=1e-6)
    assert slope.span_s == 29 * 60.0
    assert log.growth()["node"] == (0, 0)


def test_a_process_started_again_begins_anew(log):
    for i in range(5):
        log.take(float(i), 500.0, 400.0)
    for i in range(5, 10):
        log.take(float(i), 100.0, 50.0, pid=os.getppid())
    slope = log.slopes()["node"]
    assert slope.own_mib_h == pytest.approx(0.0)
    assert slope.span_s == 4.0


def test_a_sound_run_meets_the_bar():
    assert broken(figures()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"violations": {"I3": 1}},
        {"lost_messages": 1},
        {"publishers": 2},
        {"memory": {"bridge": {"own_mib_h": 1.0, "error_mib_h": 0.1, "span_s": 1200.0}}},
        {"growth_threads_handles": {"bridge": (1, 0)}},
        {"growth_threads_handles": {"bridge": (0, 1)}},
        {"left": {"processes": [1], "shared_memory": []}},
        {"left": {"processes": [], "shared_memory": ["fastdds_1"]}},
    ],
)
def test_each_part_of_the_bar_counts(changes):
    assert len(broken(figures(**changes))) == 1


def test_a_slope_over_a_short_time_is_not_judged():
    steep = {"own_mib_h": 50.0, "error_mib_h": 9.0, "span_s": 60.0}
    assert broken(figures(memory={"bridge": steep})) == []


def test_no_time_to_soak_is_refused():
    pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
    from onestep_vla_ros.soak.graph import run_soak

    with pytest.raises(ConfigError, match="soak"):
        run_soak(0.0, 10.0, 0, None)
