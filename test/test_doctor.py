# SPDX-License-Identifier: Apache-2.0
"""The doctor: what it looks at is real, and every failure names the command that fixes it."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from onestep_vla_ros import doctor
from onestep_vla_ros.core.errors import CheckpointError


def check(name: str) -> doctor.Check:
    return next(one for one in doctor.CHECKS if one.name == name)


def needs(*modules: str) -> None:
    for module in modules:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


def test_one_failure_is_exit_1_with_its_fix(monkeypatch, capsys, tmp_path):
    def ill() -> doctor.Finding:
        return doctor.Finding(doctor.FAIL, "no [GL]", "apt install libegl1")

    def well() -> doctor.Finding:
        return doctor.Finding(doctor.OK, "fine")

    monkeypatch.setattr(doctor, "CHECKS", (doctor.Check("a", ill), doctor.Check("b", well)))
    path = tmp_path / "doctor.json"
    assert doctor.run_doctor(path) == 1
    said = capsys.readouterr().out
    assert "no [GL]" in said
    assert "apt install libegl1" in said
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["command"] == "doctor"
    assert result["failed"] == ["a"]
    assert [row["status"] for row in result["checks"]] == ["FAIL", "ok"]


def test_nothing_failing_is_exit_0(monkeypatch):
    def well() -> doctor.Finding:
        return doctor.Finding(doctor.INFO, "none")

    monkeypatch.setattr(doctor, "CHECKS", (doctor.Check("a", well),))
    assert doctor.run_doctor() == 0


def test_a_check_that_raises_is_a_failure_and_not_a_traceback(monkeypatch, capsys):
    def raises() -> doctor.Finding:
        raise CheckpointError("file bent", do="train again")

    monkeypatch.setattr(doctor, "CHECKS", (doctor.Check("a", raises),))
    assert doctor.run_doctor() == 1
    assert "train again" in capsys.readouterr().out


@pytest.mark.ros
def test_numpy_torch_and_messages_share_a_process():
    needs("rclpy", "torch")
    finding = check("ABI").look()
    assert finding.status == doctor.OK, finding.detail


@pytest.mark.ros
def test_two_processes_exchange_texts_and_large_images():
    needs("rclpy")
    finding = check("DDS").look()
    assert finding.status == doctor.OK, finding.detail
    assert "of 640x480 arrived" in finding.detail


@pytest.mark.sim
def test_a_frame_is_rendered_and_not_blank():
    needs("mujoco")
    finding = check("OpenGL").look()
    if finding.status == doctor.FAIL and "no off-screen OpenGL" in finding.detail:
        pytest.skip("no off-screen OpenGL: apt install the names in packages.apt")
    assert finding.status == doctor.OK, finding.detail


@pytest.mark.parametrize(
    "name", ["python", "packages", "system packages", "shared memory", "GPU", "launch"]
)
def test_every_failure_names_its_fix(name):
    finding = check(name).look()
    assert finding.detail
    assert finding.status in {doctor.OK, doctor.INFO, doctor.FAIL}
    assert finding.fix or finding.status != doctor.FAIL
