# SPDX-License-Identifier: Apache-2.0
"""The real bridge process on the steady clock, as on a robot: timer, stamps, 250 Hz profile."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros


from live_robot import PERIOD_S  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402
from tiny_robot import HOME  # noqa: E402

from onestep_vla_ros.core.supervisor import Mode  # noqa: E402
from onestep_vla_ros.nodes.qos import EVERY  # noqa: E402
from onestep_vla_ros.nodes.trace import InferenceTrace  # noqa: E402


def stamps_ns(robot):
    return np.array([m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for _, m in robot.heard])


PROFILES = {
    0.01: ("bridge.yaml", "bridge_robot.yaml"),
    0.004: ("bridge.yaml", "bridge_robot.yaml", "bridge_250hz.yaml"),
}


@pytest.mark.parametrize("period_s", list(PROFILES))
def test_set_points_lie_on_the_periods_grid_and_ahead_of_time(live, period_s):
    # the profile's own deadlines but for the joint states, which a busy machine delays
    robot = live(*PROFILES[period_s], resume_chunks=1)
    since_s = time.monotonic()
    robot.run()
    robot.live_for(0.5)
    stamps = stamps_ns(robot)
    steps = np.diff(stamps) / (period_s * 1e9)
    assert np.abs(steps - np.rint(steps)).max() < 1e-6, "whole periods, to the nanosecond"
    assert steps.min() >= 1.0
    missed_s = (steps - 1.0).sum() * period_s
    taken_s = time.monotonic() - since_s
    assert missed_s < 0.05 * taken_s + robot.machine.worst_s(since_s), "no period without cause"
    names = ("tick_p99_ms", "tick_cpu_p99_ms")
    robot.live(lambda: int(robot.status.get("tick_count", 0)) > 100, "the figures")
    assert all(0.0 < float(robot.status[name]) < 500.0 for name in names)


@pytest.mark.parametrize("mode", ["joint_trajectory", "joint_trajectory_point"])
def test_first_command_is_the_measured_pose_at_rest(live, mode):
    """Without the field checks of our tests a message's setter copies: all commands were zero."""
    robot = live(output_mode=f"[{mode}, forward_position]")
    robot.q[0], robot.q[8] = 0.123, 1.234
    measured = robot.q.copy()
    robot.live_for(0.1)
    robot.enable()
    robot.live(lambda: robot.heard and robot.positions, "a command")
    point = robot.heard[0][1].points[0]
    assert point.positions.tolist() == measured[:7].tolist()
    assert set(point.velocities) <= {0.0}
    assert robot.positions[0].data.tolist() == measured[7:].tolist()


def test_plan_runs_out_into_rest_when_the_policy_falls_silent(live):
    robot = live()
    since_s = time.time()
    robot.run()
    robot.step = 0.0
    robot.live(lambda: robot.trace.mode is Mode.HOLD, "the plan's end")
    robot.live(lambda: robot.heard[-1][1].points[0].velocities[0] == 0.0, "rest")
    assert robot.trace.chunk_stamp_s >= since_s
    assert abs(robot.heard[-1][1].points[0].positions[0]) > 0.05


def test_policys_times_are_matched_with_its_chunks_on_the_steady_clock(live):
    robot = live(status_period_s=0.1)
    trace = robot.node.create_publisher(Float64MultiArray, "policy/trace", EVERY)
    robot.live(trace.get_subscription_count, "discovery")
    robot.enable()
    robot.live(lambda: robot.heard, "the first command")
    key, sent_s = "inferred_to_received_p50_ms", []

    def is_matched():
        if not sent_s or time.monotonic() > sent_s[-1] + 0.5:  # a late one is refused
            sent_s.append(time.monotonic())
            captured_s = robot.send_chunk(np.tile(HOME, (16, 1)))
            trace.publish(InferenceTrace(captured_s, *[captured_s] * 3).to_message())
        return robot.status.get(key, "nan") != "nan"

    robot.live(is_matched, "the match")
    assert 0.0 < float(robot.status[key]) < 2000.0  # not the 50 years between both clocks


def test_lost_joint_states_stop_the_arms_by_the_steady_clock(live):
    """By the stamps of the last joint state and of the ticks, however late we hear of them."""
    timeout_s, fault_s, skew_s = 0.2, 1.0, 0.01
    robot = live(joint_state_timeout_s=timeout_s)
    robot.run(step=0.02)
    robot._due_s = float("inf")
    since_s, last_s = time.monotonic(), robot.stamp_s
    robot.live(lambda: robot.trace.mode is Mode.FAULT, "the fault")
    first = {}
    for trace in robot.traces:
        if trace.tick_s > last_s:
            first.setdefault(trace.mode, trace.tick_s - last_s)
    late_s = 2.0 * PERIOD_S + robot.machine.worst_s(since_s)
    assert timeout_s - skew_s < first[Mode.STOP] < timeout_s + skew_s + late_s
    assert fault_s - skew_s < first[Mode.FAULT] < fault_s + skew_s + late_s
