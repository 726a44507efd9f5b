# SPDX-License-Identifier: Apache-2.0
"""Deadlines on the steady clock: the wall clock may jump, stamps stay on a grid."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from onestep_vla_ros.nodes.clock import NodeClock  # noqa: E402


def ns(stamp):
    return stamp.sec * 10**9 + stamp.nanosec


@pytest.fixture
def wall(monkeypatch):
    """Let the test put the wall clock forward."""
    real, ahead = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])
    return ahead


def test_robots_deadlines_run_on_the_steady_clock(make_node, wall):
    clock = NodeClock(make_node("robot"))
    assert not clock.is_sim
    before_s = clock.now_s()
    wall[0] = 10.0
    assert clock.now_s() - before_s < 1.0


def must_be_fresh(clock):
    """A stamp made now is of now, give or take how long it takes to ask."""
    before_s = clock.now_s()
    local_s = clock.local_s(time.time())
    assert before_s - 0.005 <= local_s <= clock.now_s() + 0.005


def test_stamp_made_before_a_jump_of_the_wall_clock_and_one_after_it_are_both_fresh(
    make_node, wall
):
    clock = NodeClock(make_node("robot"))
    must_be_fresh(clock)
    wall[0] = -10.0
    must_be_fresh(clock)
    assert clock.jumps == 1
    before_s = time.time()
    assert before_s - 0.005 <= clock.wire_s(clock.now_s()) <= time.time() + 0.005


def test_thread_that_is_held_between_its_looks_at_both_clocks_sees_no_jump(make_node, monkeypatch):
    """On a full machine others got the core there for 10 ms: all stamps then shifted by that."""
    clock, real = NodeClock(make_node("robot")), time.time
    held = iter([0.0, 0.01, 0.02])

    def slow():
        wall_s = real()
        time.sleep(next(held, 0.0))
        return wall_s

    first = clock.local_s(1.7e9)
    monkeypatch.setattr(time, "time", slow)
    assert [clock.local_s(1.7e9) for _ in range(3)] == [first] * 3
    assert next(held, None) is None, "it was held twice"
    assert clock.jumps == 0


def test_stamp_is_the_same_for_the_same_time_while_the_wall_clock_drifts_a_little(make_node, wall):
    clock = NodeClock(make_node("robot"))
    first = clock.local_s(1.7e9)
    wall[0] = 0.003
    assert clock.local_s(1.7e9) == first
    assert clock.jumps == 0


def test_stamps_of_a_grid_are_equally_far_apart_to_the_nanosecond(make_node):
    """In one float, seconds since 1970 come in steps of 240 ns: I6 asks for better."""
    clock = NodeClock(make_node("robot"))
    origin_s = clock.now_s()
    stamps = [ns(clock.stamp(origin_s + k * 0.004)) for k in range(1000)]
    assert np.abs(np.diff(stamps) - 4_000_000).max() <= 1
    assert stamps[0] == pytest.approx(time.time() * 1e9, abs=2e9)


def test_simulation_has_one_clock_for_all(make_node):
    clock = NodeClock(make_node("robot", use_sim_time="true"))
    assert clock.is_sim
    assert clock.now_s() == 0.0
    assert clock.local_s(3.5) == clock.wire_s(3.5) == 3.5
    assert ns(clock.stamp(3.5)) == 3_500_000_000
