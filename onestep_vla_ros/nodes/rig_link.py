# SPDX-License-Identifier: Apache-2.0
"""The fault rig's own ears and hands on ROS: a log of the wire, services, parameters, rivals."""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import rclpy
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.errors import OneStepError
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.nodes.messages import to_seconds
from onestep_vla_ros.nodes.qos import RELIABLE, SENSOR
from onestep_vla_ros.nodes.status import read_status
from onestep_vla_ros.nodes.trace import Trace
from onestep_vla_ros.nodes.wire_log import CommandSeen, StampSeen, StateSeen, TickSeen
from onestep_vla_ros.nodes.wire_tap import Heard, WireTap

_POLL_S = 0.005
_CAMERA = "left_wrist/image_raw"
"""The smallest picture; only its stamp is read."""


class RigError(OneStepError):
    """The graph under test did not answer as it must for a row to be run at all."""


class RigLink:
    """Listens to everything the bridge hears and says; calls services and sets parameters.

    Thread: one; every waiting method spins. Times are system time [s] as the messages carry
    them, so how often this looks changes nothing.

    Args:
        domain: ROS domain of the graph.
        has_cameras: Note the stamps of the pictures too.
        kept: Length of each log.

    Attributes:
        ticks: Traces of the bridge, newest last.
        commands: Commands by "left_arm" or "right_arm", newest last.
        states: Joint states.
        chunks: Chunks on action_chunk.
        pictures: Pictures of one camera.
        status: Values of the newest bridge/status.
    """

    def __init__(self, domain: int, *, has_cameras: bool = False, kept: int = 20_000) -> None:
        self._kept = kept
        self._context = Context()
        rclpy.init(args=[], context=self._context, domain_id=domain)
        self._node = Node("fault_rig", context=self._context)
        self._tap_node = Node("fault_rig_tap", context=self._context)
        self._tap = WireTap(self._tap_node)
        self._camera: Subscription | None = None
        if has_cameras:
            self._camera = self._tap_node.create_subscription(
                Image, _CAMERA, lambda _: None, SENSOR, raw=True
            )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._clients: dict[str, Any] = {}
        self._rivals: list[Publisher] = []
        self.status: dict[str, str] = {}
        self.forget()

    def forget(self) -> None:
        """Begin the log anew."""
        self.ticks: deque[TickSeen] = deque(maxlen=self._kept)
        self.commands: dict[str, deque[CommandSeen]] = {
            arm: deque(maxlen=self._kept) for arm in ("left_arm", "right_arm")
        }
        self.states: deque[StateSeen] = deque(maxlen=self._kept)
        self.chunks: deque[StampSeen] = deque(maxlen=self._kept)
        self.pictures: deque[StampSeen] = deque(maxlen=self._kept)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        self._tap_node.destroy_node()
        self._context.try_shutdown()

    def pump(self, timeout_s: float = _POLL_S) -> None:
        """Take in what has arrived; wait for `timeout_s` at most."""
        self._executor.spin_once(timeout_sec=timeout_s)
        for heard in self._tap.take():
            self._note(heard)
        if self._camera is not None:
            self._note_pictures(self._camera)

    def listen(self, duration_s: float) -> None:
        """Take in what arrives for so long."""
        end = time.monotonic() + duration_s
        while time.monotonic() < end:
            self.pump()

    def wait(self, is_done: Callable[[], object], timeout_s: float, what: str) -> None:
        """Take in what arrives until `is_done`.

        Raises:
            RigError: It was not done in time.
        """
        end = time.monotonic() + timeout_s
        while not is_done():
            if time.monotonic() > end:
                raise RigError(f"no {what}", got=f"{timeout_s:.1f} s of waiting; {self.state()}")
            self.pump()

    def state(self) -> str:
        """Return the bridge's mode and reason in words."""
        mode = self.mode()
        return f"{mode.name if mode else 'no trace'}: {self.status.get('reason', '')}"

    def mode(self) -> Mode | None:
        """Return the mode of the newest tick; None before the first."""
        return self.ticks[-1].mode if self.ticks else None

    def call(self, name: str, data: bool | None = None, timeout_s: float = 10.0) -> Any:  # noqa: ANN401
        """Call a Trigger service, or SetBool with `data`; return the answer.

        Raises:
            RigError: The service is not there or does not answer.
        """
        kind = Trigger if data is None else SetBool
        request = Trigger.Request() if data is None else SetBool.Request(data=data)
        return self._ask(kind, name, request, timeout_s)

    def set(self, node: str, **values: object) -> float:
        """Set parameters of a node at once; return when it had done so, system time [s].

        Raises:
            RigError: The node is not there, does not answer or refuses.
        """
        results = self.try_set(node, **values)
        refused = [result.reason for result in results if not result.successful]
        if refused:
            raise RigError(f"node {node!r} refuses a parameter", got="; ".join(refused))
        return float(results[0].reason) if results[0].reason else time.time()

    def try_set(self, node: str, **values: object) -> Any:  # noqa: ANN401 - messages
        """Set parameters of a node; return one result each."""
        parameters = [Parameter(name, value=v).to_parameter_msg() for name, v in values.items()]
        request = SetParameters.Request(parameters=parameters)
        return self._ask(SetParameters, f"{node}/set_parameters", request, 10.0).results

    def add_rival(self, topic: str) -> float:
        """Become another publisher of trajectories on `topic`; return when [s]."""
        self._rivals.append(self._node.create_publisher(JointTrajectory, topic, RELIABLE))
        return time.time()

    def drop_rivals(self) -> None:
        """Take the other publishers away."""
        while self._rivals:
            self._node.destroy_publisher(self._rivals.pop())

    def publishers(self, topic: str) -> int:
        """Return how many publishers a topic has."""
        return int(self._node.count_publishers(topic))

    def _ask(self, kind: Any, name: str, request: Any, timeout_s: float) -> Any:  # noqa: ANN401
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = self._node.create_client(kind, name)
        self.wait(client.service_is_ready, timeout_s, f"service {name}")
        future = client.call_async(request)
        self.wait(future.done, timeout_s, f"answer of service {name}")
        return future.result()

    def _note(self, heard: Heard) -> None:
        if heard.kind == "trace":
            trace = Trace.from_message(heard.message)
            if trace is not None:
                self.ticks.append(TickSeen.of(trace, heard))
        elif heard.kind == "trajectory" and heard.part in self.commands:
            self.commands[heard.part].append(CommandSeen.of(heard))
        elif heard.kind == "joint_states":
            self.states.append(StateSeen.of(heard))
        elif heard.kind == "chunk":
            stamp_s = to_seconds(heard.message.header.stamp)
            self.chunks.append(StampSeen(stamp_s, heard.sent_s))
        elif heard.kind == "status":
            self.status = read_status(heard.message)

    def _note_pictures(self, camera: Subscription) -> None:
        with camera.handle:
            while (found := camera.handle.take_message(camera.msg_type, True)) is not None:
                data, info = found
                sec, nanosec = struct.unpack_from("<iI", data, 4)  # after the encapsulation
                sent_s = info["source_timestamp"] / 1e9
                self.pictures.append(StampSeen(sec + nanosec / 1e9, sent_s))
