# SPDX-License-Identifier: Apache-2.0
"""What the controllers receive in each output mode, with the robot's own names and units."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from rclpy.serialization import deserialize_message  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from tiny_robot import HOME  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402
from turned_robot import TC, TurnedRobot  # noqa: E402

from onestep_vla_ros.core.joints import DOF, JOINT_NAMES  # noqa: E402
from onestep_vla_ros.core.supervisor import Mode  # noqa: E402
from onestep_vla_ros.nodes.messages import to_seconds, to_stamp  # noqa: E402
from onestep_vla_ros.nodes.template import TrajectoryTemplate  # noqa: E402

NAMES = [f"{arm}_{part}" for arm in ("l", "r") for part in ("a", "b", "c", "d", "e", "f", "jaw")]
SCALE = np.array([1.0, -1.0, 2.0, 1.0, 1.0, 1.0, -0.0475] * 2)
OFFSET = np.array([0.0, 0.0, 0.1, 0.0, 0.0, 0.0, 0.0475] * 2)


def quoted(names):
    return "[" + ", ".join(names) + "]"


def numbers(values):
    return "[" + ", ".join(f"{value:.6f}" for value in values) + "]"


def test_trajectory_has_its_knots_where_the_jerk_switches(make_node, spin):
    """Between knots a quintic must be the cubic that the stop is: constant jerk, within J."""
    robot = TurnedRobot(make_node, spin)
    robot.run()
    message = robot.commands["left"][-1]
    points = message.points[:-1]  # the last one says: rest
    assert len(points) > 2
    times = np.array([to_seconds(point.time_from_start) for point in points])
    qdd = np.array([point.accelerations for point in points])
    qd = np.array([point.velocities for point in points])
    spans = np.diff(times)[:, None]
    jerk = np.diff(qdd, axis=0) / spans
    assert np.abs(jerk).max() <= 500.0 * (1.0 + 1e-6)
    mean = (qdd[1:] + qdd[:-1]) / 2.0
    assert np.diff(qd, axis=0) / spans == pytest.approx(mean, abs=1e-6)


def test_every_mode_carries_the_same_motion_and_arms_may_differ(make_node, spin):
    modes = '["forward_position", "joint_trajectory_point"]'
    robot = TurnedRobot(make_node, spin, output_mode=modes)
    robot.run()
    assert robot.commands["left"] == []
    sent = robot.commands["right"]
    assert len(robot.positions) == len(sent) > 10
    assert robot.positions[-1].data[0] > HOME[0] + 0.01
    for message in sent:
        assert message.joint_names == list(JOINT_NAMES[7:])
        (point,) = message.points
        assert to_seconds(point.time_from_start) == TC
        assert not len(point.velocities)
        assert not len(point.accelerations)
    due = [to_seconds(m.header.stamp) + TC for m in sent]
    assert np.diff(due) == pytest.approx(TC)
    # the tick of `now` names the set point that is due one period later
    assert due[-1] == pytest.approx(robot.now_s + TC)


def test_gripper_may_have_a_topic_of_its_own(make_node, spin):
    joints = {f"{a}_output_joints": quoted(JOINT_NAMES[i : i + 6]) for i, a in PARTS}
    robot = TurnedRobot(make_node, spin, gripper_output="forward_position", **joints)
    robot.run()
    assert robot.commands["right"][-1].joint_names == list(JOINT_NAMES[7:13])
    assert all(len(p.positions) == 6 for p in robot.commands["right"][-1].points)
    assert robot.grippers[-1].data.tolist() == [HOME[13]]
    assert len(robot.grippers) == len(robot.commands["right"])


PARTS = ((0, "left"), (7, "right"))


@pytest.fixture
def foreign(make_node, spin):
    """A robot with names, order and units of its own."""
    order = [6, 5, 4, 3, 2, 1, 0]
    joints = {f"{a}_output_joints": quoted([NAMES[i + k] for k in order]) for i, a in PARTS}
    robot = TurnedRobot(
        make_node,
        spin,
        joint_names=quoted(NAMES),
        wire_scale=numbers(SCALE),
        wire_offset=numbers(OFFSET),
        **joints,
    )
    shuffled = np.random.default_rng(1).permutation(DOF)

    def publish(message):
        q = SCALE * np.array(message.position) + OFFSET
        own = JointState(name=[NAMES[i] for i in shuffled], position=q[shuffled].tolist())
        own.velocity = (SCALE * np.array(message.velocity))[shuffled].tolist()
        own.header.stamp = message.header.stamp
        send(own)

    send, robot.joints.publish = robot.joints.publish, publish
    robot.ticks(2)
    return robot


def test_robot_with_names_order_and_units_of_its_own_is_served(foreign):
    foreign.run()
    first, last = foreign.commands["left"][0], foreign.commands["left"][-1]
    assert first.joint_names == list(reversed(NAMES[:7]))
    expected = (SCALE * HOME + OFFSET)[:7][::-1]
    assert np.array(first.points[0].positions) == pytest.approx(expected, abs=1e-12)
    assert last.points[0].positions[6] > HOME[0] + 0.01  # joint 1 comes last
    moved = np.array(last.points[0].positions)[:6]
    assert moved == pytest.approx(expected[:6], abs=1e-9)


def test_joint_state_that_misses_a_joint_of_the_robots_own_names_is_refused(foreign):
    foreign.run()
    message = JointState(name=NAMES[1:], position=[0.0] * 13)
    message.header.stamp = to_stamp(foreign.now_s + TC)
    foreign.node.create_publisher(JointState, "joint_states", 5).publish(message)
    foreign.spin(lambda: foreign.carrier.bridge.counts["joint_states: malformed"], what="refusal")
    assert foreign.ticks(2) is Mode.FAULT
    assert "l_a" in foreign.status["reason"]


@pytest.mark.parametrize("points", [2, 5, 23])
def test_template_says_what_the_plain_message_would(points):
    rng = np.random.default_rng(points)
    template = TrajectoryTemplate(list(JOINT_NAMES[:7]), points)
    for _ in range(2):  # the second time the bytes hold the first one's numbers
        states = rng.normal(size=(3, points, 7))
        times_ns = np.sort(rng.integers(0, 3 * 10**9, points))
        stamp = to_stamp(float(rng.uniform(0, 2e9)))
        raw = template.fill(stamp, times_ns, states)
        message = deserialize_message(raw, JointTrajectory)
        assert message.header.stamp == stamp
        assert message.joint_names == list(JOINT_NAMES[:7])
        found = [(p.positions, p.velocities, p.accelerations) for p in message.points]
        assert np.array_equal(np.array(found).transpose(1, 0, 2), states)
        spans = [p.time_from_start for p in message.points]
        assert [s.sec * 10**9 + s.nanosec for s in spans] == times_ns.tolist()


def test_sampled_motion_of_every_message_stays_on_the_commanded_one(make_node, spin):
    """What a controller plays from a message's quintics is what the bridge promised next."""
    from onestep_vla_ros.nodes.controller import ArmController

    robot = TurnedRobot(make_node, spin)
    robot.run()
    robot.ticks(60)
    for before, after in zip(robot.commands["left"], robot.commands["left"][1:], strict=False):
        stamp_s = to_seconds(before.header.stamp)
        controller = ArmController("left", HOME)
        assert controller.on_trajectory(before, stamp_s)
        gap = controller.sample(stamp_s + TC) - np.array(after.points[0].positions)
        # the stop and the next set point part by at most one period of full jerk change
        assert np.abs(gap).max() <= 2 * 500.0 * TC**3 / 6.0 + 1e-6
