# SPDX-License-Identifier: Apache-2.0
"""What was on the wire is told by episode, in order of time, to the bit."""

import math

import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from builtin_interfaces.msg import Time  # noqa: E402
from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint  # noqa: E402

from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected  # noqa: E402
from onestep_vla_ros.nodes.action_output import TOPIC  # noqa: E402
from onestep_vla_ros.nodes.action_tap import ActionTap  # noqa: E402
from onestep_vla_ros.nodes.messages import to_stamp  # noqa: E402
from onestep_vla_ros.nodes.qos import EVERY, LATCHED  # noqa: E402
from onestep_vla_ros.nodes.trace import ExchangeTrace  # noqa: E402
from onestep_vla_ros.nodes.verdict_publisher import TOPIC as VERDICT  # noqa: E402
from onestep_vla_ros.nodes.verdict_publisher import (  # noqa: E402
    VerdictPublisher,
    read_verdict,
)


def state(episode, seed, now_s, since_s):
    return {
        "episode": str(episode),
        "seed": str(seed),
        "now_s": f"{now_s:.6f}",
        "since_reset_s": f"{since_s:.6f}",
    }


def action(stamp_s, value):
    message = JointTrajectory(points=[JointTrajectoryPoint(positions=[value])])
    message.header.stamp = to_stamp(stamp_s)
    return message


def test_actions_and_exchanges_are_told_by_episode(make_node, spin):
    node, arm = make_node("conductor"), make_node("arm")
    tap = ActionTap(node)
    actions = arm.create_publisher(JointTrajectory, TOPIC, EVERY)
    exchanges = arm.create_publisher(Float64MultiArray, "sim/trace", EVERY)
    spin(
        lambda: actions.get_subscription_count() and exchanges.get_subscription_count(),
        node,
        arm,
        what="discovery",
    )
    for one in (state(0, 4, 1.5, 0.5), state(1, 4, 2.1, 0.1), state(2, 5, 3.4, 0.4)):
        tap.on_sim(one)
    third = 1.0 / 3.0
    for stamp_s, value in ((1.2, 9.0), (2.0, third), (2.05, 2.0), (3.0, 3.0)):
        actions.publish(action(stamp_s, value))
    exchanges.publish(ExchangeTrace(2.0, 0.01, 0.02, 8).to_message())
    spin(
        lambda: [len(e["actions"]) + len(e["exchanges"]) for e in tap.episodes()] == [3, 1],
        what="all of it",
    )
    assert tap.episodes() == [
        {"seed": 4, "actions": [[third], [2.0]], "exchanges": [[0.01, 0.02, 8]]},
        {"seed": 5, "actions": [[3.0]], "exchanges": []},
    ]


def test_an_exchange_reads_back_and_adds_up():
    exchange = ExchangeTrace(1.5, 0.25).with_step(0.5).with_step(0.25)
    assert exchange.total_s == 1.0
    assert ExchangeTrace.from_message(exchange.to_message()) == exchange
    assert ExchangeTrace.from_message(Float64MultiArray(data=[1.0, 2.0])) is None
    assert ExchangeTrace.from_message(Float64MultiArray(data=[math.nan] * 4)) is None


def test_who_comes_late_gets_the_newest_verdict(make_node, spin):
    bridge, late = make_node("bridge"), make_node("late")
    publisher, heard = VerdictPublisher(bridge), []
    publisher.tell(Time(sec=1), Accepted("8 actions"))
    publisher.tell(Time(sec=2, nanosec=50_000_000), Rejected(Reason.LATE, "0 of 3 left"))
    late.create_subscription(DiagnosticStatus, VERDICT, heard.append, LATCHED)
    spin(lambda: heard, bridge, late, what="the verdict")
    assert read_verdict(heard[0]) == (2.05, "too few waypoints left: 0 of 3 left")
