# SPDX-License-Identifier: Apache-2.0
"""The simulated arms do with a trajectory what ros2_control's controller does."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("trajectory_msgs", reason="the ROS 2 message packages are not installed")
pytestmark = pytest.mark.ros

from std_msgs.msg import Float64MultiArray  # noqa: E402
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint  # noqa: E402

from onestep_vla_ros.core.joints import DOF, JOINT_NAMES, arm_slice  # noqa: E402
from onestep_vla_ros.nodes.controller import ArmController  # noqa: E402
from onestep_vla_ros.nodes.messages import to_duration, to_stamp  # noqa: E402

COEFFICIENTS = np.random.default_rng(0).normal(size=(6, DOF))


def polynomial(t, derivative=0):
    p = np.polynomial.polynomial.polyder(COEFFICIENTS, derivative) if derivative else COEFFICIENTS
    return np.polynomial.polynomial.polyval(t, p, tensor=True).T


def trajectory(arm, stamp_s, times, q, qd, qdd):
    """One arm's part of knots (K, 14)."""
    part = arm_slice(arm)
    sent = JointTrajectory(joint_names=list(JOINT_NAMES[part]))
    sent.header.stamp = to_stamp(stamp_s)
    for k, t in enumerate(times):
        point = JointTrajectoryPoint(time_from_start=to_duration(float(t)))
        point.positions, point.velocities, point.accelerations = (
            x[k, part].tolist() for x in (q, qd, qdd)
        )
        sent.points.append(point)
    return sent


def message(stamp_s, goal=1.0, *, arm="left", duration_s=1.0):
    """From 0 to `goal` at rest in `duration_s`."""
    q = np.vstack([np.zeros(DOF), np.full(DOF, goal)])
    zeros = np.zeros((2, DOF))
    return trajectory(arm, stamp_s, np.array([0.0, duration_s]), q, zeros, zeros)


@pytest.fixture
def controller():
    return ArmController("left", np.zeros(DOF))


def test_quintic_between_knots_is_exact(controller):
    times = np.array([0.0, 0.3, 0.7])
    q, qd, qdd = (polynomial(times, d) for d in range(3))
    sent = trajectory("left", 5.0, times, q, qd, qdd)
    sent.points[-1].velocities = [0.0] * 7  # only the end must rest; look before it
    assert controller.on_trajectory(sent, 5.0)
    for t in (0.0, 0.1, 0.29):
        assert controller.sample(5.0 + t) == pytest.approx(polynomial(t)[:7], abs=1e-9)


def test_last_point_is_held_after_the_end(controller):
    controller.on_trajectory(message(1.0, 0.5), 1.0)
    assert controller.sample(9.0).tolist() == [0.5] * 7
    assert controller.sample(99.0).tolist() == [0.5] * 7


def test_running_trajectory_stays_in_charge_until_the_new_stamp(controller):
    controller.on_trajectory(message(1.0, 0.5), 1.0)
    controller.on_trajectory(message(1.5, -0.5), 1.0)
    assert controller.sample(1.4)[0] > 0.1
    assert controller.sample(1.5)[0] == 0.0
    assert controller.sample(9.0)[0] == -0.5


def test_stream_of_messages_that_are_always_ahead_is_followed(controller):
    """Each replaced the one before unplayed: the arm never left the first."""
    times, still = np.array([0.0, 0.01]), np.zeros((2, DOF))
    for k in range(50):
        at_s = 1.0 + 0.01 * k
        there = trajectory("left", at_s, times, np.full((2, DOF), float(k)), still, still)
        assert controller.on_trajectory(there, at_s - 0.025)
        assert controller.sample(at_s - 0.025)[0] == max(k - 3, 0)
    assert controller.sample(9.0)[0] == 49.0
    assert controller.on_trajectory(message(10.0, 1.0), 9.0)
    assert controller.on_trajectory(message(9.5, -1.0), 9.0)  # it overlaps: the later one is off
    assert controller.sample(20.0)[0] == -1.0


def test_late_message_is_joined_on_its_own_clock(controller):
    controller.on_trajectory(message(1.0, 1.0), 1.5)
    assert controller.sample(1.5)[0] == pytest.approx(0.5)


def test_stamp_zero_starts_on_arrival(controller):
    sent = message(0.0, 1.0)
    sent.header.stamp = to_stamp(0.0)
    controller.on_trajectory(sent, 7.0)
    assert controller.sample(7.5)[0] == pytest.approx(0.5)


def test_permuted_joints_are_put_in_order(controller):
    sent = message(1.0)
    sent.joint_names = list(reversed(sent.joint_names))
    for point in sent.points:
        point.positions = [float(i) for i in range(7)]
    controller.on_trajectory(sent, 1.0)
    assert controller.sample(9.0).tolist() == [6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda m: m.points[0].positions.__setitem__(2, float("nan")), "not_finite"),
        (lambda m: m.points[1].velocities.__setitem__(2, float("inf")), "not_finite"),
        (lambda m: m.points[1].accelerations.__setitem__(2, float("nan")), "not_finite"),
        (lambda m: m.points[-1].velocities.__setitem__(0, 0.1), "does_not_end_at_rest"),
        (lambda m: m.points.reverse(), "times_not_rising"),
        (lambda m: m.points.clear(), "wrong_number_of_points"),
        (lambda m: m.points[0].velocities.pop(), "wrong_length"),
        (lambda m: m.joint_names.__setitem__(0, "right_joint1"), "wrong_joints"),
        (lambda m: m.joint_names.pop(), "wrong_joints"),
        (lambda m: setattr(m.header, "stamp", to_stamp(-0.5 + 0.6)), "all_in_the_past"),
    ],
)
def test_unsound_trajectory_is_ignored_and_counted(controller, spoil, reason):
    controller.on_trajectory(message(3.0, 0.5), 3.0)
    sent = message(3.0, 1.0)
    spoil(sent)
    assert not controller.on_trajectory(sent, 3.0)
    assert controller.refused == {reason: 1}
    assert controller.sample(9.0).tolist() == [0.5] * 7


def test_bare_positions_are_taken_when_finite(controller):
    assert controller.on_positions(Float64MultiArray(data=[0.1] * 7))
    assert not controller.on_positions(Float64MultiArray(data=[0.2] * 6))
    assert not controller.on_positions(Float64MultiArray(data=[0.2] * 6 + [float("nan")]))
    assert controller.sample(1.0).tolist() == [0.1] * 7
    assert controller.refused == {"wrong_length": 1, "not_finite": 1}


def test_driver_of_last_points_goes_to_the_last_whatever_its_time(controller):
    sent = message(7.0, 0.3)
    assert controller.on_last_point(sent)
    assert controller.sample(1.0).tolist() == [0.3] * 7
    sent.joint_names = list(reversed(sent.joint_names))
    sent.points[-1].positions = [float(i) for i in range(7)]
    assert controller.on_last_point(sent)
    assert controller.sample(1.0).tolist() == [6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda m: m.points[-1].positions.__setitem__(2, float("nan")), "not_finite"),
        (lambda m: m.points.clear(), "wrong_number_of_points"),
        (lambda m: m.points[-1].positions.pop(), "wrong_length"),
        (lambda m: m.joint_names.__setitem__(0, "right_joint1"), "wrong_joints"),
    ],
)
def test_unsound_last_point_is_ignored_and_counted(controller, spoil, reason):
    sent = message(3.0, 1.0)
    spoil(sent)
    assert not controller.on_last_point(sent)
    assert controller.refused == {reason: 1}
    assert controller.sample(9.0).tolist() == [0.0] * 7
