# SPDX-License-Identifier: Apache-2.0
"""What a policy goes without at evaluation, seen from inside the policy."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.joints import ARM_JOINT_INDEX, GRIPPER_INDEX
from onestep_vla_ros.core.observation import CameraSpec, Observation
from onestep_vla_ros.train.ablation import GREY, NEUTRAL_PROMPT, without

MEAN = np.linspace(0.1, 0.5, 14)


class Probe:
    """Keeps what it was shown; its arm joints are deltas from the state it read."""

    contract = SimpleNamespace(cameras=(CameraSpec("top", 4, 6),))
    checkpoint = SimpleNamespace(normalizer=SimpleNamespace(state_mean=torch.tensor(MEAN)))

    def infer(self, observation):
        self.seen = observation
        base = observation.q.copy()
        base[list(GRIPPER_INDEX)] = 0.0
        return Chunk(np.stack([base + 0.1, base + 0.2]), observation.stamp_s, 0.1)


@pytest.fixture
def observation():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (4, 6, 3), dtype=np.uint8)
    q = rng.uniform(0.0, 1.0, 14)
    return Observation({"top": image}, {"top": 2.0}, q, np.zeros(14), 2.0, "lift the beam")


def test_nothing_ablated_is_the_policy_itself(observation):
    probe = Probe()
    assert without("none", probe) == probe.infer


def test_without_images_they_are_grey_and_need_not_be_rendered(observation):
    probe = Probe()
    blank = Observation({}, {}, observation.q, observation.qd, 2.0, observation.instruction)
    for seen in (observation, blank):
        chunk = without("image", probe)(seen)
        assert (probe.seen.images["top"] == GREY).all()
        assert probe.seen.images["top"].shape == (4, 6, 3)
        assert (probe.seen.q == observation.q).all()
        assert chunk.stamp_s == 2.0


def test_without_state_the_network_reads_the_mean_and_the_chunk_stays_where_the_arms_are(
    observation,
):
    probe = Probe()
    whole = without("none", probe)(observation)
    chunk = without("state", probe)(observation)
    assert np.allclose(probe.seen.q, MEAN)
    assert probe.seen.instruction == observation.instruction
    arms, grippers = list(ARM_JOINT_INDEX), list(GRIPPER_INDEX)
    assert np.allclose(chunk.q[:, arms], whole.q[:, arms])
    assert np.allclose(chunk.q[:, grippers], whole.q[:, grippers])


def test_without_prompt_the_sentence_says_nothing(observation):
    probe = Probe()
    without("prompt", probe)(observation)
    assert probe.seen.instruction == NEUTRAL_PROMPT
    assert probe.seen.images is not None
