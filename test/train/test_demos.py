# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest

from onestep_vla_ros.core.errors import ConfigError, DatasetError
from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.train.demos import STORED_SIZE, write_demos

pytestmark = pytest.mark.sim
REQUEST = {"task": "place", "seed": 100_000, "frame_stride": 12, "progress": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("demos") / "place"
    write_demos(made, episodes=2, **REQUEST)
    return made


def _load(path):
    with np.load(path, allow_pickle=False) as data:
        return dict(data)


def test_files_hold_what_the_format_says_and_no_pickle(folder):
    episode = _load(folder / "episode_000000.npz")
    n, m = len(episode["frame"]), len(episode["plan"])
    for name, (height, width) in STORED_SIZE.items():
        assert episode[name].shape == (n, height, width, 3)
        assert episode[name].dtype == np.uint8
    assert episode["q"].shape == (n, 14)
    assert episode["q"].dtype == np.float32
    assert episode["plan"].shape == (m, 14)
    assert episode["frame"].dtype == np.int32
    assert (np.diff(episode["frame"]) > 0).all()
    assert (episode["frame"] % 12 == 0).all()
    assert episode["frame"][-1] < m
    assert bool(episode["success"])
    assert int(episode["seed"]) == 100_000
    assert "cube on the plate" in str(episode["instruction"])


def test_meta_names_joints_cameras_period_and_counts(folder):
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["format"] == "onestep-vla-demos/0"
    assert meta["joint_names"] == list(JOINT_NAMES)
    assert meta["cameras"]["top"] == {"native": [192, 192], "stored": [96, 96]}
    assert meta["period_s"] == 0.04
    assert meta["episodes"] + meta["failed_episodes"] == 2
    assert meta["frames"] == sum(len(_load(p)["frame"]) for p in folder.glob("*.npz"))


def test_an_interrupted_run_goes_on_where_it_stopped_with_equal_bytes(folder):
    whole = {p.name: p.read_bytes() for p in folder.glob("*.npz")}
    (folder / "episode_000000.npz").unlink()
    kept = (folder / "episode_000001.npz").stat().st_mtime_ns
    write_demos(folder, episodes=2, **REQUEST)
    assert (folder / "episode_000001.npz").stat().st_mtime_ns == kept
    again = _load(folder / "episode_000000.npz")
    (folder / "whole.npz").write_bytes(whole["episode_000000.npz"])
    before = _load(folder / "whole.npz")
    (folder / "whole.npz").unlink()
    assert all(np.array_equal(again[k], before[k]) for k in before)


def test_two_processes_write_what_one_writes(folder, tmp_path):
    summary = write_demos(tmp_path, episodes=2, jobs=2, **REQUEST)
    assert summary.written + summary.failed == 2
    for path in folder.glob("*.npz"):
        one, two = _load(path), _load(tmp_path / path.name)
        assert all(np.array_equal(one[k], two[k]) for k in one)


def test_a_folder_of_another_request_is_refused(folder):
    with pytest.raises(DatasetError, match=r"another request.*seed=100000"):
        write_demos(folder, episodes=2, **{**REQUEST, "seed": 5})


@pytest.mark.parametrize(
    "change",
    [{"episodes": 0}, {"seed": -1}, {"jobs": 0}, {"frame_stride": 0}, {"task": "dance"}],
)
def test_a_request_that_cannot_be_met_is_refused_before_a_folder_appears(change, tmp_path):
    with pytest.raises(ConfigError, match="allowed"):
        write_demos(tmp_path / "new", **{"episodes": 1, **REQUEST, **change})
    assert not (tmp_path / "new").exists()


def test_a_damaged_meta_file_is_refused_by_name(tmp_path):
    (tmp_path / "meta.json").write_text("{")
    with pytest.raises(DatasetError, match="meta.json is damaged"):
        write_demos(tmp_path, episodes=1, **REQUEST)
