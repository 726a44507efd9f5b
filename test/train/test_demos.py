# SPDX-License-Identifier: Apache-2.0
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from onestep_vla_ros.core.errors import ConfigError, DatasetError
from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.sim.demonstration import Demonstration, demonstrate
from onestep_vla_ros.sim.yam_station import YamStation
from onestep_vla_ros.train import recorder
from onestep_vla_ros.train.attempts import load_attempt
from onestep_vla_ros.train.dataset import open_dataset
from onestep_vla_ros.train.demos import write_demos
from onestep_vla_ros.train.lerobot_layout import VIDEO_PATH, numbered, video_key
from onestep_vla_ros.train.lerobot_tables import column, read_table
from onestep_vla_ros.train.lerobot_video import read_video

pytestmark = pytest.mark.sim
ROOT = Path(__file__).resolve().parents[2]
REQUEST = {"task": "place", "seed": 100_000, "progress": False}
SIZES = {"top": (96, 96), "left_wrist": (64, 64), "right_wrist": (64, 64)}


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """Two real episodes of place; read, never changed."""
    folder = tmp_path_factory.mktemp("demos") / "place"
    write_demos(folder, episodes=2, **REQUEST)
    return folder


def _contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".cache" not in path.parts
    }


def test_frames_are_every_tenth_of_a_second_of_the_demonstration(place):
    world = YamStation("place")
    demo = demonstrate(world, 100_001)
    attempt = load_attempt(place, 1)
    assert np.array_equal(attempt.state, demo.q[::2].astype(np.float32))
    planned = demo.plan[2::2].astype(np.float32)
    assert np.array_equal(attempt.action[: len(planned)], planned)
    assert np.array_equal(attempt.action[-1], demo.plan[-1].astype(np.float32))
    assert attempt.instruction == world.instruction
    world.stage.show(demo.physics[20])
    path = place / numbered(VIDEO_PATH, 1, video_key("top"))
    error = read_video(path)[0][10].astype(float) - world.render(world.cameras[0])
    assert np.abs(error).mean() < 1.5
    world.close()


def test_the_folder_says_what_it_holds(place):
    info = json.loads((place / "meta/info.json").read_text())
    own = json.loads((place / "meta/onestep.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert info["fps"] == 10
    assert info["features"]["action"]["names"] == list(JOINT_NAMES)
    assert info["features"]["observation.images.top"]["shape"] == [192, 192, 3]
    assert info["total_episodes"] == len(own["seeds"]) == 2
    assert own["seeds"] == [100_000, 100_001]
    assert own["state"] == "measured"
    data = open_dataset([place], 16, SIZES)
    assert data.tasks == ("place",)
    assert data.images["right_wrist"].shape[1:] == (64, 64, 3)


def test_two_processes_write_what_one_writes(place, tmp_path):
    write_demos(tmp_path / "two", episodes=2, jobs=2, **REQUEST)
    assert _contents(tmp_path / "two") == _contents(place)


def test_more_episodes_go_on_from_those_there(place, tmp_path):
    folder = shutil.copytree(place, tmp_path / "more")
    first = folder / numbered(VIDEO_PATH, 0, video_key("top"))
    stamp = first.stat().st_mtime_ns
    assert write_demos(folder, episodes=3, **REQUEST).written == 3
    assert first.stat().st_mtime_ns == stamp
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    write_demos(folder, episodes=3, **REQUEST)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()} == before
    write_demos(folder, episodes=2, **REQUEST)
    contents = _contents(folder)
    assert {name: contents[name] for name in _contents(place)} == _contents(place)


_SCRIPT = """
import sys
from pathlib import Path
from onestep_vla_ros.train.demos import write_demos
if __name__ == "__main__":
    write_demos(Path(sys.argv[1]), "place", 2, 100_000, jobs=2, progress=False)
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(place, tmp_path):
    folder, script = tmp_path / "killed", tmp_path / "run.py"
    script.write_text(_SCRIPT)
    moments = [  # while a video is written, when an attempt is done, at random
        lambda: bool(list(folder.rglob("*.mp4.*.part"))),
        lambda: bool(list(folder.glob(".attempts/*.npz"))),
        lambda: random.random() < 0.02,  # noqa: S311
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for is_time in moments:  # a worker that is left finishes its attempt, then finds nobody
        process = subprocess.Popen([sys.executable, script, folder], env=environment)
        while process.poll() is None and not is_time():
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert subprocess.run([sys.executable, script, folder], env=environment).returncode == 0
    assert _contents(folder) == _contents(place)


def _fail(seeds):
    """Return a demonstrator that fails at some seeds and needs no physics at the others."""

    def run(world, seed, lead):
        assert lead is None
        world.reset(seed)
        rows = np.repeat(world.joint_state()[0][None], 7, axis=0)
        physics = np.repeat(world.data.qpos[None], 7, axis=0)
        wrong = np.arange(7) == 3
        return Demonstration(rows, rows, physics, wrong, success=seed not in seeds)

    return run


def test_failed_seeds_are_remembered_and_leave_no_gap(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recorder, "demonstrate", _fail({101, 103}))
    request = {"task": "place", "seed": 100, "episodes": 5}
    summary = write_demos(tmp_path / "a", progress=True, **request)
    assert (summary.written, summary.failed, summary.frames) == (3, 2, 12)
    assert "failed=2" in capsys.readouterr().err
    own = json.loads((tmp_path / "a/meta/onestep.json").read_text())
    assert own["seeds"] == [100, 102, 104]
    assert own["failed_seeds"] == [101, 103]
    table = read_table(tmp_path / "a/data/chunk-000/file-000.parquet")
    assert column(table, "episode_index", "int64").tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert column(table, "is_mistake", "bool").tolist() == [False, True, False, False] * 3
    monkeypatch.setattr(recorder, "demonstrate", None)  # nothing is tried again
    assert write_demos(tmp_path / "a", progress=False, **request) == summary
    assert len(open_dataset([tmp_path / "a"], 1, SIZES).q) == 9


def test_without_a_success_there_is_no_dataset(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "demonstrate", _fail({100}))
    summary = write_demos(tmp_path / "a", "place", 1, 100, progress=False)
    assert (summary.written, summary.failed) == (0, 1)
    assert not (tmp_path / "a/meta").exists()


def test_a_folder_of_another_request_or_of_something_else_is_refused(place, tmp_path):
    with pytest.raises(DatasetError, match=r"another request.*seed=100000"):
        write_demos(place, episodes=2, **{**REQUEST, "seed": 5})
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DatasetError, match=r"something else.*notes\.txt"):
        write_demos(tmp_path, episodes=2, **REQUEST)


@pytest.mark.parametrize("name", ["request.json", "attempt_000001.npz"])
def test_a_damaged_record_is_refused_by_name(place, tmp_path, name):
    folder = shutil.copytree(place, tmp_path / "copy")
    (folder / ".attempts" / name).write_bytes(b"{")
    with pytest.raises(DatasetError, match=f"{name} is damaged"):
        write_demos(folder, episodes=2, **REQUEST)


@pytest.mark.parametrize("change", [{"episodes": 0}, {"seed": -1}, {"jobs": 0}, {"task": "dance"}])
def test_a_request_that_cannot_be_met_is_refused_before_a_folder_appears(change, tmp_path):
    with pytest.raises(ConfigError, match="allowed"):
        write_demos(tmp_path / "new", **{"episodes": 1, **REQUEST, **change})
    assert not (tmp_path / "new").exists()
