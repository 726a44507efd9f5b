# SPDX-License-Identifier: Apache-2.0
"""Arms, policy and stopwatch for `onestep-vla bench bridge`: a light real-time driver.

Prints one JSON object: how punctually the bridge's messages were sent and came, and the
bridge's own figures over the measured time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.errors import OneStepError
from onestep_vla_ros.core.joints import DOF
from onestep_vla_ros.nodes.entry import run_node
from onestep_vla_ros.nodes.lifetime import is_wanted
from onestep_vla_ros.nodes.messages import arrays_to_joint_state, chunk_to_trajectory
from onestep_vla_ros.nodes.qos import EVERY, LATCHED, RELIABLE, SENSOR
from onestep_vla_ros.nodes.status import read_status

_HOME = np.array([0.0, 1.047, 1.047, 0.0, 0.0, 0.0, 0.5] * 2)
_AMPLITUDE = 0.2
_RATE = 2.0 * np.pi * 0.3
_PHASES = np.linspace(0.0, np.pi, DOF)
_CHUNK_EVERY_S = 0.04
_WAYPOINTS = np.arange(1.0, 17.0) * _CHUNK_EVERY_S
_DRAIN_EVERY = 20
_WARM_UP_S = 1.0
_PATIENCE_S = 30.0


class BenchError(OneStepError):
    """The bridge that is measured did not do its part."""


class BenchRobot:
    """Moves where it tells the bridge to, and notes when the bridge's messages come.

    Messages are taken from the middleware with its own stamps, so that this process's delays
    do not count as the bridge's.

    Args:
        node: Its node; never spun but for the service.
        period_s: The bridge's control period [s].
        has_trajectories: Else bare positions are expected.
    """

    def __init__(self, node: Node, period_s: float, has_trajectories: bool) -> None:
        self._node, self._period_s = node, period_s
        self._joints = node.create_publisher(JointState, "joint_states", SENSOR)
        self._chunks = node.create_publisher(JointTrajectory, "action_chunk", RELIABLE)
        kind: Any = JointTrajectory if has_trajectories else Float64MultiArray
        ending = "joint_trajectory" if has_trajectories else "commands"
        self._outputs = [
            self._listen(kind, f"{arm}_arm_controller/{ending}", EVERY)
            for arm in ("left", "right")
        ]
        self._status = self._listen(DiagnosticStatus, "bridge/status", LATCHED)
        self._enable = node.create_client(SetBool, "bridge/enable")
        self._stamps: list[tuple[int, int]] = []
        self.status: dict[str, str] = {}
        self._joints_due_s = self._chunk_due_s = time.monotonic()

    def measure(self, seconds: float) -> dict[str, object]:
        """Warm up, enable anew, move for `seconds`; return the figures.

        Raises:
            BenchError: No bridge came, or it could not be enabled.
        """
        self._live(_PATIENCE_S, lambda: bool(self.status), "bridge/status")
        self._switch(on=True)
        self._live(_WARM_UP_S)
        self._switch(on=False)
        self._switch(on=True)
        self._live(0.5)  # into RUN
        first = self._fresh_status()
        self._stamps.clear()
        self._live(seconds)
        stamps = list(self._stamps)
        last = self._fresh_status()
        return {"first": first, "last": last, **self._punctuality(stamps)}

    def _listen(self, kind: Any, topic: str, qos: Any) -> Subscription:  # noqa: ANN401 - messages
        return self._node.create_subscription(kind, topic, lambda _: None, qos, raw=True)

    def _live(
        self,
        seconds: float,
        is_done: Callable[[], bool] | None = None,
        what: str = "",
    ) -> None:
        end_s = time.monotonic() + seconds
        count = 0
        while is_wanted() and time.monotonic() < end_s:
            self._send()
            count += 1
            if count % _DRAIN_EVERY == 0:
                self._drain()
                if is_done is not None and is_done():
                    return
            time.sleep(max(self._joints_due_s - time.monotonic(), 0.0))
        self._drain()
        if is_done is not None:
            raise BenchError(f"nothing came on {what} for {seconds:.0f} s")

    def _send(self) -> None:
        now_s, stamp_s = time.monotonic(), time.time()
        if now_s >= self._joints_due_s:
            late = int((now_s - self._joints_due_s) / self._period_s)
            self._joints_due_s += (1 + late) * self._period_s
            q, qd = _reference(np.array([now_s]))
            self._joints.publish(arrays_to_joint_state(q[0], qd[0], stamp_s))
        if now_s >= self._chunk_due_s:
            self._chunk_due_s = max(self._chunk_due_s + _CHUNK_EVERY_S, now_s)
            q, _ = _reference(now_s + _WAYPOINTS)
            self._chunks.publish(chunk_to_trajectory(Chunk(q, stamp_s, _CHUNK_EVERY_S)))

    def _drain(self) -> None:
        for output in self._outputs:
            while (found := _take(output)) is not None:
                if output is self._outputs[0]:
                    info = found[1]
                    self._stamps.append((info["source_timestamp"], info["received_timestamp"]))
        while (found := _take(self._status, raw=False)) is not None:
            self.status = read_status(found[0])

    def _fresh_status(self) -> dict[str, str]:
        """Return the first status that the bridge makes from now on."""
        asked_s = time.monotonic()

        def is_fresh() -> bool:
            return float(self.status.get("steady_s", "0")) > asked_s

        self._live(_PATIENCE_S, is_fresh, "bridge/status")
        return self.status

    def _switch(self, *, on: bool) -> None:
        executor = SingleThreadedExecutor()
        caller = Node("bench_caller")
        client = caller.create_client(SetBool, "bridge/enable")
        executor.add_node(caller)
        end_s = time.monotonic() + _PATIENCE_S
        future, said = None, "nothing"
        while future is None or not future.done():
            self._send()
            executor.spin_once(timeout_sec=0.002)
            if future is None and client.service_is_ready():
                future = client.call_async(SetBool.Request(data=on))
            if future is not None and future.done() and not future.result().success:
                said, future = future.result().message, None  # our joint states were late
            if time.monotonic() > end_s:
                raise BenchError("the bridge could not be enabled", got=said)
        executor.remove_node(caller)
        caller.destroy_node()
        if not on:
            self._live(_PATIENCE_S, lambda: self.status.get("mode") == "IDLE", "bridge/status")

    def _punctuality(self, stamps: list[tuple[int, int]]) -> dict[str, object]:
        sent, received = (np.array(column) * 1e-9 for column in zip(*stamps, strict=True))
        return {
            "messages": len(stamps),
            "sent_jitter_ms": self._jitter(sent),
            "received_jitter_ms": self._jitter(received),
            "transport_ms": _percentiles(received - sent),
        }

    def _jitter(self, times_s: NDArray[np.float64]) -> dict[str, float]:
        return _percentiles(np.abs(np.diff(times_s) - self._period_s))


def _reference(times_s: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return q and qd, (N, 14) each, of the motion that arms and policy agree on."""
    angles = _RATE * times_s[:, None] + _PHASES
    return _HOME + _AMPLITUDE * np.sin(angles), _AMPLITUDE * _RATE * np.cos(angles)


def _percentiles(values_s: NDArray[np.float64]) -> dict[str, float]:
    p50, p99, p999 = np.percentile(values_s, [50.0, 99.0, 99.9]) * 1e3
    return {
        "p50": float(p50),
        "p99": float(p99),
        "p99.9": float(p999),
        "max": values_s.max() * 1e3,
    }


def _take(subscription: Subscription, *, raw: bool = True) -> Any:  # noqa: ANN401 - a message
    with subscription.handle:
        return subscription.handle.take_message(subscription.msg_type, raw)


def main(arguments: list[str] | None = None) -> int:
    """Measure the bridge of this ROS domain; 1 when there is none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--period", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--positions", action="store_true")
    given = sys.argv if arguments is None else ["bench_robot", *arguments]
    options = parser.parse_args(remove_ros_args(given)[1:])

    def body() -> int:
        node = Node("bench_robot")
        try:
            robot = BenchRobot(node, options.period, not options.positions)
            print(json.dumps(robot.measure(options.seconds)), flush=True)
        finally:
            node.destroy_node()
        return 0

    return run_node("bench_robot", arguments, body)


if __name__ == "__main__":
    sys.exit(main())
