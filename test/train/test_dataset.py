# SPDX-License-Identifier: Apache-2.0
import dataclasses
import threading

import numpy as np
import pytest
from tiny_demos import FRAMES, SIZES, tiny_attempt, write_dataset

from onestep_vla_ros.core.errors import ConfigError, DatasetError
from onestep_vla_ros.policy.images import resize_uint8
from onestep_vla_ros.train.attempts import load_attempt
from onestep_vla_ros.train.dataset import open_dataset
from onestep_vla_ros.train.lerobot_layout import VIDEO_PATH, numbered, video_key
from onestep_vla_ros.train.lerobot_video import read_video

H = 6


def _episode(folder, index):
    attempt = load_attempt(folder, index)
    path = folder / numbered(VIDEO_PATH, index, video_key("top"))
    return attempt, resize_uint8(read_video(path)[0], SIZES["top"])


def test_frames_are_concatenated_and_chunks_start_after_their_frame(demos):
    data = open_dataset([demos], H, SIZES)
    assert data.images["top"].shape == (120, 24, 32, 3)
    assert data.action.shape == (120, H, 14)
    assert data.meta.period_s == 0.1
    attempt, images = _episode(demos, 3)
    rows = np.flatnonzero(data.episode == 3)
    assert np.array_equal(data.images["top"][rows], images)
    assert np.array_equal(data.q[rows], attempt.state)
    for t in range(FRAMES - H):
        assert np.array_equal(data.action[rows[t]], attempt.action[t : t + H])


def test_last_action_is_repeated_past_the_end_of_the_episode(demos):
    data = open_dataset([demos], 30, SIZES)
    attempt, _ = _episode(demos, 0)
    last = np.flatnonzero(data.episode == 0)[-1]
    assert np.array_equal(data.action[last], np.repeat(attempt.action[-1:], 30, axis=0))
    assert np.array_equal(data.action[0, :FRAMES], attempt.action)


def test_a_frame_stride_thins_out_observations_and_no_actions(demos):
    data = open_dataset([demos], H, SIZES, frame_stride=5)
    attempt, images = _episode(demos, 2)
    rows = np.flatnonzero(data.episode == 2)
    assert len(rows) == 3
    assert np.array_equal(data.q[rows], attempt.state[::5])
    assert np.array_equal(data.images["top"][rows], images[::5])
    assert np.array_equal(data.action[rows[1]], attempt.action[5 : 5 + H])


def test_frames_that_lead_into_a_mistake_are_left_out(tmp_path):
    def with_mistake(attempt):
        wrong = np.arange(FRAMES) == 6
        return dataclasses.replace(attempt, is_mistake=wrong) if attempt.number == 1 else attempt

    write_dataset(tmp_path / "a", 3, change=with_mistake)
    data = open_dataset([tmp_path / "a"], 3, SIZES)
    attempt, images = _episode(tmp_path / "a", 1)
    rows = np.flatnonzero(data.episode == 1)
    kept = [0, 1, 2, 3, 7, 8, 9, 10, 11]
    assert np.array_equal(data.q[rows], attempt.state[kept])
    assert np.array_equal(data.images["top"][rows], images[kept])
    assert len(data.start_q) == 3


def test_several_folders_are_several_tasks(demos, tmp_path):
    write_dataset(tmp_path / "other", 2, task="circle")
    data = open_dataset([demos, tmp_path / "other"], H, SIZES)
    assert data.tasks == ("square", "circle")
    assert data.meta.task == "square + circle"
    assert np.bincount(data.task).tolist() == [120, 24]
    assert data.episode.max() == 11
    both = data.images["top"][np.array([140, 3])]
    alone = open_dataset([tmp_path / "other"], H, SIZES).images["top"][20]
    assert np.array_equal(both[0], alone)
    assert np.array_equal(both[1], data.images["top"][3:4][0])


def test_all_horizons_map_the_same_images_and_new_episodes_make_new_ones(demos):
    images = open_dataset([demos], H, SIZES).images["top"]
    assert all(isinstance(part, np.memmap) for part in images._parts)
    stamp = {p: p.stat().st_mtime_ns for p in (demos / ".cache").rglob("top.npy")}
    open_dataset([demos], 2 * H, SIZES)
    assert {p: p.stat().st_mtime_ns for p in (demos / ".cache").rglob("top.npy")} == stamp
    write_dataset(demos, 11)
    assert len(open_dataset([demos], H, SIZES).q) == 132
    assert len(list((demos / ".cache").glob("images_*"))) == 1


def test_videos_of_episodes_being_added_do_not_spoil_the_cache(demos):
    open_dataset([demos], H, SIZES)
    tiny_attempt(demos, 10)
    stamp = {p: p.stat().st_mtime_ns for p in (demos / ".cache").rglob("*.npy")}
    assert len(open_dataset([demos], H, SIZES).q) == 120
    assert {p: p.stat().st_mtime_ns for p in (demos / ".cache").rglob("*.npy")} == stamp


def test_a_video_that_goes_missing_later_is_noticed(demos):
    open_dataset([demos], H, SIZES)
    (demos / numbered(VIDEO_PATH, 4, video_key("top"))).unlink()
    with pytest.raises(DatasetError, match=r"file-004\.mp4: missing"):
        open_dataset([demos], H, SIZES)


def test_processes_that_open_it_at_once_get_the_same(demos):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(open_dataset([demos], H, SIZES)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(data.q) for data in found] == [120] * 3
    assert not list((demos / ".cache").glob("*.partial"))


def test_split_is_by_episode_and_repeats_with_the_seed(demos):
    data = open_dataset([demos], H, SIZES)
    train, held = data.split(0.2, seed=1)
    assert len(np.intersect1d(data.episode[train], data.episode[held])) == 0
    assert 1 <= len(np.unique(data.episode[held])) <= 5
    assert np.array_equal(data.split(0.2, seed=1)[1], held)
    assert len(data.split(0.0, seed=1)[1]) == 0


def held_motions(folder, count, share, seed):
    """Write a dataset; return which of its motions are held out, and all of them."""
    write_dataset(folder, count)
    data = open_dataset([folder], H, SIZES)
    held = np.unique(data.episode[data.split(share, seed)[1]])
    return {data.identity[e] for e in held}, set(data.identity.tolist())


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_an_episode_stays_on_its_side_whatever_else_is_given(tmp_path, seed):
    few = held_motions(tmp_path / "few", 6, 0.3, seed)
    many = held_motions(tmp_path / "many", 16, 0.3, seed)
    assert few[1] < many[1]
    assert len(few[0]) > 1  # the only one might be held out for want of another
    assert few[0] == many[0] & few[1]


def test_a_split_keeps_an_episode_on_each_side_and_about_the_share(demos):
    data = open_dataset([demos], H, SIZES)
    for share, seed in ((1e-9, 0), (0.999999, 1)):
        train, held = data.split(share, seed)
        assert len(train)
        assert len(held)
    motions = np.arange(2000, dtype=np.uint64)
    many = dataclasses.replace(data, identity=motions, episode=np.arange(2000))
    assert 0.03 < len(many.split(0.05, 0)[1]) / 2000 < 0.07
    assert not np.array_equal(many.split(0.05, 0)[1], many.split(0.05, 1)[1])


def test_instructions_are_kept_per_frame(demos):
    data = open_dataset([demos], H, SIZES)
    assert data.instructions == ("go to the blue square", "go to the red square")
    assert data.instructions[data.text[0]] == "go to the red square"


def test_a_camera_the_folder_has_not_is_refused(demos):
    with pytest.raises(DatasetError, match=r"cameras: got: \['top', 'left_wrist'\]"):
        open_dataset([demos], H, {"top": (24, 32), "right_wrist": (16, 16)})


@pytest.mark.parametrize(("horizon", "stride"), [(0, 1), (4, 0)])
def test_numbers_out_of_range_are_refused(demos, horizon, stride):
    with pytest.raises(ConfigError, match="allowed: >= 1"):
        open_dataset([demos], horizon, SIZES, stride)


def test_an_episode_without_a_usable_frame_leaves_an_error_when_there_is_no_other(tmp_path):
    wrong = np.ones(FRAMES, np.bool_)
    write_dataset(
        tmp_path / "a", 1, change=lambda attempt: dataclasses.replace(attempt, is_mistake=wrong)
    )
    with pytest.raises(DatasetError, match="no frame without a mistake"):
        open_dataset([tmp_path / "a"], H, SIZES)
