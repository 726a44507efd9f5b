# SPDX-License-Identifier: Apache-2.0
"""A world of increments through the real bridge gives the in-process actions to the bit."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from delta_robot import (  # noqa: E402
    PERIOD_S,
    Answerer,
    DeltaWorld,
    play,
    write_delta_checkpoint,
)
from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402
from std_srvs.srv import SetBool, Trigger  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from onestep_vla_ros.core.config import SimNodeConfig  # noqa: E402
from onestep_vla_ros.core.supervisor import Mode  # noqa: E402
from onestep_vla_ros.nodes.action_driver import ActionDriver  # noqa: E402
from onestep_vla_ros.nodes.bridge_node import BridgeCarrier  # noqa: E402
from onestep_vla_ros.nodes.lockstep import LockstepError  # noqa: E402
from onestep_vla_ros.nodes.messages import to_seconds  # noqa: E402
from onestep_vla_ros.nodes.params import read_parameters  # noqa: E402
from onestep_vla_ros.nodes.policy_node import PolicyNode  # noqa: E402
from onestep_vla_ros.nodes.qos import EVERY, LATCHED  # noqa: E402
from onestep_vla_ros.nodes.sim_wire import SimWire  # noqa: E402
from onestep_vla_ros.nodes.status import read_status  # noqa: E402
from onestep_vla_ros.nodes.step_loop import StepLoop  # noqa: E402
from onestep_vla_ros.nodes.trace import ExchangeTrace  # noqa: E402
from onestep_vla_ros.policy.policy import load_policy  # noqa: E402
from onestep_vla_ros.sim.libero_world import ACTION_NAMES, STATE_NAMES  # noqa: E402


class LoopThread(threading.Thread):
    """The world's thread; keeps the error it ended with."""

    def __init__(self, loop):
        super().__init__()
        self._loop, self.error, self.is_wanted = loop, None, True

    def run(self):
        try:
            self._loop.run(lambda: self.is_wanted)
        except LockstepError as error:
            self.error = error


class Rig:
    """The simulator's node and thread, and a user's node beside it."""

    def __init__(self, make_node, spin, **parameters):
        self.spin = spin
        self.world = DeltaWorld()
        self.sim = make_node("sim", "sim.yaml", "sim_libero.yaml", **parameters)
        config = read_parameters(self.sim, SimNodeConfig)
        wire = SimWire(self.sim, config, self.world.cameras, STATE_NAMES)
        driver = ActionDriver(ACTION_NAMES, ("gripper",), PERIOD_S)
        self.thread = LoopThread(StepLoop(self.world, wire, driver, config))
        self.user = make_node("user")
        self.told, self.exchanges, self.state = {}, [], {}
        create = self.user.create_subscription
        create(JointTrajectory, "arm_controller/action", self._on_action, EVERY)
        create(Float64MultiArray, "sim/trace", self._on_exchange, EVERY)
        create(DiagnosticStatus, "sim/state", self._on_state, LATCHED)
        self.thread.start()

    def add_bridge(self, make_node):
        node = make_node("bridge", "bridge_libero.yaml", use_sim_time="true")
        self.carrier = BridgeCarrier(node)
        return node

    def call(self, kind, name, request):
        client = self.user.create_client(kind, name)
        self.spin(client.service_is_ready, what=name)
        future = client.call_async(request)
        self.spin(future.done, what=f"answer of {name}")
        assert future.result().success, future.result().message

    def enable(self):
        """Enable as soon as the bridge has caught up with what piled up before the reset."""
        client = self.user.create_client(SetBool, "bridge/enable")
        self.spin(client.service_is_ready, what="bridge/enable")
        asked = []

        def is_enabled():
            if not asked or (asked[-1].done() and not asked[-1].result().success):
                asked.append(client.call_async(SetBool.Request(data=True)))
            return asked[-1].done() and asked[-1].result().success

        self.spin(is_enabled, what="enable's consent")

    def _on_action(self, message):
        self.told[to_seconds(message.header.stamp)] = list(message.points[0].positions)

    def _on_exchange(self, message):
        self.exchanges.append(ExchangeTrace.from_message(message))

    def _on_state(self, message):
        self.state = read_status(message)


@pytest.fixture
def rig(make_node, spin):
    rigs = []

    def build(**parameters):
        rigs.append(Rig(make_node, spin, **parameters))
        return rigs[-1]

    yield build
    for one in rigs:
        one.thread.is_wanted = False
        one.thread.join()


def test_lockstep_gives_the_actions_of_the_in_process_loop_to_the_bit(make_node, spin, rig):
    one = rig(mode="lockstep", seed="4")
    bridge, policy = one.add_bridge(make_node), make_node("policy")
    Answerer(policy)
    spin(lambda: one.carrier.status.chunks.count, one.sim, one.user, bridge, policy, what="chunks")
    for episode in range(2):
        one.call(Trigger, "bridge/reset", Trigger.Request())
        one.call(Trigger, "sim/reset", Trigger.Request())
        one.told.clear()
        one.enable()
        spin(lambda: one.thread.error or one.world.steps == 60, what="an episode")
        assert one.thread.error is None
        wanted = play(4 + episode)
        assert np.array(one.world.actions).tobytes() == wanted.tobytes()
        heard = np.array([one.told[stamp] for stamp in sorted(one.told)])[:60]
        assert heard.tobytes() == wanted.tobytes()
        one.call(SetBool, "bridge/enable", SetBool.Request(data=False))
        spin(lambda: one.carrier.status.mode is Mode.IDLE, what="rest")
    assert one.carrier.bridge.ledger.summary().overruns == 0
    assert {e.steps for e in one.exchanges} == {8, 60 % 8}
    assert min(e.total_s for e in one.exchanges) > 0.0


def test_the_real_policy_node_gives_the_in_process_policys_actions(
    make_node, spin, rig, delta_checkpoint
):
    one = rig(mode="lockstep", seed="7")
    cameras = '["agentview:16x16", "eye_in_hand:16x16"]'
    policy = make_node(
        "policy",
        "policy.yaml",
        "policy_libero.yaml",
        kind=make_policy,
        checkpoint=str(delta_checkpoint),
        use_sim_time="true",
        cameras=cameras,
    )
    bridge = one.add_bridge(make_node)
    policy.trigger_configure()
    policy.trigger_activate()
    assert not policy.failure
    spin(lambda: one.carrier.status.chunks.count, one.sim, one.user, bridge, policy, what="chunks")
    one.call(Trigger, "sim/reset", Trigger.Request())
    one.enable()
    spin(lambda: one.thread.error or one.world.steps == 60, what="an episode")
    assert one.thread.error is None
    alone = load_policy(delta_checkpoint)
    wanted = play(7, lambda seen: alone.infer(seen).q)
    assert wanted[:, :6].std(axis=0).min() > 0.01
    assert np.array(one.world.actions).tobytes() == wanted.tobytes()


def make_policy(name, cli_args):
    return PolicyNode(name, cli_args=cli_args)


@pytest.fixture(scope="module")
def delta_checkpoint(tmp_path_factory):
    return write_delta_checkpoint(tmp_path_factory.mktemp("checkpoint") / "delta")


@pytest.mark.parametrize("is_libero", [False, True])
def test_a_checkpoint_of_the_other_robot_is_refused_with_every_mismatch(
    make_node, is_libero, delta_checkpoint, tiny_checkpoint
):
    files = ("policy.yaml", "policy_libero.yaml") if is_libero else ("policy.yaml",)
    folder = tiny_checkpoint if is_libero else delta_checkpoint
    policy = make_node("policy", *files, kind=make_policy, checkpoint=str(folder))
    policy.trigger_configure()
    assert policy.failure.startswith("checkpoint does not fit the robot")
    wanted = ("left_joint1", "camera 'top'") if is_libero else ("dx", "camera 'agentview'")
    for words in (*wanted, "period_s", "use a checkpoint trained for this robot"):
        assert words in policy.failure


def test_in_real_time_the_arm_moves_and_ends_still_with_its_gripper(make_node, spin, rig):
    one = rig(mode="realtime", real_time_factor="0.5")  # the machine may have other work
    bridge, policy = one.add_bridge(make_node), make_node("policy")
    Answerer(policy)
    spin(lambda: one.carrier.status.chunks.count, one.sim, one.user, bridge, policy, what="chunks")
    one.enable()
    spin(lambda: len(one.world.actions) > 10, what="motion")
    assert any(np.any(action[:6]) for action in one.world.actions)
    one.call(Trigger, "bridge/stop", Trigger.Request())
    gripper = [a for a in one.world.actions if np.any(a[:6])][-1][6]
    still = [0.0] * 6 + [gripper]
    spin(lambda: [a.tolist() for a in one.world.actions[-4:]] == [still] * 4, what="stillness")


def test_the_world_stands_until_the_first_action(make_node, spin, rig):
    one = rig(mode="realtime", real_time_factor="20.0")
    spin(lambda: float(one.state.get("now_s", 0)) > 3.0, one.sim, one.user, what="time")
    assert one.world.steps == 0


@pytest.mark.parametrize("has_bridge", [False, True])
def test_lockstep_without_an_answer_ends_naming_what_is_missing(make_node, spin, rig, has_bridge):
    one = rig(mode="lockstep", lockstep_timeout_s="1.5")
    nodes = [one.sim, one.user]
    if has_bridge:
        nodes.append(one.add_bridge(make_node))
    spin(lambda: one.user.count_publishers("/clock") > 0, *nodes, what="discovery")
    one.call(Trigger, "sim/reset", Trigger.Request())
    spin(lambda: not one.thread.is_alive(), what="the loop's end")
    missing = "action_chunk (policy_node)" if has_bridge else "bridge/trace (bridge_node)"
    assert missing in str(one.thread.error)


def test_chunks_of_another_period_are_refused_by_name_and_nothing_moves(make_node, spin, rig):
    one = rig(mode="lockstep")
    bridge, policy = one.add_bridge(make_node), make_node("policy")
    Answerer(policy, period_s=0.1)
    spin(
        lambda: one.carrier.status.joint_states.count, one.sim, one.user, bridge, policy, what="it"
    )
    one.call(Trigger, "sim/reset", Trigger.Request())
    one.enable()
    spin(lambda: one.carrier.status.mode is Mode.FAULT, what="three bad chunks")
    assert "period 0.1 s" in one.carrier.status.reason
    assert one.world.steps == 0
