# SPDX-License-Identifier: Apache-2.0
"""A robot that is commanded in steps goes from demonstrations to a policy like the arms do."""

import numpy as np
import pytest
from tiny_demos import SIZES, facts, make_config, square, write_dataset

from onestep_vla_ros.core.embodiment import LIBERO_PANDA
from onestep_vla_ros.core.errors import CheckpointError, DatasetError, ObservationError
from onestep_vla_ros.core.observation import Observation
from onestep_vla_ros.policy.policy import load_policy
from onestep_vla_ros.train.attempts import Attempt, save_attempt
from onestep_vla_ros.train.dataset import open_dataset
from onestep_vla_ros.train.lerobot_video import film
from onestep_vla_ros.train.lerobot_writer import DatasetFacts, assemble
from onestep_vla_ros.train.libero_cells import check_contract
from onestep_vla_ros.train.trainer import train

FRAMES = 14


def panda_facts():
    old = facts()
    return DatasetFacts(
        "reach", 0, old.cameras, "synthetic", "measured", LIBERO_PANDA, ("mujoco",)
    )


@pytest.fixture(scope="module")
def reach(tmp_path_factory):
    """Eight episodes: the hand goes down, closes, goes up; 20 frames a second."""
    folder = tmp_path_factory.mktemp("panda") / "reach"
    for number in range(8):
        x = 0.1 + 0.1 * number
        action = np.zeros((FRAMES, 7), np.float32)
        action[:, 0], action[:, 6] = x, np.where(np.arange(FRAMES) < 7, -1.0, 1.0)
        state = np.full((FRAMES, 8), x, np.float32) * np.linspace(0, 1, FRAMES)[:, None]
        pictures = {n: square(x, (2 * h, 2 * w), FRAMES) for n, (h, w) in SIZES.items()}
        pixels = film(folder, number, pictures, LIBERO_PANDA.rate_hz)
        still = np.zeros(FRAMES, np.bool_)
        save_attempt(
            folder,
            Attempt(
                number, number, "reach", True, state.astype(np.float32), action, still, pixels
            ),
        )
    assemble(folder, panda_facts(), 8)
    return folder


def test_frames_have_its_states_actions_and_rate(reach):
    data = open_dataset([reach], 6, SIZES)
    assert data.meta.robot is LIBERO_PANDA
    assert data.meta.period_s == pytest.approx(0.05)
    assert data.q.shape[1:] == data.keyframe.shape[1:] == (8,)
    assert data.action.shape[1:] == (6, 7)


def test_a_policy_trained_on_it_commands_steps_in_range_and_asks_for_its_state(reach, tmp_path):
    result = train(make_config(max_steps=4), [reach], tmp_path / "run")
    policy = load_policy(result.checkpoint)
    assert policy.contract.embodiment is LIBERO_PANDA
    assert policy.contract.start_q_mean.shape == (8,)
    images = {
        c.name: np.full((c.height, c.width, 3), 128, np.uint8) for c in policy.contract.cameras
    }
    stamps = dict.fromkeys(images, 0.0)
    chunk = policy.infer(Observation(images, stamps, np.full(8, 50.0), np.zeros(8), 0.0, "reach"))
    assert chunk.q.shape == (6, 7)
    assert np.abs(chunk.q).max() <= 1.0
    with pytest.raises(ObservationError, match="finger2"):
        policy.infer(Observation(images, stamps, np.zeros(14), np.zeros(14), 0.0, "reach"))
    assert "LIBERO" in policy.describe()


def test_demonstrations_of_two_robots_do_not_mix(reach, tmp_path):
    write_dataset(tmp_path / "square", 2)
    with pytest.raises(DatasetError, match=r"(?s)robot.*Panda.*YAM"):
        open_dataset([tmp_path / "square", reach], 6, SIZES)


def test_a_checkpoint_of_two_arms_does_not_act_in_libero(demos, tmp_path):
    result = train(make_config(max_steps=2), [demos], tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"(?s)two YAM arms.*Panda"):
        check_contract("run", load_policy(result.checkpoint).contract)


def test_a_dataset_of_no_known_robot_is_refused(tmp_path):
    write_dataset(tmp_path / "square", 2)
    path = tmp_path / "square/meta/onestep.json"
    path.write_text(path.read_text().replace("left_joint1", "knee"))
    with pytest.raises(DatasetError, match="joint_names"):
        open_dataset([tmp_path / "square"], 6, SIZES)
