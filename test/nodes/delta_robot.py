# SPDX-License-Identifier: Apache-2.0
"""A world of increments, and a policy that answers what it sees and nothing else."""

from __future__ import annotations

import hashlib
from functools import partial

import numpy as np
import pytest
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.observation import CameraSpec, Observation
from onestep_vla_ros.nodes.messages import chunk_to_trajectory, image_to_rgb, to_seconds
from onestep_vla_ros.nodes.qos import RELIABLE, SENSOR
from onestep_vla_ros.sim.libero_world import ACTION_NAMES, STATE_NAMES

PERIOD_S = 0.05
STEPS = 8
HOME = np.array([-0.2, 0.0, 1.1, 3.1, 0.0, 0.0, 0.04, -0.04])
CAMERAS = (CameraSpec("agentview", 16, 16), CameraSpec("eye_in_hand", 16, 16))
SENTENCE = "pick up the milk and place it in the basket"


class DeltaWorld:
    """A `World` whose arm goes by what it is told; success after 30 steps, time for 60."""

    cameras = CAMERAS
    task = "milk"
    timeout_s = 60 * PERIOD_S
    instruction = SENTENCE

    def __init__(self):
        self.actions = []
        self.reset(0)

    def reset(self, seed):
        self.seed, self.steps = seed, 0
        self._q = HOME + 0.001 * seed
        self.actions = []

    @property
    def time_s(self):
        return self.steps * PERIOD_S

    def joint_state(self):
        return self._q.copy(), np.zeros(8)

    def render(self, camera):
        pixels = np.random.default_rng([self.steps, self.seed, len(camera.name)])
        return pixels.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)

    def observe(self, cameras=None):
        seen_s = self.time_s - PERIOD_S
        images = {c.name: self.render(c) for c in self.cameras}
        stamps = dict.fromkeys(images, seen_s)
        return Observation(images, stamps, *self.joint_state(), seen_s, SENTENCE)

    def step(self, command, duration_s):
        assert duration_s == PERIOD_S
        self.actions.append(np.array(command))
        self._q = self._q + np.array([*(0.001 * command[:6]), 0.0, 0.0])
        self.steps += 1

    def success(self):
        return self.steps >= 30

    def wrong_object(self):
        return False


def answer(images, q):
    """Return 16 actions (16, 7) that every bit of what was seen decides."""
    seen = hashlib.sha256(b"".join([*(images[c.name].tobytes() for c in CAMERAS), q.tobytes()]))
    rng = np.random.default_rng(int.from_bytes(seen.digest()[:8], "big"))
    return rng.uniform(-1.0, 1.0, (16, 7))


def answer_to(seen):
    """Return `answer` to an observation."""
    return answer(seen.images, seen.q)


def play(seed, infer=answer_to):
    """Return the actions of an episode in-process: of every answer the first `STEPS`."""
    world = DeltaWorld()
    world.reset(seed)
    while world.time_s < world.timeout_s - 1e-9:
        for action in infer(world.observe())[:STEPS]:
            if world.time_s < world.timeout_s - 1e-9:
                world.step(action, PERIOD_S)
    return np.array(world.actions)


class Answerer:
    """A policy's place in the graph: answers as soon as all of one moment is there."""

    def __init__(self, node, period_s=PERIOD_S):
        self._chunks = node.create_publisher(JointTrajectory, "action_chunk", RELIABLE)
        self._parts, self._period_s, self._answered_s = {}, period_s, 0.0
        for camera in CAMERAS:
            put = partial(self._on_image, camera)
            node.create_subscription(Image, f"{camera.name}/image_raw", put, SENSOR)
        node.create_subscription(JointState, "joint_states", self._on_state, SENSOR)

    def _on_image(self, camera, message):
        self._put(message, camera.name, image_to_rgb(message, camera))

    def _on_state(self, message):
        assert list(message.name) == list(STATE_NAMES)
        self._put(message, "q", np.array(message.position))

    def _put(self, message, name, value):
        stamp_s = to_seconds(message.header.stamp)
        parts = self._parts.setdefault(stamp_s, {})
        parts[name] = value
        if len(parts) == 3 and stamp_s > self._answered_s:
            self._answered_s = stamp_s
            self._parts = {}
            chunk = Chunk(answer(parts, parts["q"]), stamp_s, self._period_s)
            self._chunks.publish(chunk_to_trajectory(chunk, ACTION_NAMES))


def write_delta_checkpoint(folder, size=16):
    """Write a random policy of LIBERO's arm, with cameras of `size` pixels, too small to be good.

    Its pictures are not shrunk, so its actions differ from one observation to the next.
    """
    torch = pytest.importorskip("torch")
    from onestep_vla_ros.policy.checkpoint import Checkpoint, save_checkpoint
    from onestep_vla_ros.policy.contract import Contract
    from onestep_vla_ros.policy.model import ModelConfig, OneStepModel
    from onestep_vla_ros.policy.normalizer import Normalizer
    from onestep_vla_ros.policy.tokenizer import train_tokenizer

    torch.manual_seed(0)
    horizon, dof = 16, len(ACTION_NAMES)
    encoder = {"kind": "nano", "width": 24, "stem": 8, "channels": 8, "keypoints": 4}
    encoder |= {"keypoint_tokens": 1, "vocabulary": 300, "max_tokens": 32}
    head = {"horizon": horizon, "dof": dof, "width": 32, "layers": 2, "heads": 2, "mlp": 48}
    config = ModelConfig.from_json(
        {
            "encoder": encoder,
            "head": {**head, "prefix": 0},
            "cameras": {c.name: [size, size] for c in CAMERAS},
            "state_dof": len(STATE_NAMES),
        }
    )
    normalizer = Normalizer(
        torch.tensor(HOME, dtype=torch.float32),
        torch.full((8,), 0.1),
        torch.zeros(horizon, dof),
        torch.full((horizon, dof), 0.5),
        (),
    )
    contract = Contract(
        joint_names=ACTION_NAMES,
        cameras=tuple(CameraSpec(c.name, size, size) for c in CAMERAS),
        period_s=PERIOD_S,
        horizon=horizon,
        instruction_examples=(SENTENCE,),
        start_q_mean=HOME,
        start_q_low=HOME - 0.1,
        start_q_high=HOME + 0.1,
    )
    model = OneStepModel(config).eval()
    with torch.no_grad():  # a new head answers nothing but the mean
        for weight in model.head.parameters():
            weight.normal_(0.0, 0.3)
    tokenizer = train_tokenizer([SENTENCE], 300)
    save_checkpoint(folder, Checkpoint(model, contract, normalizer, tokenizer))
    return folder
