# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from tiny_demos import write_episode, write_meta

from onestep_vla_ros.core.errors import DatasetError
from onestep_vla_ros.train.dataset import open_dataset

H = 6


def test_frames_are_concatenated_and_chunks_start_after_their_frame(demos):
    data = open_dataset(demos, H)
    assert data.images["top"].shape == (120, 24, 32, 3)
    assert data.action.shape == (120, H, 14)
    with np.load(demos / "episode_000003.npz") as episode:
        plan, frame = episode["plan"], episode["frame"]
        rows = np.flatnonzero(data.episode == 3)
        assert np.array_equal(data.images["top"][rows], episode["top"])
        for row, f in zip(rows, frame, strict=True):
            assert np.array_equal(data.action[row], plan[f + 1 : f + 1 + H])


def test_last_point_is_repeated_past_the_end_of_the_plan(demos):
    data = open_dataset(demos, 30)
    last = np.flatnonzero(data.episode == 0)[-1]
    with np.load(demos / "episode_000000.npz") as episode:
        assert np.array_equal(data.action[last, -1], episode["plan"][-1])
        assert np.array_equal(data.action[last, :17], episode["plan"][23:])


def test_a_stride_spaces_the_waypoints_out(demos):
    data = open_dataset(demos, 3, stride=2)
    with np.load(demos / "episode_000003.npz") as episode:
        first = np.flatnonzero(data.episode == 3)[0]
        f = episode["frame"][0]
        assert np.array_equal(data.action[first], episode["plan"][[f + 2, f + 4, f + 6]])


def test_second_open_maps_the_same_files_and_new_episodes_make_new_ones(demos):
    open_dataset(demos, H)
    caches = list((demos / ".cache").iterdir())
    stamp = (caches[0] / "q.npy").stat().st_mtime_ns
    assert isinstance(open_dataset(demos, H).images["top"], np.memmap)
    assert (caches[0] / "q.npy").stat().st_mtime_ns == stamp
    write_episode(demos, 10)
    assert len(open_dataset(demos, H).q) == 132
    assert len(list((demos / ".cache").iterdir())) == 1


def test_split_is_by_episode_and_repeats_with_the_seed(demos):
    data = open_dataset(demos, H)
    train, held = data.split(0.2, seed=1)
    assert len(np.intersect1d(data.episode[train], data.episode[held])) == 0
    assert len(np.unique(data.episode[held])) == 2
    assert np.array_equal(data.split(0.2, seed=1)[1], held)
    assert len(data.split(0.0, seed=1)[1]) == 0


def test_instructions_are_kept_per_frame(demos):
    data = open_dataset(demos, H)
    assert data.instructions == ("go to the blue square", "go to the red square")
    assert data.instructions[data.text[0]] == "go to the red square"


def test_every_bad_file_is_named_with_its_field(demos):
    nan = np.full((12, 14), np.nan, np.float32)
    write_episode(demos, 1, q=nan)
    write_episode(demos, 2, plan=None)
    write_episode(demos, 3, success=np.array(False))
    write_episode(demos, 4, frame=np.arange(12) + 100)
    write_episode(demos, 5, instruction=np.array("x" * 600))
    (demos / "episode_000006.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(DatasetError) as caught:
        open_dataset(demos, H)
    text = str(caught.value)
    for part in (
        "6 faults",
        "episode_000001.npz: q: got: NaN",
        "episode_000002.npz: plan: missing",
        "episode_000003.npz: success",
        "episode_000004.npz: frame",
        "episode_000005.npz: instruction",
        "episode_000006.npz: cannot be read",
    ):
        assert part in text


def test_wrong_images_are_named_and_leave_no_cache(demos):
    write_episode(demos, 1, top=np.zeros((12, 24, 32, 3), np.float32))
    write_episode(demos, 2, left_wrist=None)
    with pytest.raises(DatasetError, match=r"(?s)000001.npz: top.*000002.npz: left_wrist"):
        open_dataset(demos, H)
    assert list((demos / ".cache").iterdir()) == []


def test_pickled_arrays_are_never_loaded(demos):
    write_episode(demos, 1, q=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DatasetError, match=r"000001.npz: cannot be read"):
        open_dataset(demos, H)


def test_meta_of_another_robot_is_refused_with_every_fault(demos):
    write_meta(
        demos, format="other/3", joint_names=["a"], state="commanded", period_s=0, cameras={}
    )
    with pytest.raises(DatasetError) as caught:
        open_dataset(demos, H)
    for part in ("format", "joint_names", "state", "period_s", "cameras"):
        assert part in str(caught.value)


def test_missing_meta_and_empty_folder_are_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"meta.json is missing"):
        open_dataset(tmp_path, H)
    write_meta(tmp_path)
    with pytest.raises(DatasetError, match="no episode"):
        open_dataset(tmp_path, H)
