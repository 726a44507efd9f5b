# SPDX-License-Identifier: Apache-2.0
"""`onestep-vla eval`: one line for one cell, a table for several, a bar for the first."""

import argparse
import json

import pytest
from study_episodes import make_episodes

from onestep_vla_ros.cli_study import add_eval, run_eval
from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.study import eval_command
from onestep_vla_ros.train.evaluate import figures


def call(*arguments):
    parser = argparse.ArgumentParser()
    add_eval(parser)
    return run_eval(parser.parse_args([str(a) for a in arguments]))


@pytest.fixture
def made_up(monkeypatch):
    """Episodes out of the air, 80 % at K = 1 and 60 % otherwise."""

    def run(grid, out, **_):
        made_up.out = out
        return {c: make_episodes(0.8 if c.steps == 1 else 0.6, grid.episodes) for c in grid.cells}

    made_up = argparse.Namespace(out=None)
    monkeypatch.setattr(eval_command, "run_grid", run)
    return made_up


def test_one_cell_prints_one_line_and_keeps_nothing(made_up, tmp_path, capsys):
    path = tmp_path / "k1.json"
    assert call("--steps", 1, "--episodes", 20, "--json", path, "--bar", 0.8) == 0
    out = capsys.readouterr().out
    assert out.startswith("place, K=1: 16/20 = 80.0% (95 % 58.4% to 91.9%), wrong object 0")
    assert out.count("\n") == 1
    assert made_up.out is None
    written = json.loads(path.read_text())
    assert (written["command"], written["successes"], written["steps"]) == ("eval", 16, 1)
    assert {"success_rate", "interval", "per_task", "latency_ms"} <= set(written)
    assert list(tmp_path.iterdir()) == [path]


def test_several_cells_print_a_table_and_write_a_report(made_up, tmp_path, capsys):
    folder, path = tmp_path / "grid", tmp_path / "grid.json"
    arguments = ["--steps", 1, 10, "--episodes", 20, "--out", folder, "--json", path]
    assert call(*arguments, "--bar", 0.7) == 0  # the bar is the first cell's
    assert call(*arguments, "--bar", 0.9) == 1
    out = capsys.readouterr().out
    assert "| 2 | K=10 | 12 / 20 | 60.0 % |" in out
    assert made_up.out == folder
    cells = json.loads(path.read_text())["cells"]
    assert [c["cell"]["steps"] for c in cells] == [1, 10]
    assert cells[1]["versus_reference"]["pairs"] == 20
    assert (folder / "report.md").is_file()


def test_a_grid_that_names_no_folder_goes_to_the_usual_one(made_up, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("--steps", 1, 2, "--episodes", 5) == 0
    assert made_up.out == eval_command.FOLDER
    assert (tmp_path / eval_command.FOLDER / "report.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--world", "moon"], "moon"),
        (["--task", "place", "juggle"], "juggle"),
        (["--axis", "up"], "up"),
        (["--ablate", "arms"], "arms"),
        (["--latency", "-1"], "latency"),
        (["--steps", "0"], "steps"),
        (["--videos", "-1"], "videos"),
        (["--policy", "expert", "--noise", "zero"], "expert"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_runs(arguments, named):
    with pytest.raises(ConfigError, match=named):
        call(*arguments)


def test_the_figures_of_one_cell_are_those_of_its_episodes():
    from onestep_vla_ros.train.cells import Cell

    found = figures(Cell("x", "place"), make_episodes(0.5, 10))
    assert found["chunks"] == {"accepted": 199, "rejected": {"late": 1}}
