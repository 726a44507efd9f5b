# SPDX-License-Identifier: Apache-2.0
"""The wire checker's process side: order, mode, lost and torn messages; the tap on real topics."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from std_msgs.msg import Float64MultiArray  # noqa: E402
from tiny_robot import HOME  # noqa: E402
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint  # noqa: E402

from onestep_vla_ros.core.bridge_config import BridgeConfig  # noqa: E402
from onestep_vla_ros.core.joints import ARMS, DOF, JOINT_NAMES, arm_slice  # noqa: E402
from onestep_vla_ros.core.parameter import from_mapping  # noqa: E402
from onestep_vla_ros.core.supervisor import Mode  # noqa: E402
from onestep_vla_ros.files import read_parameters  # noqa: E402
from onestep_vla_ros.nodes.messages import (  # noqa: E402
    arrays_to_joint_state,
    to_duration,
    to_stamp,
)
from onestep_vla_ros.nodes.qos import EVERY, RELIABLE  # noqa: E402
from onestep_vla_ros.nodes.trace import Trace  # noqa: E402
from onestep_vla_ros.nodes.wire_checker import WireChecker  # noqa: E402
from onestep_vla_ros.nodes.wire_tap import Heard, WireTap  # noqa: E402

TC = 0.01
CONFIG = from_mapping(BridgeConfig, read_parameters("bridge.yaml"))


def trajectory(arm, stamp_s, q):
    """A message that stays where it begins."""
    part = arm_slice(arm)
    still = np.zeros(7).tolist()
    points = [
        JointTrajectoryPoint(
            positions=q[part].tolist(),
            velocities=still,
            accelerations=still,
            time_from_start=to_duration(after_s),
        )
        for after_s in (0.0, 0.1)
    ]
    message = JointTrajectory(joint_names=list(JOINT_NAMES[part]), points=points)
    message.header.stamp = to_stamp(stamp_s)
    return message


class Wire:
    """Plays bridge and robot to a checker, message by message."""

    def __init__(self):
        self.checker = WireChecker(CONFIG)
        self.now_s, self.tick = 100.0, 0
        self.measure(HOME)

    def hear(self, kind, part, message, sequence):
        self.checker.feed([Heard(kind, part, message, self.now_s, self.now_s, sequence)])

    def measure(self, q):
        message = arrays_to_joint_state(q, np.zeros(DOF), self.now_s)
        self.hear("joint_states", "", message, 0)

    def step(self, mode, q=None, arms=ARMS, sequence=None, has_trace=True):
        """One tick: commands at `q` to `arms`, then the trace."""
        self.now_s = round(self.now_s + TC, 6)
        self.tick = self.tick + 1 if sequence is None else sequence
        for arm in arms if q is not None else ():
            message = trajectory(arm, self.now_s + TC, q)
            self.hear("trajectory", f"{arm}_arm", message, self.tick)
        if has_trace:
            trace = Trace(self.now_s, mode, float("nan"), False).to_message()
            self.hear("trace", "", trace, self.tick)

    def report(self):
        return self.checker.report()


@pytest.fixture
def wire():
    return Wire()


def test_sound_commands_give_no_violation(wire):
    for mode in (Mode.IDLE, Mode.HOLD, Mode.RUN, Mode.RUN):
        wire.step(mode, None if mode is Mode.IDLE else HOME)
    report = wire.report()
    assert report["violations"] == {}
    assert report["messages"] == 6
    assert report["modes"] == {"IDLE": 1, "HOLD": 1, "RUN": 2}
    assert report["lost"] == report["torn"] == report["missed"] == 0


def test_a_command_is_judged_under_the_mode_of_its_own_tick(wire):
    """The first command goes out before the trace that says HOLD: it is none while IDLE."""
    wire.step(Mode.IDLE)
    wire.step(Mode.HOLD, HOME)
    assert wire.report()["violations"] == {}
    wire.step(Mode.IDLE)
    wire.step(Mode.IDLE, HOME)
    assert wire.report()["violations"]["I12"] == 2


def test_a_jump_and_a_start_away_from_the_measured_state_are_seen(wire):
    wire.step(Mode.IDLE)
    wire.step(Mode.HOLD, HOME + 0.1)
    wire.step(Mode.HOLD, HOME + 0.2)
    violations = wire.report()["violations"]
    assert violations["I13"] == 2
    assert violations["I5"] == 2


def test_one_arm_without_its_message_is_seen(wire):
    for _ in range(3):
        wire.step(Mode.HOLD, HOME, arms=("left",))
    assert wire.report()["violations"]["I11"] >= 1


def test_messages_that_were_lost_are_counted(wire):
    wire.step(Mode.HOLD, HOME)
    wire.tick += 2
    wire.step(Mode.HOLD, HOME)
    assert wire.report()["lost"] == 6


def test_half_a_tick_of_a_killed_bridge_is_told_apart(wire):
    wire.step(Mode.IDLE)
    wire.step(Mode.HOLD, HOME)
    wire.step(Mode.HOLD, HOME, arms=("left",), has_trace=False)
    wire.step(Mode.IDLE, sequence=1)
    wire.step(Mode.HOLD, HOME)
    report = wire.report()
    assert report["torn"] == 1
    assert report["violations"] == {}


def test_missed_ticks_and_the_longest_gap_are_counted(wire):
    wire.step(Mode.RUN, HOME)
    wire.now_s += 3 * TC
    wire.step(Mode.RUN, HOME)
    report = wire.report()
    assert report["missed"] == 3
    assert report["worst"]["tick_gap_s"] == pytest.approx(4 * TC)


def point(arm, stamp_s, q, joints=None):
    part = arm_slice(arm)
    message = JointTrajectory(joint_names=joints or list(JOINT_NAMES[part]))
    message.points = [JointTrajectoryPoint(positions=q[part].tolist())]
    message.header.stamp = to_stamp(stamp_s)
    return message


@pytest.mark.parametrize(
    ("step_s", "q", "joints", "seen"),
    [
        (TC, HOME, None, set()),
        (3 * TC, HOME, None, set()),
        (0.0, HOME, None, {"I6"}),
        (1.5 * TC, HOME, None, {"I6"}),
        (TC, HOME + 0.1, None, {"I3", "I4", "I5"}),
        (TC, HOME, list(JOINT_NAMES[6::-1]), {"I10"}),
    ],
)
def test_single_points_are_judged_by_position_and_stamp(step_s, q, joints, seen):
    modes = ("joint_trajectory_point", "joint_trajectory_point")
    checker = WireChecker(replace(CONFIG, output_mode=modes))
    state = arrays_to_joint_state(HOME, np.zeros(DOF), 100.0)
    checker.feed([Heard("joint_states", "", state, 100.0, 100.0, 0)])
    for i, (stamp_s, where) in enumerate([(100.0, HOME), (100.0 + step_s, q)]):
        sent_s = 100.0 + i * TC
        trace = Trace(sent_s, Mode.RUN, 0.0, False).to_message()
        for arm in ARMS:
            message = point(arm, stamp_s, where, joints if i and arm == "left" else None)
            checker.feed([Heard("trajectory", f"{arm}_arm", message, sent_s, sent_s, i + 1)])
        checker.feed([Heard("trace", "", trace, sent_s, sent_s, i + 1)])
    assert set(checker.report()["violations"]) == seen


def test_a_report_that_was_taken_is_forgotten_and_the_motion_is_not(wire):
    wire.step(Mode.HOLD, HOME)
    wire.checker.forget()
    assert wire.report()["messages"] == 0
    wire.step(Mode.HOLD, HOME + 0.2)
    assert wire.report()["violations"]["I5"] == 2


def test_the_tap_returns_messages_in_the_order_of_sending(make_node):
    sender = make_node("sender")
    tap = WireTap(make_node("tap"))
    traces = sender.create_publisher(Float64MultiArray, "bridge/trace", EVERY)
    topic = "left_arm_controller/joint_trajectory"
    commands = sender.create_publisher(JointTrajectory, topic, RELIABLE)
    end = time.monotonic() + 20.0
    while not (traces.get_subscription_count() and commands.get_subscription_count()):
        assert time.monotonic() < end, "discovery"
        time.sleep(0.01)
    heard = []
    for i in range(5):
        commands.publish(trajectory("left", 100.0 + i, HOME))
        traces.publish(Trace(100.0 + i, Mode.RUN, 0.0, False).to_message())
        time.sleep(0.01)
    while len(heard) < 10:
        heard += tap.take()
        assert time.monotonic() < end, f"{len(heard)} of 10 messages"
        time.sleep(0.01)
    assert [one.kind for one in heard] == ["trajectory", "trace"] * 5
    assert [one.sequence for one in heard[::2]] == [1, 2, 3, 4, 5]
    assert all(0.0 <= one.received_s - one.sent_s < 5.0 for one in heard)


def test_what_arrives_while_the_tap_looks_is_not_told_without_what_was_sent_before(make_node):
    """Left was read before both arrived, right after: the checker saw an arm fall behind."""
    tap, queues = WireTap(make_node("tap")), {"left_arm": [], "right_arm": []}

    class Handle(contextlib.nullcontext):
        def __init__(self, part):
            super().__init__()
            self.part = part

        def take_message(self, kind, is_raw):
            if self.part == "right_arm" and arriving:
                for part, message in arriving:
                    queues[part].append(message)
                arriving.clear()
            return queues[self.part].pop(0) if queues[self.part] else None

    def sent_at(second):
        stamps = ("source_timestamp", "received_timestamp")
        return JointTrajectory(), {
            **dict.fromkeys(stamps, second * 10**9),
            "publication_sequence_number": second,
        }

    arriving = [("left_arm", sent_at(1)), ("right_arm", sent_at(2))]
    tap._taps = [
        ("trajectory", part, SimpleNamespace(handle=Handle(part), msg_type=JointTrajectory))
        for part in queues
    ]
    assert [one.part for one in tap.take()] == ["left_arm", "right_arm"]
