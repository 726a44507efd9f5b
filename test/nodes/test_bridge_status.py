# SPDX-License-Identifier: Apache-2.0
"""bridge/status and /diagnostics say in words why the arms do not move, and what is silent."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402
from tiny_robot import HOME  # noqa: E402
from turned_robot import TurnedRobot, reach  # noqa: E402

from onestep_vla_ros.core.supervisor import Mode  # noqa: E402
from onestep_vla_ros.nodes.qos import EVERY  # noqa: E402
from onestep_vla_ros.nodes.trace import InferenceTrace  # noqa: E402


@pytest.fixture
def robot(make_node, spin):
    return TurnedRobot(make_node, spin, status_period_s="0.1")


def said(robot, *words):
    """Spin until the status in words holds all of `words`."""
    robot.until_status(lambda: all(word in robot.words for word in words), f"{words}")


def test_holding_without_a_chunk_says_that_none_has_arrived(robot):
    assert robot.enable().success
    assert robot.ticks(2) is Mode.HOLD
    said(robot, "HOLD", "no chunk yet", "nothing has arrived on action_chunk")
    assert robot.status["action_chunk_arrived"] == "0"


def test_holding_after_a_chunk_says_how_old_the_newest_is(robot):
    robot.run()
    mode = robot.ticks(90)
    assert mode is Mode.HOLD
    age_s = robot.now_s - robot.chunk_s
    robot.until_status(
        lambda: float(robot.status["action_chunk_age_s"]) == pytest.approx(age_s),
        f"a chunk {age_s} s old",
    )
    said(robot, "HOLD", f"the newest on action_chunk came {age_s:.2f} s ago", "s old")


def test_new_reason_within_a_mode_is_told_at_once(make_node, spin):
    robot = TurnedRobot(make_node, spin, status_period_s="60.0", resume_chunks="3")
    assert robot.enable().success
    assert robot.ticks(2) is Mode.HOLD
    said(robot, "HOLD", "no chunk yet")
    robot.send_chunk(reach(0.01))
    assert robot.ticks(3) is Mode.HOLD
    since_s = time.monotonic()
    said(robot, "HOLD", "1 of 3 good chunks")
    assert time.monotonic() - since_s < 5.0


def test_refused_chunk_says_which_and_why(robot):
    assert robot.enable().success
    robot.ticks(2)
    robot.send_chunk(reach(0.9))
    robot.ticks(2)
    said(robot, "HOLD", "chunk refused", "left_joint1", "outside")


def test_stale_joint_states_are_named_with_their_age(robot):
    robot.run()
    assert robot.ticks(10, joints=False) is Mode.STOP
    said(robot, "STOP", "joint_states are 0.10 s old, allowed 0.05 s")
    assert float(robot.status["joint_states_age_s"]) == pytest.approx(0.1, abs=0.011)


def test_not_enabled_says_what_to_call(robot):
    said(robot, "IDLE", "call bridge/enable")


def test_clock_that_stands_still_is_told_although_no_tick_comes(robot):
    robot.run()
    said(robot, "RUN", "no tick for", "clock stands still")


def test_ramp_to_the_start_pose_is_a_mode_with_the_time_left(make_node, spin):
    robot = TurnedRobot(make_node, spin, start_check="ramp", status_period_s="0.1")
    far = HOME + 0.3 * (np.arange(14) == 0)
    robot.send_start_pose(far - 0.01, far + 0.01)
    start = robot.carrier.bridge._start
    robot.spin(lambda: start._low is not None, what="the start pose")
    answer = robot.enable()
    assert answer.success
    assert "start pose" in answer.message
    assert robot.ticks(3) is Mode.START
    said(robot, "START", "going to the start pose", "s left")
    robot.q = HOME.copy()
    for _ in range(400):
        robot.tick()
        robot.q[:7] = robot.commands["left"][-1].points[0].positions
        if robot.trace.mode is Mode.HOLD:
            break
    assert robot.trace.mode is Mode.HOLD
    assert robot.q[0] == pytest.approx(0.29, abs=1e-6)


def test_enable_is_refused_outside_the_start_poses_and_without_any(make_node, spin):
    robot = TurnedRobot(make_node, spin, start_check="refuse")
    answer = robot.enable()
    assert not answer.success
    assert "policy/start_pose" in answer.message
    robot.send_start_pose(HOME + 0.3, HOME + 0.4)
    start = robot.carrier.bridge._start
    robot.spin(lambda: start._low is not None, what="the start pose")
    robot.tick()
    answer = robot.enable()
    assert not answer.success
    assert "left_joint" in answer.message
    assert "the policy starts at" in answer.message
    robot.send_start_pose(HOME - 0.1, HOME + 0.1)
    robot.spin(lambda: start._low[0] < 0.0, what="the new start pose")
    robot.tick()
    assert robot.enable().success


def test_formless_start_pose_changes_nothing(robot):
    from trajectory_msgs.msg import JointTrajectory

    robot.start_pose.publish(JointTrajectory(joint_names=["elbow"]))
    robot.ticks(5)
    assert robot.carrier.bridge._start._low is None


def test_diagnostics_carry_the_same_with_a_level(robot):
    levels = []

    def take(message):
        levels.extend(s.level for s in message.status if s.name == "bridge")

    robot.node.create_subscription(DiagnosticArray, "/diagnostics", take, EVERY)
    robot.run()
    robot.spin(lambda: levels and levels[-1] == DiagnosticStatus.WARN, what="standstill")
    robot.ticks(5, joints=False)
    robot.ticks(3, joints=False)
    robot.spin(lambda: DiagnosticStatus.ERROR in levels, what="the error")


def test_figures_of_ticks_and_latencies_are_there(robot):
    robot.run()
    key = "capture_to_command_p50_ms"
    robot.until_status(lambda: robot.status.get(key, "nan") != "nan", "the latency")
    robot.until_status(lambda: int(robot.status["ticks"]) > 10, "the count of ticks")
    for clock in ("tick", "tick_cpu"):
        shares = [float(robot.status[f"{clock}_{share}_ms"]) for share in ("p50", "p99", "p999")]
        assert 0.0 < shares[0] <= shares[1] <= shares[2]
    assert float(robot.status["tick_cpu_p99_ms"]) < 1e3


def test_policys_times_enter_the_figures_and_nonsense_does_not(robot):
    trace = robot.node.create_publisher(Float64MultiArray, "policy/trace", EVERY)
    robot.spin(trace.get_subscription_count, what="discovery")
    trace.publish(Float64MultiArray(data=[1.0, float("nan"), 1.0, 1.0]))
    trace.publish(InferenceTrace(1.0, 1.02, 1.03, 1.08).to_message())
    robot.until_status(lambda: robot.status.get("inference_p50_ms") == "50.000000", "the figure")
    assert float(robot.status["capture_to_observed_p99_ms"]) == pytest.approx(20.0)
