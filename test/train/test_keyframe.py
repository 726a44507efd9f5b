# SPDX-License-Identifier: Apache-2.0
import numpy as np
import torch

from onestep_vla_ros.core.embodiment import LIBERO_PANDA
from onestep_vla_ros.policy.encoder import Text
from onestep_vla_ros.policy.nano_encoder import NanoConfig, NanoEncoder
from onestep_vla_ros.train.keyframe import KeyframeReadout, keyframes_of, next_keyframes


def _plan():
    """Rest at 0, move joint 1 to 1, rest, move it to 2, rest; the gripper closes on the way."""
    ramp = np.concatenate([np.zeros(5), np.linspace(0, 1, 11), np.ones(5), np.linspace(1, 2, 11)])
    plan = np.zeros((len(ramp) + 4, 14), np.float32)
    plan[:, 0] = np.append(ramp, [2.0] * 4)
    plan[16:21, 6] = np.linspace(1, 0, 5)
    return plan


def test_a_frame_looks_to_where_its_own_movement_ends():
    plan = _plan()
    keyframes = next_keyframes(plan, np.array([0, 4, 8, 14]))
    assert np.allclose(keyframes[:, 0], 1.0)


def test_a_frame_at_rest_looks_to_the_end_of_the_next_movement():
    plan = _plan()
    assert np.allclose(next_keyframes(plan, np.array([17, 19]))[:, 0], 2.0)


def test_after_the_last_movement_the_last_pose_counts():
    plan = _plan()
    assert np.allclose(next_keyframes(plan, np.array([len(plan) - 1]))[0], plan[-1])


def test_a_gripper_alone_is_no_movement():
    plan = np.zeros((20, 14), np.float32)
    plan[:, 6] = np.linspace(0, 1, 20)
    assert np.allclose(next_keyframes(plan, np.array([0]))[0], plan[-1])


def test_the_readout_reads_cameras_sentence_and_state_and_no_word():
    encoder = NanoEncoder(NanoConfig(16, 8, 8, 4, 1, 300, 8), ("top", "left_wrist"), 14)
    text = Text(torch.tensor([[5, 6, 7]]), torch.ones(1, 3, dtype=torch.bool))
    images = {name: torch.zeros(1, 3, 32, 32, dtype=torch.uint8) for name in encoder.cameras}
    tokens = encoder.encode(images, text, torch.zeros(1, 14)).tokens
    readout = KeyframeReadout(encoder)
    first = readout(tokens)
    assert first.shape == (1, 14)
    changed = tokens.clone()
    words = slice(tokens.shape[1] - 2 - 3, tokens.shape[1] - 2)
    changed[:, words] += 1.0
    assert torch.equal(readout(changed), first)
    for place in (0, tokens.shape[1] - 2, tokens.shape[1] - 1):
        moved = tokens.clone()
        moved[:, place] += 1.0
        assert not torch.equal(readout(moved), first)


def test_an_arm_commanded_in_steps_looks_to_where_its_gripper_acts_next():
    state = np.arange(10, dtype=np.float32)[:, None] * np.ones(8, np.float32)
    action = np.zeros((10, 7), np.float32)
    action[:, 6] = [-1, -1, -1, -1, 1, 1, 1, -1, -1, -1]
    found = keyframes_of(LIBERO_PANDA, state, action, np.array([0, 3, 4, 6, 7, 9]))
    assert found[:, 0].tolist() == [4.0, 4.0, 7.0, 7.0, 9.0, 9.0]
