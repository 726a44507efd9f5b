# SPDX-License-Identifier: Apache-2.0
"""A bridge that is told to end brings the arms to rest first, and ends with status 0."""

from __future__ import annotations

import signal
import time

import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from std_srvs.srv import Trigger  # noqa: E402

from onestep_vla_ros.nodes.messages import to_seconds  # noqa: E402

T_STOP_S = 2.0 / 10.0 + 2 * 10.0 / 500.0
TC = 0.01
LATE_S = 0.1
"""A process sees a signal between two callbacks, at the latest when its executor wakes."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_while_moving_brakes_to_rest_and_ends_with_status_0(live, number):
    robot = live()
    robot.run()
    since_s, sent_s = time.monotonic(), time.time()
    robot.process.send_signal(number)
    robot.live(lambda: robot.process.poll() is not None, "the end", limit_s=3.0)
    assert robot.process.returncode == 0
    robot.live_for(0.1)
    speeds = [abs(message.points[0].velocities[0]) for _, message in robot.heard]
    assert max(speeds[-30:]) > 0.1, "it was moving"
    assert speeds[-1] == 0.0, "the last command is at rest"
    first_at_rest = next(
        m
        for (_, m), v in zip(robot.heard[-60:], speeds[-60:], strict=True)
        if v == 0.0 and to_seconds(m.header.stamp) > sent_s
    )
    late_s = LATE_S + robot.machine.worst_s(since_s)
    assert to_seconds(first_at_rest.header.stamp) - sent_s <= TC + T_STOP_S + late_s


def test_signal_to_a_bridge_that_is_not_enabled_ends_it_at_once(live):
    robot = live()
    robot.process.send_signal(signal.SIGTERM)
    robot.live(lambda: robot.process.poll() is not None, "the end", limit_s=2.0)
    assert robot.process.returncode == 0
    assert robot.heard == []


def test_signal_while_simulated_time_stands_still_ends_it_within_bounded_time(live):
    """No tick comes any more: the arms rest on the last message's tail, the process ends."""
    robot = live(use_sim_time="true")
    robot.run()
    robot.has_clock = False
    robot.live(lambda: robot.trace.tick_s > robot.clock_s - 1e-6, "the tick of the last clock")
    before = len(robot.heard)
    robot.process.send_signal(signal.SIGTERM)
    robot.live(lambda: robot.process.poll() is not None, "the end", limit_s=2.0)
    assert robot.process.returncode == 0
    assert len(robot.heard) == before
    assert set(robot.heard[-1][1].points[-1].velocities) == {0.0}


def test_signal_in_simulated_time_brakes_on_that_clock(live):
    robot = live(use_sim_time="true")
    robot.run()
    robot.process.send_signal(signal.SIGTERM)
    robot.live(lambda: robot.process.poll() is not None, "the end", limit_s=3.0)
    robot.live_for(0.1)
    assert robot.process.returncode == 0
    assert robot.heard[-1][1].points[0].velocities[0] == 0.0


def test_callers_who_wait_for_a_stop_are_answered_before_the_end(live):
    robot = live(use_sim_time="true")
    robot.run()
    robot.has_clock = False
    client = robot.node.create_client(Trigger, "bridge/stop")
    robot.live(client.service_is_ready, "bridge/stop")
    future = client.call_async(Trigger.Request())
    robot.live_for(0.3)
    robot.process.send_signal(signal.SIGTERM)
    robot.live(future.done, "the answer", limit_s=3.0)
    assert not future.result().success
