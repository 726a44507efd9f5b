# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
from tiny_demos import SIZES, write_dataset

from onestep_vla_ros.policy.normalizer import Normalizer
from onestep_vla_ros.train.dataset import open_dataset
from onestep_vla_ros.train.surprise import repeats, surprise


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    """Ten episodes that rest alike, then move joint 4 up or down; half way the state tells."""

    def fork(attempt):
        plan = np.zeros((12, 14), np.float32)
        plan[:, 3] = (-1) ** attempt.number * np.concatenate(
            [np.zeros(6), np.linspace(0.2, 1.2, 6)]
        )
        frame = np.array([3, 4, 5, 6, 7, 8, 9] + [9] * 5)
        return dataclasses.replace(attempt, state=plan[frame], action=plan[frame + 1])

    folder = tmp_path_factory.mktemp("forks")
    write_dataset(folder, change=fork)
    data = open_dataset([folder], 2, SIZES)
    normalizer = Normalizer.fit(data.q, data.action)
    return data, np.arange(len(data.q)), normalizer, folder / ".cache"


def test_a_frame_before_the_fork_surprises_and_one_after_it_does_not(forks):
    data, frames, normalizer, cache = forks
    error = surprise(data, frames, normalizer, cache).reshape(10, 12)
    assert (error[:, 2] > 10 * error[:, 5]).all()


def test_its_own_episode_foretells_nothing(forks):
    data, frames, normalizer, cache = forks
    alone = frames[data.episode == 0]
    assert np.array_equal(surprise(data, alone, normalizer, cache), np.zeros(len(alone)))


def test_errors_are_kept_for_the_same_frames_alone(forks, tmp_path):
    data, frames, normalizer, _ = forks
    first = surprise(data, frames, normalizer, tmp_path)
    (kept,) = tmp_path.iterdir()
    np.save(kept, first + 1.0)
    assert np.array_equal(surprise(data, frames, normalizer, tmp_path), first + 1.0)
    fewer = surprise(data, frames[12:], normalizer, tmp_path)
    assert len(fewer) == len(frames) - 12
    assert fewer.max() < 1.0 + first.max()
    assert len(list(tmp_path.iterdir())) == 2


def test_repeats_follow_the_surprise_between_one_and_the_most():
    error = np.array([0.0, 1.0, 1.0, 1.0, 3.0, 400.0])
    assert repeats(error, 30).tolist() == [1, 1, 1, 1, 3, 30]
    assert repeats(error, 1).tolist() == [1] * 6
    assert repeats(np.zeros(3), 30).tolist() == [1, 1, 1]
