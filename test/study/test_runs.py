# SPDX-License-Identifier: Apache-2.0
"""Trainings of a study: made once, skipped when finished, refused when made otherwise."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from onestep_vla_ros.core.errors import ConfigError, OneStepError
from onestep_vla_ros.files import read_yaml, share_dir
from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.study import runs as runs_file
from onestep_vla_ros.study.runs import is_finished, make_runs, overridden, progress, train_all
from onestep_vla_ros.study.status import status_line
from onestep_vla_ros.study.studies import ALPHA_4, HORIZONS, UNIFORM
from onestep_vla_ros.train.cells import Cell
from onestep_vla_ros.train.episode_log import EpisodeLog, Record
from onestep_vla_ros.train.grid import Grid

BASE = {**read_yaml(share_dir() / "config" / "train_study.yaml"), "max_steps": 100}
DATA = [Path("data/place"), Path("data/lift")]


def write_checkpoint(run, **changes):
    run.checkpoint.mkdir(parents=True)
    tasks = dict.fromkeys(changes.pop("tasks", ("lift", "place")), {"episodes": 9})
    steps = changes.pop("done", run.config.max_steps)
    config = {**asdict(run.config), **changes}
    text = json.dumps({"training": {"config": config, "tasks": tasks, "steps": steps}})
    (run.checkpoint / "config.json").write_text(text)


def write_log(run, steps, minutes):
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / "log.csv").write_text(f"step,elapsed_s\n{steps},{60 * minutes}\n")


@pytest.fixture
def runs(tmp_path):
    return make_runs((UNIFORM, ALPHA_4), 2, BASE, DATA, tmp_path)


def test_every_variant_is_trained_from_every_seed_on_one_process(runs):
    assert [(r.variant, r.seed) for r in runs] == [
        (UNIFORM, 0),
        (ALPHA_4, 0),
        (UNIFORM, 1),
        (ALPHA_4, 1),
    ]
    assert len({r.folder for r in runs}) == 4
    config = runs[3].config
    assert (config.alpha, config.base, config.seed, config.max_steps) == (4.0, "uniform", 1, 100)
    assert (config.processes, config.threads, config.max_minutes) == (1, 1, 0.0)


def test_overrides_reach_into_a_section_and_leave_the_base_alone(tmp_path):
    (run,) = make_runs(HORIZONS[3:], 1, BASE, DATA, tmp_path)
    assert run.config.head["horizon"] == 40
    assert run.config.head["width"] == BASE["head"]["width"]
    assert BASE["head"]["horizon"] != 40
    assert overridden({"a": {"b": 1}}, {"a.c": 2, "d": 3}) == {"a": {"b": 1, "c": 2}, "d": 3}


def test_a_finished_run_is_skipped_and_one_made_otherwise_refused(runs):
    assert not is_finished(runs[0])
    write_checkpoint(runs[0])
    assert is_finished(runs[0])
    write_checkpoint(runs[3], done=99)
    assert not is_finished(runs[3])
    write_checkpoint(runs[1], save_every=77, alpha=8.0)
    with pytest.raises(ConfigError, match=r"got: alpha: 8.0, now 4.0; do"):
        is_finished(runs[1])
    write_checkpoint(runs[2], tasks=["place"])
    with pytest.raises(ConfigError, match=r"tasks: \['place'\], now \['lift', 'place'\]"):
        is_finished(runs[2])


def test_only_what_is_left_is_trained_and_an_interruption_is_no_success(runs, monkeypatch):
    trained = []

    def train(config, data, out):
        assert data == tuple(DATA)
        trained.append(out)
        return SimpleNamespace(is_finished=out != runs[3].folder)

    monkeypatch.setattr(runs_file, "train", train)
    write_checkpoint(runs[1])
    with pytest.raises(OneStepError, match="alpha4-s1 was interrupted"):
        train_all(runs, 1)
    assert trained == [runs[0].folder, runs[2].folder, runs[3].folder]


def test_progress_is_read_from_the_log(runs):
    assert progress(runs[0]).share == 0.0
    write_log(runs[0], 25, 2.0)
    assert progress(runs[0]).share == 0.25
    assert progress(runs[0]).minutes == pytest.approx(2.0)


def test_the_status_says_what_is_done_what_is_left_and_how_long(runs, tmp_path):
    cell = Cell(str(runs[0].checkpoint), "place", 1, "sampled")
    grid = Grid((cell, replace(cell, steps=10)), 10, 0, jobs=2)
    line = status_line(runs, grid, tmp_path)
    assert "trainings: 0 of 4, 0 begun; episodes: 0 of 20; time left: not known" in line
    write_checkpoint(runs[0])
    write_log(runs[0], 100, 60.0)
    write_log(runs[1], 50, 30.0)
    with EpisodeLog(tmp_path, Cell.from_json) as log:
        for seed in range(10):
            log.append(Record(cell, "w", Episode(seed, "s", True), wall_s=60.0))
    line = status_line(runs, grid, tmp_path)
    assert "trainings: 1 of 4, 1 begun; episodes: 10 of 20" in line
    assert "about 1 h 20 min left" in line  # (2.5 trainings of 60 min + 10 episodes of 1) / 2
