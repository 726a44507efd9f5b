# SPDX-License-Identifier: Apache-2.0
"""stand_in_robot: two ideal arms and three painted cameras for the fault rig; no product.

The arms are exactly where their controllers command them, so what the bridge does is all that
moves. It runs on real time, without MuJoCo, and on `clock: published` it makes /clock itself.
Its faults are parameters: joint_fault, camera_fault, camera_delay_s, clock_fault, blocked and
dead_arm may be set while it runs; the answer to set_parameters says when the fault began.
"""

from __future__ import annotations

import random
import sys
import time
from collections import deque
from functools import partial

import numpy as np
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock as RosClock
from rclpy.clock import ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.joints import ARMS, DOF, arm_slice
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.nodes.controller import ArmController
from onestep_vla_ros.nodes.entry import run_node, spin_node
from onestep_vla_ros.nodes.messages import arrays_to_joint_state, to_seconds, to_stamp
from onestep_vla_ros.nodes.qos import EVERY, LATCHED, SENSOR
from onestep_vla_ros.nodes.stand_in_cameras import CAMERA_FAULTS, SyntheticCamera
from onestep_vla_ros.nodes.stand_in_joints import JOINT_FAULTS, JointFaults

HOME = (0.0, 1.2, 1.1, -0.15, 0.0, 0.0, 0.7) * 2
"""Where the arms stand at the start [rad, gripper 0..1]."""

CLOCK_FAULTS = ("none", "freeze", "back", "forward", "fast")
"""What /clock can do: stand still, jump by 10 s either way once, run ten times as fast."""

_CAMERAS = (
    CameraSpec("top", 192, 192),
    CameraSpec("left_wrist", 128, 128),
    CameraSpec("right_wrist", 128, 128),
)
_SIM_START_S = 100.0
_JUMP_S = 10.0
_RATE = 10.0
_CHOICES: dict[str, tuple[str, ...]] = {
    "joint_fault": JOINT_FAULTS,
    "camera_fault": CAMERA_FAULTS,
    "clock_fault": CLOCK_FAULTS,
    "clock": ("system", "published"),
    "blocked": ("", "left", "right"),
    "dead_arm": ("", "left", "right"),
}


class StandInRobot:
    """Arms, cameras and, if asked for, the clock.

    Thread: everything runs in the executor's single thread.
    Time: `clock: system` is the wall clock, as on a robot; `published` counts ticks.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._declare()
        self._is_clock = self._text("clock") == "published"
        self._sim_now_s = _SIM_START_S
        q = np.array(node.get_parameter("home").value)
        self._arms = {arm: ArmController(arm, q) for arm in ARMS}
        self._waiting: dict[str, deque[JointTrajectory]] = {arm: deque(maxlen=200) for arm in ARMS}
        self._q = q
        self._joint_faults = JointFaults(random.Random(node.get_parameter("seed").value))  # noqa: S311
        self._cameras = [SyntheticCamera(c) for c in _CAMERAS]
        self._joints = node.create_publisher(JointState, "joint_states", SENSOR)
        self._clock = node.create_publisher(Clock, "/clock", EVERY) if self._is_clock else None
        self._images = {
            c.name: node.create_publisher(Image, f"{c.name}/image_raw", SENSOR) for c in _CAMERAS
        }
        self._instruction = node.create_publisher(String, "instruction", LATCHED)
        self._instruction.publish(String(data="put the red cube on the plate"))
        self._listen()
        node.add_on_set_parameters_callback(self._on_parameters)
        node.create_service(Trigger, "stand_in_robot/home", self._on_home)
        steady = RosClock(clock_type=ClockType.STEADY_TIME)
        self._period_s = float(node.get_parameter("period_s").value)
        node.create_timer(self._period_s, self.tick, clock=steady)
        if node.get_parameter("has_cameras").value:
            node.create_timer(0.04, self.take_pictures, clock=steady)

    def tick(self) -> None:
        """Move the arms to where their controllers are now and publish that."""
        self._advance()
        now_s = self.now_s()
        before = self._q
        self._q = self._measure(now_s)
        message = arrays_to_joint_state(self._q, (self._q - before) / self._period_s, now_s)
        dead = self._text("dead_arm")
        if dead:
            self._silence(message, dead)
        spoilt = self._joint_faults.spoil(message)
        if spoilt is not None:
            self._joints.publish(spoilt)
        if self._clock is not None:
            self._clock.publish(Clock(clock=to_stamp(now_s)))

    def take_pictures(self) -> None:
        """Publish one picture of each camera."""
        now_s = self.now_s()
        for camera in self._cameras:
            message = camera.take(now_s)
            if message is not None:
                self._images[camera.name].publish(message)

    def now_s(self) -> float:
        """Return the time of the stamps [s]."""
        return self._sim_now_s if self._is_clock else time.time()

    def _declare(self) -> None:
        given: dict[str, object] = {
            "home": list(HOME),
            "period_s": 0.01,
            "has_cameras": True,
            "seed": 0,
            "camera_delay_s": 0.5,
            **{name: choices[0] for name, choices in _CHOICES.items()},
        }
        for name, value in given.items():
            self._node.declare_parameter(name, value)

    def _listen(self) -> None:
        for arm in ARMS:
            base = f"{arm}_arm_controller"

            def on_trajectory(message: JointTrajectory, arm: str = arm) -> None:
                waiting = self._waiting[arm]
                if waiting and _stamp_s(message) < _stamp_s(waiting[-1]):
                    waiting.clear()  # the clock went back
                waiting.append(message)

            def on_positions(message: Float64MultiArray, arm: str = arm) -> None:
                self._arms[arm].on_positions(message)

            topic = f"{base}/joint_trajectory"
            self._node.create_subscription(JointTrajectory, topic, on_trajectory, EVERY)
            self._node.create_subscription(
                Float64MultiArray, f"{base}/commands", on_positions, EVERY
            )

    def _measure(self, now_s: float) -> np.ndarray:
        for arm, waiting in self._waiting.items():
            due = None
            while waiting and _stamp_s(waiting[0]) <= now_s:
                due = waiting.popleft()
            if due is None:
                continue  # the arm follows the tail of the one before
            if len(due.points) == 1 and not due.points[0].velocities:
                self._arms[arm].on_last_point(due)
            else:
                self._arms[arm].on_trajectory(due, now_s)
        q = np.concatenate([self._arms[arm].sample(now_s) for arm in ARMS])
        for arm in {self._text("blocked"), self._text("dead_arm")} - {""}:
            q[arm_slice(arm)] = self._q[arm_slice(arm)]
        return q

    def _silence(self, message: object, arm: str) -> None:
        """Leave the joints of an arm out, as its broadcaster does when its controller is gone."""
        kept = [i for i in range(DOF) if i not in range(DOF)[arm_slice(arm)]]
        for name in ("name", "position", "velocity"):
            row = getattr(message, name)
            setattr(message, name, [row[i] for i in kept])

    def _advance(self) -> None:
        fault = self._text("clock_fault")
        if fault != "freeze":
            self._sim_now_s += self._period_s * (_RATE if fault == "fast" else 1.0)

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            name, value = parameter.name, parameter.value
            if name in _CHOICES and value not in _CHOICES[name]:
                reason = f"{name}; got: {value!r}; allowed: {list(_CHOICES[name])}"
                return SetParametersResult(successful=False, reason=reason)
            if name == "joint_fault":
                self._joint_faults.kind = value
            elif name == "camera_fault":
                for camera in self._cameras:
                    camera.kind = value
            elif name == "camera_delay_s":
                for camera in self._cameras:
                    camera.delay_s = float(value)
            elif name == "clock_fault" and value in ("back", "forward"):
                self._sim_now_s += _JUMP_S if value == "forward" else -_JUMP_S
        return SetParametersResult(successful=True, reason=f"{time.time():.9f}")

    def _on_home(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        home = np.array(self._node.get_parameter("home").value)
        for arm, controller in self._arms.items():
            self._waiting[arm].clear()
            controller.reset(home)
        self._q = home
        response.success = True
        return response

    def _text(self, name: str) -> str:
        return str(self._node.get_parameter(name).value)


def _stamp_s(message: JointTrajectory) -> float:
    return to_seconds(message.header.stamp)


def main(arguments: list[str] | None = None) -> int:
    """Stand in for a robot until shutdown."""
    body = partial(spin_node, "stand_in_robot", StandInRobot)
    return run_node("stand_in_robot", arguments, body, has_pictures=True)


if __name__ == "__main__":
    sys.exit(main())
