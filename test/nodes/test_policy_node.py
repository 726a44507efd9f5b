# SPDX-License-Identifier: Apache-2.0
"""The real policy node with a tiny checkpoint: life cycle, chunks, refusals, faults at load."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from sensor_msgs.msg import Image, JointState  # noqa: E402
from std_msgs.msg import Float64MultiArray, String  # noqa: E402
from tiny_robot import CAMERAS, HOME, SENTENCE, write_tiny_checkpoint  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from onestep_vla_ros.core.chunk import Chunk  # noqa: E402
from onestep_vla_ros.core.joints import ARMS, DOF, JOINT_NAMES  # noqa: E402
from onestep_vla_ros.core.tool import tool_path  # noqa: E402
from onestep_vla_ros.files import share_dir  # noqa: E402
from onestep_vla_ros.nodes.messages import (  # noqa: E402
    arrays_to_joint_state,
    chunk_to_trajectory,
    rgb_to_image,
    to_seconds,
    trajectory_to_chunk,
    trajectory_to_start_pose,
)
from onestep_vla_ros.nodes.policy_node import PolicyNode  # noqa: E402
from onestep_vla_ros.nodes.qos import EVERY, LATCHED, SENSOR  # noqa: E402
from onestep_vla_ros.nodes.status import read_status  # noqa: E402
from onestep_vla_ros.nodes.trace import InferenceTrace  # noqa: E402
from onestep_vla_ros.policy.calibration import Calibration  # noqa: E402
from onestep_vla_ros.policy.checkpoint import save_decoding  # noqa: E402
from onestep_vla_ros.policy.decoder import Decoding  # noqa: E402


def make_policy(name, cli_args):
    return PolicyNode(name, cli_args=cli_args)


class Robot:
    """Cameras, joint states and a sentence for one policy node."""

    def __init__(self, make_node, spin, policy):
        self.node, self.policy, self._spin = make_node("robot"), policy, spin
        self.chunks, self.diagnostics, self._sent_s = [], {}, 0.0
        self._images = {
            c.name: self.node.create_publisher(Image, f"{c.name}/image_raw", SENSOR)
            for c in CAMERAS
        }
        self._joints = self.node.create_publisher(JointState, "joint_states", SENSOR)
        self.instruction = self.node.create_publisher(String, "instruction", LATCHED)
        self.node.create_subscription(JointTrajectory, "action_chunk", self.chunks.append, EVERY)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, EVERY)

    def _on_diagnostics(self, message):
        for status in message.status:
            if status.name == "policy":
                self.diagnostics = read_status(status)

    def now_s(self):
        return self.node.get_clock().now().nanoseconds / 1e9

    def send(self, spoil=lambda camera, message: message):
        """Send one picture of every camera and a joint state, all taken now, at most at 50 Hz."""
        stamp_s = self.now_s()
        if stamp_s < self._sent_s + 0.02:
            return self._sent_s
        self._sent_s = stamp_s
        self._joints.publish(arrays_to_joint_state(HOME, np.zeros(DOF), stamp_s))
        for camera in CAMERAS:
            picture = np.full((camera.height, camera.width, 3), 80, np.uint8)
            message = rgb_to_image(picture, stamp_s, camera.name)
            self._images[camera.name].publish(spoil(camera.name, message))
        return stamp_s

    def until(self, predicate, what):
        self._spin(predicate, self.node, self.policy, what=what)


@pytest.fixture
def robot(make_node, spin, tiny_checkpoint):
    policy = make_node(
        "policy",
        "policy.yaml",
        kind=make_policy,
        checkpoint=str(tiny_checkpoint),
        status_period_s="0.1",
        replan_period_s="0.0",
        waypoint_period_s="0.04",  # the random checkpoint's own
        image_timeout_s="5.0",
        joint_state_timeout_s="5.0",
    )
    return Robot(make_node, spin, policy)


def activate(robot):
    robot.policy.trigger_configure()
    robot.policy.trigger_activate()
    assert not robot.policy.failure
    count = robot.node.count_subscribers
    robot.until(lambda: count("joint_states") and count("top/image_raw"), "discovery")


def test_chunk_carries_the_capture_time_and_the_contracts_shape(robot):
    activate(robot)
    robot.instruction.publish(String(data=SENTENCE))
    sent = []
    robot.until(lambda: sent.append(robot.send()) or robot.chunks, "a chunk")
    chunk = trajectory_to_chunk(robot.chunks[0])
    assert chunk.q.shape == (16, DOF)
    assert chunk.period_s == pytest.approx(0.04)
    assert list(robot.chunks[0].joint_names) == list(JOINT_NAMES)
    assert min(abs(to_seconds(robot.chunks[0].header.stamp) - s) for s in sent) < 1e-6
    robot.until(lambda: int(robot.diagnostics.get("chunks", 0)) > 0, "diagnostics")
    assert float(robot.diagnostics["inference_p50_ms"]) > 0.0


def test_the_predicted_path_is_drawn_for_who_looks(robot):
    """Two lines, from where the tools go first to where they go last, stamped as the chunk."""
    seen = []
    robot.node.create_subscription(MarkerArray, "predicted_path", seen.append, EVERY)
    activate(robot)
    robot.until(lambda: robot.policy.count_subscribers("predicted_path"), "a listener")
    robot.instruction.publish(String(data=SENTENCE))

    def pair():
        chunks = {to_seconds(c.header.stamp): trajectory_to_chunk(c) for c in robot.chunks}
        stamps = [to_seconds(path.markers[0].header.stamp) for path in seen]
        return [(p.markers, chunks[t]) for p, t in zip(seen, stamps, strict=True) if t in chunks]

    robot.until(lambda: robot.send() and pair(), "a chunk and its path")
    lines, chunk = pair()[0]
    assert [(m.ns, m.type, m.header.frame_id) for m in lines] == [
        (arm, Marker.LINE_STRIP, "world") for arm in ARMS
    ]
    for line in lines:
        points = np.array([(p.x, p.y, p.z) for p in line.points])
        assert points == pytest.approx(tool_path(chunk.q, line.ns))
        assert [c.a for c in line.colors] == sorted((c.a for c in line.colors), reverse=True)
        assert to_seconds(line.lifetime) == pytest.approx(16 * 0.04)


def measuring(make_node, folder, **parameters):
    return make_node(
        "policy",
        "policy.yaml",
        kind=make_policy,
        checkpoint=str(folder),
        status_period_s="0.1",
        replan_period_s="0.0",
        waypoint_period_s="0.04",
        image_timeout_s="5.0",
        joint_state_timeout_s="5.0",
        **parameters,
    )


def test_diagnostics_tell_nothing_of_ambiguity_unless_asked(robot):
    activate(robot)
    robot.instruction.publish(String(data=SENTENCE))
    robot.until(lambda: robot.send() and "mean_steps" in robot.diagnostics, "diagnostics")
    assert float(robot.diagnostics["mean_steps"]) == 1.0
    assert robot.diagnostics["more_steps"] == "0"
    assert not [key for key in robot.diagnostics if key.startswith("ambiguity")]


def test_chunks_go_on_from_what_the_bridge_is_bound_to(make_node, spin, tmp_path):
    folder = write_tiny_checkpoint(tmp_path / "tiny", prefix=4)
    robot = Robot(make_node, spin, measuring(make_node, folder, prefix_s="0.1"))
    plan = robot.node.create_publisher(JointTrajectory, "bridge/plan", LATCHED)
    activate(robot)
    robot.until(plan.get_subscription_count, "discovery of the plan")
    robot.instruction.publish(String(data=SENTENCE))
    robot.until(lambda: robot.send() and robot.chunks, "a free chunk")
    away = HOME + 0.03
    told = Chunk(np.tile(away, (400, 1)), robot.now_s() - 1.0, 0.05)
    plan.publish(chunk_to_trajectory(told))
    robot.chunks.clear()

    def is_continued():
        return [c for c in map(trajectory_to_chunk, robot.chunks) if np.allclose(c.q[:3], away)]

    robot.until(lambda: robot.send() and is_continued(), "a chunk that goes on from the plan")
    assert not np.allclose(is_continued()[0].q[3], away)  # 0.1 s are three waypoints of 0.04 s
    robot.until(lambda: int(robot.diagnostics.get("continued", 0)) > 0, "diagnostics")
    plan.publish(JointTrajectory())
    robot.chunks.clear()
    robot.until(lambda: robot.send() and len(robot.chunks) > 2, "chunks")
    assert not np.allclose(trajectory_to_chunk(robot.chunks[-1]).q[:3], away)


def test_ambiguity_is_published_when_it_is_measured(make_node, spin, tiny_checkpoint):
    policy = measuring(make_node, tiny_checkpoint, measure_ambiguity="true")
    robot = Robot(make_node, spin, policy)
    activate(robot)
    robot.instruction.publish(String(data=SENTENCE))
    robot.until(lambda: robot.send() and "ambiguity" in robot.diagnostics, "ambiguity")
    said = {key: float(robot.diagnostics[key]) for key in ("ambiguity_p50", "ambiguity_p99")}
    assert 0.0 <= said["ambiguity_p50"] <= said["ambiguity_p99"]
    assert float(robot.diagnostics["mean_steps"]) == 2.0
    assert "ambiguity_threshold" not in robot.diagnostics


@pytest.mark.parametrize(("threshold", "steps"), [(100.0, 2.0), (0.0, 12.0)])
def test_auto_says_how_many_chunks_took_more_steps(
    make_node, spin, tiny_checkpoint, tmp_path, threshold, steps
):
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "calibrated")
    calibration = Calibration(threshold, 0.0, 0.95, 100)
    save_decoding(folder, Decoding(calibration=calibration))
    robot = Robot(make_node, spin, measuring(make_node, folder, steps="0"))
    activate(robot)
    robot.instruction.publish(String(data=SENTENCE))
    robot.until(lambda: robot.send() and "mean_steps" in robot.diagnostics, "diagnostics")
    said = robot.diagnostics
    assert float(said["mean_steps"]) == steps
    assert float(said["ambiguity_threshold"]) == threshold
    longer = int(said["chunks"]) if steps > 2.0 else 0
    assert longer <= int(said["more_steps"]) <= longer + (steps > 2.0)  # one may be under way


def test_auto_of_a_checkpoint_without_threshold_is_refused_and_says_what_to_do(
    make_node, tiny_checkpoint
):
    policy = measuring(make_node, tiny_checkpoint, steps="0")
    policy.trigger_configure()
    assert "--calibrate" in policy.failure


def test_each_chunk_comes_with_when_it_was_observed_and_inferred(robot):
    traces = []

    def take(message):
        traces.append(InferenceTrace.from_message(message))

    robot.node.create_subscription(Float64MultiArray, "policy/trace", take, EVERY)
    activate(robot)
    robot.instruction.publish(String(data=SENTENCE))
    robot.until(lambda: robot.send() and len(robot.chunks) > 1 and len(traces) > 1, "two traces")
    stamps = {round(to_seconds(m.header.stamp), 6) for m in robot.chunks}
    assert round(traces[0].stamp_s, 6) in stamps
    for trace in traces:
        assert trace.stamp_s < trace.observed_s <= trace.started_s < trace.ended_s
        assert trace.ended_s <= robot.now_s()


@pytest.mark.parametrize("jump_s", [-10.0, 10.0])
def test_jump_of_the_wall_clock_does_not_blind_the_policy(robot, monkeypatch, jump_s):
    """By the new wall clock every picture it holds is ten seconds off."""
    activate(robot)
    robot.instruction.publish(String(data=SENTENCE))
    robot.until(lambda: robot.send() and robot.chunks, "a chunk")
    observer, clock = robot.policy._worker.observer, robot.policy._time
    real, since_s = time.time, time.time()
    monkeypatch.setattr(time, "time", lambda: real() + jump_s)
    monkeypatch.setattr(robot, "now_s", time.time)
    assert observer.trouble(clock.now_s()) == ""
    robot._sent_s = 0.0
    robot.until(
        lambda: robot.send() and abs(to_seconds(robot.chunks[-1].header.stamp) - since_s) > 5.0,
        "a chunk by the new clock",
    )
    assert clock.jumps == 1
    assert observer.trouble(clock.now_s()) == ""


def test_range_of_start_poses_waits_for_whoever_comes_late(robot):
    robot.policy.trigger_configure()
    heard = []
    late = robot.node.create_subscription
    late(JointTrajectory, "policy/start_pose", heard.append, LATCHED)
    robot.until(lambda: heard, "the start poses")
    low, high = trajectory_to_start_pose(heard[0])
    contract = robot.policy._policy.contract
    assert np.array_equal(low, contract.start_q_low)
    assert np.array_equal(high, contract.start_q_high)


def test_no_chunk_without_an_instruction_or_while_inactive(robot):
    robot.policy.trigger_configure()
    robot.instruction.publish(String(data=SENTENCE))
    send_for(robot, 0.3)
    assert robot.chunks == []
    robot.policy.trigger_activate()
    robot.until(lambda: robot.send() and robot.chunks, "a chunk once active")
    robot.policy.trigger_deactivate()
    send_for(robot, 0.3)  # what was under way arrives
    seen = len(robot.chunks)
    send_for(robot, 0.3)
    assert len(robot.chunks) == seen


def send_for(robot, seconds):
    end_s = time.monotonic() + seconds
    robot.until(lambda: robot.send() and time.monotonic() > end_s, "time")


@pytest.mark.parametrize("text", ["", "x" * 2000])
def test_unusable_instruction_is_counted_and_nothing_is_inferred(robot, text):
    activate(robot)
    robot.instruction.publish(String(data=text))
    key = "refused.instruction_unusable"
    robot.until(lambda: robot.send() and robot.diagnostics.get(key) == "1", "the refusal")
    assert robot.chunks == []


def test_unusable_picture_is_counted_by_camera_and_nothing_is_inferred(robot):
    activate(robot)
    robot.instruction.publish(String(data=SENTENCE))

    def spoil(camera, message):
        if camera == "left_wrist":
            message.encoding = "32FC3"
        return message

    key = "refused.image_unusable.left_wrist"
    robot.until(lambda: robot.send(spoil) and robot.diagnostics.get(key), "the refusal")
    assert robot.chunks == []


def test_checkpoint_of_another_robot_is_refused_naming_every_mismatch(make_node, tiny_checkpoint):
    policy = make_node(
        "policy",
        "policy.yaml",
        kind=make_policy,
        checkpoint=str(tiny_checkpoint),
        cameras="['top:640x480', 'left_wrist:128x128']",
        waypoint_period_s="0.05",
    )
    policy.trigger_configure()
    for words in ("'top'", "'right_wrist'", "period_s", "192x192"):
        assert words in policy.failure


def test_joint_states_are_read_in_the_robots_own_names_and_units(make_node, tiny_checkpoint):
    """The model must see what it was trained on: 0..1, not the metres of this gripper."""
    own = [f"j{i}" for i in range(DOF)]
    scale, offset = [1.0] * 6 + [-0.0475] + [2.0] * 7, [0.0] * 6 + [0.0475] + [0.5] * 7
    policy = make_node(
        "foreign",
        "policy.yaml",
        kind=make_policy,
        checkpoint=str(tiny_checkpoint),
        wire_names="[" + ", ".join(own) + "]",
        wire_scale=str(scale),
        wire_offset=str(offset),
        waypoint_period_s="0.04",
    )
    policy.trigger_configure()
    assert not policy.failure
    message = arrays_to_joint_state(np.array(scale) * HOME + offset, np.array(scale), 5.0)
    message.name = own
    policy._on_joint_state(message)
    ((stamp_s, q, qd),) = policy._worker.observer._states
    assert stamp_s == policy._time.local_s(5.0)
    assert q == pytest.approx(HOME)
    assert qd == pytest.approx(np.ones(DOF))


def test_several_bad_parameters_are_refused_at_once(make_node):
    policy = make_node(
        "policy", "policy.yaml", kind=make_policy, image_timeout_s="-1.0", noise="loud", tempo="1"
    )
    policy.trigger_configure()
    for words in ("image_timeout_s", "noise", "tempo"):
        assert words in policy.failure


def start_alone(*parameters):
    """Run policy_node as its own process; return (exit status, stderr)."""
    words = [sys.executable, "-m", "onestep_vla_ros.nodes.policy_node", "--ros-args"]
    words += ["--params-file", str(share_dir() / "config" / "policy.yaml")]
    for parameter in parameters:
        words += ["-p", parameter]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=os.environ)
    return done.returncode, done.stderr


def test_process_without_a_checkpoint_ends_with_one_clear_message(tmp_path):
    status, said = start_alone(f"checkpoint:={json.dumps(str(tmp_path / 'none'))}")
    assert status == 1
    assert "none" in said
    assert "Traceback" not in said
