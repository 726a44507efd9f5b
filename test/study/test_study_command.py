# SPDX-License-Identifier: Apache-2.0
"""`onestep-vla study`: from trainings to the table in the README, and on after an interruption."""

import argparse
import json
from dataclasses import asdict

import pytest
from study_episodes import make_episodes

from onestep_vla_ros.cli_study import add_study, run_study
from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.study import runs as runs_file
from onestep_vla_ros.study import study_command
from onestep_vla_ros.train.cells import Cell
from onestep_vla_ros.train.episode_log import EpisodeLog, Record

RATES = {"uniform": 0.8, "beta": 0.85, "alpha4": 0.95, "alpha8": 0.9, "regression": 0.94}


def call(*arguments):
    parser = argparse.ArgumentParser()
    add_study(parser)
    return run_study(parser.parse_args([str(a) for a in arguments]))


@pytest.fixture
def made_up(monkeypatch):
    """Trainings and episodes out of the air; counts the trainings."""
    seen = argparse.Namespace(trained=[], cells=())

    def train(config, data, out):
        seen.trained.append(out.name)
        (out / "checkpoint").mkdir(parents=True)
        facts = {"config": asdict(config), "tasks": dict.fromkeys(p.name for p in data)}
        facts["steps"] = config.max_steps
        (out / "checkpoint" / "config.json").write_text(json.dumps({"training": facts}))
        return argparse.Namespace(is_finished=True)

    def run(grid, out):
        seen.cells = grid.cells
        with EpisodeLog(out, Cell.from_json) as log:
            for cell in grid.cells:
                name = cell.policy.split("/")[-2].partition("-")[0]
                rate = RATES.get(name, 0.9) - (0.4 if cell.latency_s > 0.25 else 0.0)
                rate -= 0.01 * cell.steps if name == "alpha8" else 0.0
                for episode in make_episodes(rate, grid.episodes):
                    log.append(Record(cell, "w", episode, 1.0))

    monkeypatch.setattr(runs_file, "train", train)
    monkeypatch.setattr(study_command, "resolved", lambda grid: grid)
    monkeypatch.setattr(study_command, "run_grid", run)
    return seen


def test_a_study_trains_evaluates_and_says_what_came_out(made_up, tmp_path, capsys):
    readme, result = tmp_path / "README.md", tmp_path / "r.json"
    readme.write_text("# R\n<!-- study: schedules -->\n<!-- end -->\nrest\n")
    arguments = ["schedules", "--out", tmp_path / "s", "--seeds", 2, "--episodes", 20, "--jobs", 1]
    assert call(*arguments, "--readme", readme, "--json", result) == 0
    assert made_up.trained == [f"{name}-s{seed}" for seed in (0, 1) for name in RATES]
    assert len(made_up.cells) == 2 * (4 * 4 + 1)
    text = readme.read_text()
    assert "| α = 4 | 95.0 % (" in text
    assert "- **C1** (place) α = 4 lifts K=1 over uniform: **confirmed**, +15.0 points" in text
    assert text.endswith("<!-- end -->\nrest\n")
    assert "40 episodes a cell, over 2 training seeds" in text
    written = json.loads(result.read_text())
    assert (written["command"], written["study"]) == ("study", "schedules")
    assert len(written["rows"]) == 17
    assert {v["claim"] for v in written["verdicts"]} == {"C1", "C2", "C3", "C7"}
    folder = tmp_path / "s" / "schedules"
    assert (folder / "schedules.png").stat().st_size > 5000
    assert "by training seed" in (folder / "report.md").read_text()
    assert "trainings: 0 of 10, 0 begun; episodes: 0 of 680" in capsys.readouterr().out


def test_schedules_of_several_tasks_are_also_tabulated_as_one(made_up, tmp_path):
    result = tmp_path / "r.json"
    tasks = ["--tasks", "place", "handover", "--episodes", 10, "--seeds", 1, "--jobs", 1]
    call("schedules", "--out", tmp_path / "s", *tasks, "--replan", 0.48, "--json", result)
    assert {c.replan_s for c in made_up.cells} == {0.48}
    rows = json.loads(result.read_text())["rows"]
    assert {r["task"] for r in rows} == {"place", "handover", "place and handover"}
    assert {r["episodes"] for r in rows if r["task"] == "place and handover"} == {20}
    report = (tmp_path / "s" / "schedules" / "report.md").read_text()
    assert "- **C1** (place and handover)" in report


def test_what_is_trained_is_not_trained_again(made_up, tmp_path, capsys):
    arguments = ["schedules", "--out", tmp_path, "--episodes", 10, "--jobs", 1]
    call(*arguments, "--seeds", 1)
    made_up.trained.clear()
    call(*arguments, "--seeds", 2)
    assert made_up.trained == [f"{name}-s1" for name in RATES]
    made_up.trained.clear()
    made_up.cells = ()
    capsys.readouterr()
    assert call(*arguments, "--seeds", 2, "--status") == 0
    assert made_up.trained == []
    assert made_up.cells == ()
    out = capsys.readouterr().out
    assert "trainings: 10 of 10, 0 begun; episodes: 340 of 340; about 0 min left" in out


def test_a_study_without_trainings_takes_a_checkpoint(made_up, tmp_path):
    folder = tmp_path / "s"
    policy = tmp_path / "mine-s0" / "checkpoint"
    assert call("delay", "--out", folder, "--episodes", 20, "--policy", policy) == 0
    assert made_up.trained == []
    assert {c.policy for c in made_up.cells} == {str(policy)}
    report = (folder / "delay" / "report.md").read_text()
    assert "| latency 0.06 s | 90.0 % (" in report
    assert "| latency 0.4 s | 50.0 % (" in report
    assert (folder / "delay" / "delay.png").is_file()


def test_tasks_are_the_columns_of_ablations(made_up, tmp_path):
    policy = tmp_path / "mine-s0" / "checkpoint"
    call("ablation", "--out", tmp_path, "--tasks", "all", "--episodes", 5, "--policy", policy)
    lines = (tmp_path / "ablation" / "report.md").read_text().splitlines()
    head = next(line for line in lines if line.startswith("|  |"))
    assert "place" in head
    assert [line.split("|")[1].strip() for line in lines if line.startswith("| w")][:2] == [
        "whole",
        "without image",
    ]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["moon"], "moon"),
        (["delay", "--tasks", "juggle"], "juggle"),
        (["schedules", "--seeds", "0"], "seeds"),
        (["schedules", "--steps-budget", "0"], "steps_budget"),
        (["schedules", "--config", "/nowhere.yaml"], "nowhere"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_runs(arguments, named, tmp_path):
    with pytest.raises(ConfigError, match=named):
        call(*arguments, "--out", tmp_path)
