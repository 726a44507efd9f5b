# SPDX-License-Identifier: Apache-2.0
"""A real bridge process in real time, as on a robot, with arms that do what they are told."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool
from tiny_robot import HOME
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.joints import DOF
from onestep_vla_ros.faults.withheld import Withheld
from onestep_vla_ros.files import share_dir
from onestep_vla_ros.leash import die_with_parent
from onestep_vla_ros.nodes.messages import arrays_to_joint_state, chunk_to_trajectory, to_stamp
from onestep_vla_ros.nodes.qos import EVERY, LATCHED, RELIABLE, SENSOR
from onestep_vla_ros.nodes.status import read_status
from onestep_vla_ros.nodes.trace import Trace

PERIOD_S = 0.01
PATIENCE_S = 60.0
# a test machine is no real-time machine: only what is tested may stop the arms
LENIENT = {"joint_state_timeout_s": 0.5, "start_check": '"off"'}


def start_bridge(*files, **parameters):
    """Start bridge_node as its own process with parameters from config/<file> and these."""
    words = [sys.executable, "-m", "onestep_vla_ros.nodes.bridge_node", "--ros-args"]
    for file in files or ("bridge.yaml",):
        words += ["--params-file", str(share_dir() / "config" / file)]
    for key, value in parameters.items():
        words += ["-p", f"{key}:={value}"]
    # as users run it: without the field checks that our tests run with
    environment = {k: v for k, v in os.environ.items() if k != "ROS_PYTHON_CHECK_FIELDS"}
    return subprocess.Popen(
        words,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent(),
    )


class LiveRobot:
    """Feeds joint states in real time and keeps what the bridge sends.

    With `use_sim_time` it publishes /clock too, as long as `has_clock`. Bounds in real time are
    those of the bridge and its robot, less what `machine` withheld from either.
    """

    def __init__(self, make_node, spin, *files, **parameters):
        self._spin = spin
        self._is_sim = parameters.get("use_sim_time") == "true"
        self.has_clock = True
        self._stamp_s = self._chunk_due_s = self.step = self.clock_s = 0.0
        self.node = node = make_node("robot")
        self.heard, self.traces, self.status, self._due_s = [], [], {}, 0.0
        self.q = HOME.copy()
        self.positions = []
        self._joints = node.create_publisher(JointState, "joint_states", SENSOR)
        self._chunks = node.create_publisher(JointTrajectory, "action_chunk", RELIABLE)
        topic = "left_arm_controller/joint_trajectory"
        node.create_subscription(JointTrajectory, topic, self._on_command, EVERY)
        topic = "right_arm_controller/commands"
        node.create_subscription(Float64MultiArray, topic, self._on_positions, EVERY)
        node.create_subscription(DiagnosticStatus, "bridge/status", self._on_status, LATCHED)
        node.create_subscription(Float64MultiArray, "bridge/trace", self._on_trace, EVERY)
        self._clock = node.create_publisher(Clock, "/clock", EVERY)
        self._enable = node.create_client(SetBool, "bridge/enable")
        self._stack = contextlib.ExitStack()
        self.machine = self._stack.enter_context(Withheld())
        self.process = start_bridge(*files, **{**LENIENT, **parameters})
        for pid in (os.getpid(), self.process.pid):
            self.machine.watch(pid)
        self.live(self._is_connected, "discovery")
        self.live_for(0.2)  # joint states have come

    @property
    def trace(self):
        """The newest."""
        return self.traces[-1] if self.traces else None

    @property
    def stamp_s(self):
        """Of the newest joint state, on the wire's clock [s]."""
        return self._stamp_s

    def _is_connected(self):
        publishers = (self._joints, self._chunks)
        is_heard = all(p.get_subscription_count() for p in publishers)
        return is_heard and self._enable.service_is_ready() and self.trace

    def _on_command(self, message):
        self.heard.append((time.monotonic(), message))
        self.q[:7] = message.points[0].positions

    def _on_positions(self, message):
        self.positions.append(message)
        self.q[7:] = message.data

    def _on_status(self, message):
        self.status = read_status(message)

    def _on_trace(self, message):
        self.traces.append(Trace.from_message(message))

    def live(self, predicate, what, limit_s=PATIENCE_S):
        """Publish joint states each 10 ms until `predicate` holds; return the time it took [s]."""
        since_s = time.monotonic()

        def once():
            now_s = time.monotonic()
            if now_s > since_s + limit_s:
                withheld_s = self.machine.worst_s(since_s)
                words = f"{what} took more than {limit_s} s; the machine withheld {withheld_s} s"
                assert now_s < since_s + limit_s + withheld_s, words
            if now_s >= self._due_s:
                self._due_s = now_s + PERIOD_S
                stamp_s = self._stamp_s = time.monotonic() if self._is_sim else time.time()
                if self._is_sim and self.has_clock:  # first, or the joints are in its future
                    self.clock_s = stamp_s
                    self._clock.publish(Clock(clock=to_stamp(stamp_s)))
                self._joints.publish(arrays_to_joint_state(self.q, np.zeros(DOF), stamp_s))
                self._infer(now_s)
            return predicate()

        self._spin(once, self.node, what=what)
        return time.monotonic() - since_s

    def live_for(self, seconds):
        end_s = time.monotonic() + seconds
        self.live(lambda: time.monotonic() > end_s, "time")

    def enable(self):
        future = self._enable.call_async(SetBool.Request(data=True))
        self.live(future.done, "enable's answer")
        assert future.result().success, future.result().message

    def send_chunk(self, q):
        """Send waypoints (16, 14) observed with the newest joint state; return that time [s]."""
        self._chunks.publish(chunk_to_trajectory(Chunk(q, self._stamp_s, 0.04)))
        return self._stamp_s

    def run(self, step=0.01):
        """Enable and move the first joint up and down, until it is well under way."""
        self.enable()
        self.live(lambda: len(self.heard) > 2, "the first commands")
        self.step = step
        self.live(lambda: abs(self.heard[-1][1].points[0].velocities[0]) > 0.1, "motion")

    def _infer(self, now_s):
        """Play the policy: every 0.2 s sixteen waypoints from where the arm is."""
        if not self.step or now_s < self._chunk_due_s:
            return
        self._chunk_due_s = now_s + 0.2
        if abs(self.q[0]) > 0.8:
            self.step = -np.copysign(self.step, self.q[0])
        self.send_chunk(self.q + self.step * np.arange(1, 17)[:, None] * (np.arange(DOF) == 0))

    def close(self):
        """End the process as an operator would; a killed peer unsettles our own middleware."""
        self.process.terminate()
        try:
            self.process.wait(timeout=10.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        self._stack.close()
