# SPDX-License-Identifier: Apache-2.0
"""The operator's services answer the truth, and stop answers when the arms rest."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from turned_robot import TurnedRobot  # noqa: E402

from onestep_vla_ros.core.supervisor import Mode  # noqa: E402
from onestep_vla_ros.nodes import services  # noqa: E402
from onestep_vla_ros.nodes.executor import make_executor  # noqa: E402
from onestep_vla_ros.nodes.late_answer import LateTrigger  # noqa: E402


class Matter:
    """Something that gets settled when the test says so."""

    def __init__(self, node):
        self.is_settled = False
        self.begun = 0
        self.service = LateTrigger(
            node, "matter", self.begin, lambda: self.is_settled, lambda: (self.is_settled, "end")
        )

    def begin(self):
        self.begun += 1
        return False, "begin"


@pytest.fixture(params=[SingleThreadedExecutor, make_executor])
def desk(ros, request):
    """A matter, a node that asks for it, and how to spin both on either executor."""
    node, caller = Node("desk"), Node("caller")
    executor = request.param()
    executor.add_node(node)
    executor.add_node(caller)

    def spin(predicate, limit_s=60.0):
        end_s = time.monotonic() + limit_s
        while not predicate() and time.monotonic() < end_s:
            executor.spin_once(timeout_sec=0.02)
        return predicate()

    client = caller.create_client(Trigger, "matter")
    matter = Matter(node)
    assert spin(client.service_is_ready)
    yield matter, client, spin
    for one in (node, caller):
        executor.remove_node(one)
        one.destroy_node()
    executor.shutdown()


def test_all_callers_are_answered_once_it_is_settled_and_not_before(desk):
    matter, client, spin = desk
    futures = [client.call_async(Trigger.Request()) for _ in range(2)]
    assert spin(lambda: matter.begun == 2)
    matter.service.settle(10.0)
    assert not spin(lambda: any(f.done() for f in futures), limit_s=0.3)
    matter.is_settled = True
    matter.service.settle(10.0)
    assert spin(lambda: all(f.done() for f in futures))
    assert [f.result().success for f in futures] == [True, True]
    assert futures[0].result().message == "end"


def test_caller_who_waited_too_long_is_told_how_it_stands(desk):
    matter, client, spin = desk
    future = client.call_async(Trigger.Request())
    assert spin(lambda: matter.begun == 1)
    time.sleep(0.05)
    matter.service.settle(0.04)
    assert spin(future.done)
    assert not future.result().success


def test_caller_is_answered_at_once_when_it_is_settled_already(desk):
    matter, client, spin = desk
    matter.is_settled = True
    future = client.call_async(Trigger.Request())
    assert spin(future.done)
    assert future.result().success


@pytest.fixture
def robot(make_node, spin):
    return TurnedRobot(make_node, spin)


def test_stop_answers_true_only_when_rest_was_reached(robot):
    robot.run()
    future = robot.ask(Trigger, "bridge/stop")
    robot.ticks(3)
    assert not future.done(), "answered while the arms still move"
    for _ in range(60):
        if future.done():
            break
        robot.tick()
    robot.spin(future.done, what="the answer of bridge/stop")
    assert future.result().success
    assert "at rest" in future.result().message
    assert set(robot.commands["left"][-1].points[0].velocities) == {0.0}
    assert robot.carrier.bridge.is_at_rest


def test_stop_at_rest_answers_at_once(robot):
    assert robot.call(Trigger, "bridge/stop").success
    assert robot.ticks(1) is Mode.STOP


def test_stop_that_cannot_come_to_rest_answers_false_with_the_time_needed(robot, monkeypatch):
    """The clock stands still, so no tick comes: the answer is no, after wall time."""
    monkeypatch.setattr(services.OperatorServices.settle, "__defaults__", (0.3,))
    robot.run()
    answer = robot.call(Trigger, "bridge/stop")
    assert not answer.success
    assert "not at rest" in answer.message
    assert "0." in answer.message
    assert robot.ticks(60) is Mode.STOP, "the stop holds all the same"
    assert robot.call(Trigger, "bridge/stop").success


def test_caller_of_stop_that_is_gone_harms_nobody(make_node, spin, robot):
    robot.run()
    caller = make_node("caller")
    client = caller.create_client(Trigger, "bridge/stop")
    spin(client.service_is_ready, caller, what="bridge/stop")
    client.call_async(Trigger.Request())
    counts = robot.carrier.bridge
    spin(lambda: counts._supervisor.latched, what="the request")
    client.destroy()
    assert robot.ticks(60) is Mode.STOP
    assert robot.call(Trigger, "bridge/stop").success


def test_stop_latches_until_reset_and_reset_needs_enable(robot):
    robot.run()
    future = robot.ask(Trigger, "bridge/stop")
    assert robot.ticks(2) is Mode.STOP
    assert not robot.call(Trigger, "bridge/reset").success
    assert robot.ticks(60) is Mode.STOP
    robot.spin(future.done, what="the answer of bridge/stop")
    assert future.result().success
    assert not robot.enable().success
    answer = robot.call(Trigger, "bridge/reset")
    assert answer.success, answer.message
    assert robot.ticks(2) is Mode.IDLE
    assert robot.enable().success
    assert robot.ticks(2) is Mode.HOLD


def test_enable_starts_the_ticks_figures_anew(robot):
    robot.ticks(5)
    assert robot.carrier.status.tick_times.count >= 5
    assert robot.enable().success
    assert robot.carrier.status.tick_times.count == 0
    robot.ticks(2)
    assert robot.enable().success  # a second one changes nothing
    assert robot.carrier.status.tick_times.count == 2
