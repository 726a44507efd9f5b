# SPDX-License-Identifier: Apache-2.0
"""Real nodes in one process, a clock in the test's hand, a kinematic world, a tiny checkpoint."""

from __future__ import annotations

import time

import numpy as np
import pytest

from onestep_vla_ros.core.joints import DOF, JOINT_NAMES
from onestep_vla_ros.core.observation import CameraSpec, Observation
from onestep_vla_ros.files import share_dir

HOME = np.array([0.0, 1.047, 1.047, 0.0, 0.0, 0.0, 0.7] * 2)
CAMERAS = (
    CameraSpec("top", 192, 192),
    CameraSpec("left_wrist", 128, 128),
    CameraSpec("right_wrist", 128, 128),
)
SENTENCE = "put the red cube on the plate"
PATIENCE_S = 60.0


class KinematicWorld:
    """A `World` whose arms go where they are told at once; success after half a second."""

    cameras = CAMERAS
    task = "place"
    timeout_s = 15.0

    def __init__(self) -> None:
        self.reset(0)

    def wrong_object(self):
        return False

    @property
    def time_s(self):
        return self._time_s

    @property
    def instruction(self):
        return SENTENCE

    def reset(self, seed):
        self.seed, self._time_s = seed, 0.0
        self._q = HOME + 0.01 * seed
        self.commands = []

    def joint_state(self):
        return self._q.copy(), np.zeros(DOF)

    def render(self, camera):
        return np.full((camera.height, camera.width, 3), 100 + self.seed, np.uint8)

    def observe(self, cameras=None):
        images = {c.name: self.render(c) for c in cameras or self.cameras}
        stamps = dict.fromkeys(images, self.time_s)
        return Observation(images, stamps, *self.joint_state(), self.time_s, SENTENCE)

    def step(self, command, duration_s):
        self._q = np.array(command)
        self._time_s += duration_s
        self.commands.append(self._q)

    def success(self):
        return self._time_s > 0.5


@pytest.fixture(scope="session")
def ros():
    """rclpy, initialised once for the session."""
    rclpy = pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
    rclpy.init()
    yield rclpy
    rclpy.try_shutdown()


@pytest.fixture
def world():
    return KinematicWorld()


@pytest.fixture
def make_node(ros):
    """Build nodes with parameters from config/<file> and overrides; destroyed at the end."""
    from rclpy.node import Node

    made = []

    def make(name, *files, kind=Node, **parameters):
        arguments = ["--ros-args", "-r", f"__node:={name}"]
        for file in files:
            arguments += ["--params-file", str(share_dir() / "config" / file)]
        for key, value in parameters.items():
            arguments += ["-p", f"{key}:={value}"]
        node = kind(name, cli_args=arguments)
        made.append(node)
        return node

    yield make
    for node in made:
        if hasattr(node, "close"):
            node.close()
        node.destroy_node()


@pytest.fixture
def spin(ros):
    """Spin nodes in this thread until a predicate holds; fail with `what` otherwise."""
    from onestep_vla_ros.nodes.executor import make_executor

    executor = make_executor()
    added = []

    def until(predicate, *nodes, what="what the test waits for"):
        for node in nodes:
            if node not in added:
                executor.add_node(node)
                added.append(node)
        end = time.monotonic() + PATIENCE_S
        while not predicate():
            executor.spin_once(timeout_sec=0.02)
            assert time.monotonic() < end, f"{what} did not happen in {PATIENCE_S} s"

    yield until
    for node in added:
        executor.remove_node(node)
    executor.shutdown()


@pytest.fixture
def live(make_node, spin):
    """Start a live robot; its process is gone at the end."""
    from live_robot import LiveRobot

    robots = []

    def start(*files, **parameters):
        robots.append(LiveRobot(make_node, spin, *files, **parameters))
        return robots[-1]

    yield start
    for robot in robots:
        robot.close()


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """A folder with a random policy of the shipped robot's contract, too small to be useful."""
    torch = pytest.importorskip("torch")
    from onestep_vla_ros.policy.checkpoint import Checkpoint, save_checkpoint
    from onestep_vla_ros.policy.contract import Contract
    from onestep_vla_ros.policy.model import ModelConfig, OneStepModel
    from onestep_vla_ros.policy.normalizer import Normalizer
    from onestep_vla_ros.policy.tokenizer import train_tokenizer

    torch.manual_seed(0)
    horizon = 16
    config = ModelConfig.from_json(
        {
            "encoder": {
                "kind": "nano",
                "width": 24,
                "stem": 8,
                "channels": 8,
                "keypoints": 4,
                "keypoint_tokens": 1,
                "vocabulary": 300,
                "max_tokens": 24,
            },
            "head": {
                "horizon": horizon,
                "dof": DOF,
                "width": 32,
                "layers": 2,
                "heads": 2,
                "mlp": 48,
            },
            "cameras": {"top": [24, 24], "left_wrist": [16, 16], "right_wrist": [16, 16]},
        }
    )
    normalizer = Normalizer(
        torch.tensor(HOME, dtype=torch.float32),
        torch.ones(DOF),
        torch.zeros(horizon, DOF),
        torch.full((horizon, DOF), 0.01),
    )
    contract = Contract(
        joint_names=JOINT_NAMES,
        cameras=CAMERAS,
        period_s=0.04,
        horizon=horizon,
        instruction_examples=(SENTENCE,),
        start_q_mean=HOME,
        start_q_low=HOME - 0.1,
        start_q_high=HOME + 0.1,
    )
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    model = OneStepModel(config).eval()
    tokenizer = train_tokenizer([SENTENCE], 300)
    save_checkpoint(folder, Checkpoint(model, contract, normalizer, tokenizer))
    return folder
