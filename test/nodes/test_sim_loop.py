# SPDX-License-Identifier: Apache-2.0
"""The simulated robot with the real bridge and a real policy node, in lockstep."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from rosgraph_msgs.msg import Clock  # noqa: E402
from std_msgs.msg import Float64MultiArray, String  # noqa: E402
from std_srvs.srv import SetBool, Trigger  # noqa: E402
from tiny_robot import HOME, SENTENCE  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from onestep_vla_ros.core.chunk import Chunk  # noqa: E402
from onestep_vla_ros.core.config import SimNodeConfig  # noqa: E402
from onestep_vla_ros.core.supervisor import Mode  # noqa: E402
from onestep_vla_ros.nodes.bridge_node import BridgeCarrier  # noqa: E402
from onestep_vla_ros.nodes.lockstep import LockstepError  # noqa: E402
from onestep_vla_ros.nodes.messages import chunk_to_trajectory, to_seconds  # noqa: E402
from onestep_vla_ros.nodes.params import read_parameters  # noqa: E402
from onestep_vla_ros.nodes.policy_node import PolicyNode  # noqa: E402
from onestep_vla_ros.nodes.qos import EVERY, LATCHED, RELIABLE  # noqa: E402
from onestep_vla_ros.nodes.sim_loop import SimLoop  # noqa: E402
from onestep_vla_ros.nodes.sim_wire import SimWire  # noqa: E402
from onestep_vla_ros.nodes.trace import Trace  # noqa: E402


class LoopThread(threading.Thread):
    """The world's thread; keeps the error it ended with."""

    def __init__(self, loop):
        super().__init__()
        self._loop, self.error = loop, None
        self.is_wanted = True

    def run(self):
        try:
            self._loop.run(lambda: self.is_wanted)
        except LockstepError as error:
            self.error = error


@pytest.fixture
def served(make_node, world):
    """Serve the kinematic world; stopped at the end."""
    threads = []

    def serve(**parameters):
        node = make_node("sim", "sim.yaml", **parameters)
        config = read_parameters(node, SimNodeConfig)
        thread = LoopThread(SimLoop(world, SimWire(node, config, world.cameras), config))
        threads.append(thread)
        thread.start()
        return node, thread

    yield serve
    for thread in threads:
        thread.is_wanted = False
        thread.join()


def call(node, spin, kind, name, request):
    client = node.create_client(kind, name)
    spin(client.service_is_ready, what=name)
    future = client.call_async(request)
    spin(future.done, what=f"answer of {name}")
    return future.result()


@pytest.mark.parametrize("output", ["joint_trajectory", "joint_trajectory_point"])
def test_lockstep_runs_an_episode_with_the_real_bridge_and_policy(
    make_node, spin, served, world, tiny_checkpoint, output
):
    sim, thread = served(mode="lockstep", seed="3", command_mode=output)
    modes = f"[{output}, {output}]"
    bridge = make_node("bridge", "bridge.yaml", use_sim_time="true", output_mode=modes)
    carrier = BridgeCarrier(bridge)
    parameters = {"checkpoint": str(tiny_checkpoint), "use_sim_time": "true"}
    parameters["waypoint_period_s"] = "0.04"  # the random checkpoint's own
    policy = make_node("policy", "policy.yaml", kind=make_policy, **parameters)
    user = make_node("user")
    traces = []
    user.create_subscription(
        Float64MultiArray, "bridge/trace", lambda m: traces.append(Trace.from_message(m)), EVERY
    )
    policy.trigger_configure()
    policy.trigger_activate()
    assert not policy.failure
    spin(lambda: traces, sim, bridge, policy, user, what="the bridge's first tick")
    assert call(user, spin, Trigger, "sim/reset", Trigger.Request()).success
    spin(lambda: world.time_s > 0.05, what="the new episode's start")
    assert call(user, spin, SetBool, "bridge/enable", SetBool.Request(data=True)).success
    spin(lambda: carrier.bridge.ledger.summary().spliced >= 4, what="four chunks")
    thread.is_wanted = False
    thread.join()
    assert thread.error is None
    assert world.seed == 3
    led = [t for t in traces if t.mode is Mode.RUN]
    assert np.diff([t.tick_s for t in led]) == pytest.approx(0.01)
    commands = np.array(world.commands)
    assert np.abs(commands - (HOME + 0.03)).max() > 0.01
    assert np.abs(np.diff(commands, axis=0)).max() < 4.0 * 0.01 + 1e-6
    assert carrier.bridge.ledger.summary().overruns == 0


def make_policy(name, cli_args):
    return PolicyNode(name, cli_args=cli_args)


def test_lockstep_without_a_bridge_ends_naming_what_is_missing(make_node, spin, served):
    sim, thread = served(mode="lockstep", lockstep_timeout_s="1.5")
    user = make_node("user")
    spin(lambda: user.count_publishers("/clock") > 0, sim, user, what="discovery")
    assert call(user, spin, Trigger, "sim/reset", Trigger.Request()).success
    spin(lambda: not thread.is_alive(), what="the loop's end")
    assert "bridge/trace (bridge_node)" in str(thread.error)
    assert "action_chunk (policy_node)" in str(thread.error)


def test_a_chunk_that_comes_after_a_reset_puts_the_next_one_off(make_node, spin, served):
    """The demo hung here: the policy had looked just before the reset, so it was not due again."""
    sim, thread = served(mode="lockstep", lockstep_timeout_s="10.0")
    user = make_node("user")
    traces = user.create_publisher(Float64MultiArray, "bridge/trace", EVERY)
    chunks = user.create_publisher(JointTrajectory, "action_chunk", RELIABLE)
    clock = []

    def answer(message):
        clock.append(to_seconds(message.clock))
        traces.publish(Trace(clock[-1], Mode.IDLE, math.nan, False).to_message())

    def send_chunk(stamp_s):
        chunks.publish(chunk_to_trajectory(Chunk(np.tile(HOME, (4, 1)), stamp_s, 0.04)))

    user.create_subscription(Clock, "/clock", answer, EVERY)
    spin(lambda: clock and chunks.get_subscription_count(), sim, user, what="discovery")
    assert call(user, spin, Trigger, "sim/reset", Trigger.Request()).success
    spin(lambda: clock[-2:-1] == clock[-1:], what="the wait for the first chunk")
    send_chunk(clock[-1])
    first = clock[-1]
    spin(lambda: clock[-1] > first + 0.2 and clock[-1] == clock[-2], what="the next wait")
    looked = clock[-1]
    assert call(user, spin, Trigger, "sim/reset", Trigger.Request()).success
    send_chunk(looked)
    spin(lambda: clock[-1] > looked + 0.1 or thread.error, what="time to go on")
    assert thread.error is None


def test_each_reset_goes_on_to_the_next_seed_and_tells_it(make_node, spin, served, world):
    sim, _ = served(mode="realtime", seed="5", real_time_factor="20.0")
    user = make_node("user")
    heard = []
    user.create_subscription(String, "instruction", lambda m: heard.append(m.data), LATCHED)
    spin(lambda: heard, sim, user, what="the instruction")
    seeds = []
    for _ in range(3):
        answer = call(user, spin, Trigger, "sim/reset", Trigger.Request())
        assert answer.success
        assert SENTENCE in answer.message
        seeds.append(world.seed)
    assert seeds == [5, 6, 7]
    spin(lambda: len(heard) == 4, what="an instruction an episode")
