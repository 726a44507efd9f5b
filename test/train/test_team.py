# SPDX-License-Identifier: Apache-2.0
import builtins
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from tiny_demos import make_config

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.train.trainer import train

ROOT = Path(__file__).resolve().parents[2]

_SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {test!r})
from tiny_demos import make_config
from onestep_vla_ros.train.trainer import train
if __name__ == "__main__":
    config = make_config(launcher="accelerate", processes=2, max_steps=6, validate_every=2)
    train(config, [Path({demos!r})], Path({out!r}))
"""


@pytest.mark.slow
def test_accelerate_on_two_cpus_learns_the_same_as_our_own_two_processes(tiny_dataset, tmp_path):
    pytest.importorskip("accelerate")
    script, out = tmp_path / "run.py", tmp_path / "out"
    script.write_text(
        _SCRIPT.format(test=str(Path(__file__).parent), demos=str(tiny_dataset), out=str(out))
    )
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node",
        "2",
        "--standalone",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([*launch, script], env=environment, check=True, timeout=400)
    train(
        make_config(processes=2, max_steps=6, validate_every=2), [tiny_dataset], tmp_path / "own"
    )
    theirs, ours = (
        safetensors.torch.load_file(folder / "checkpoint" / "model.safetensors")
        for folder in (out, tmp_path / "own")
    )
    for name, weight in ours.items():
        assert torch.allclose(theirs[name], weight, rtol=1e-5, atol=1e-6), name
    logs = [(folder / "log.csv").read_text().splitlines() for folder in (out, tmp_path / "own")]
    for row, other in zip(*logs, strict=True):  # step, loss and held-out loss
        assert [row.split(",")[i] for i in (0, 2, 3)] == [other.split(",")[i] for i in (0, 2, 3)]


def test_one_process_under_accelerate_is_a_plain_run(tiny_dataset, tmp_path):
    pytest.importorskip("accelerate")
    config = make_config(launcher="accelerate")
    assert train(config, [tiny_dataset], tmp_path).is_finished


def test_another_number_of_processes_than_were_launched_is_refused(tiny_dataset, tmp_path):
    pytest.importorskip("accelerate")
    config = make_config(launcher="accelerate", processes=2)
    with pytest.raises(ConfigError, match=r"(?s)got: 1.*2 \(processes\).*torchrun"):
        train(config, [tiny_dataset], tmp_path)


def test_a_missing_accelerate_is_one_clear_error(tiny_dataset, tmp_path, monkeypatch):
    plain = builtins.__import__

    def without(name, *arguments, **named):
        if name == "accelerate":
            raise ImportError("No module named 'accelerate'")
        return plain(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'onestep_vla_ros\[gpus\]'"):
        train(make_config(launcher="accelerate"), [tiny_dataset], tmp_path)


def test_processes_started_from_outside_need_the_launcher(tiny_dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="launcher: accelerate"):
        train(make_config(), [tiny_dataset], tmp_path)
