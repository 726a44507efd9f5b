# SPDX-License-Identifier: Apache-2.0
"""A run that is killed at a random moment ends with the bytes of one that was not."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_demos import make_config

from onestep_vla_ros.core.errors import CheckpointError
from onestep_vla_ros.train.learner import read_facts
from onestep_vla_ros.train.trainer import train

ROOT = Path(__file__).resolve().parents[2]
STEPS = 150

_SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {test!r})
from test_restart import run_config
from onestep_vla_ros.train.trainer import train
if __name__ == "__main__":
    train(run_config({processes}), [Path({demos!r})], Path({out!r}))
"""


def run_config(processes):
    return make_config(
        processes=processes, max_steps=STEPS, save_every=7, shift_px=2, colour_jitter=0.1
    )


def _step(out):
    try:
        return int(read_facts(out / "state.safetensors")["step"])
    except CheckpointError:
        return 0


def _kill_one(script, out, rng):
    """Start the run, kill its first process after a random step, wait for all its processes."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, script], env=environment, start_new_session=True)
    after, limit = rng.randint(7, STEPS // 2), time.monotonic() + 500
    while _step(out) < after:
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < limit
        time.sleep(0.005)
    time.sleep(0.02 * rng.random())
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    while _is_alive(process.pid) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not _is_alive(process.pid), "a helper process outlived the first one"
    return after


def _is_alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_sigkill_at_a_random_moment_changes_no_bit(tiny_dataset, tmp_path, processes):
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed of the moment: {seed}")  # shown when the test fails
    script, out = tmp_path / "run.py", tmp_path / "out"
    script.write_text(
        _SCRIPT.format(
            test=str(Path(__file__).parent),
            demos=str(tiny_dataset),
            out=str(out),
            processes=processes,
        )
    )
    after = _kill_one(script, out, random.Random(seed))  # noqa: S311 - a moment, no secret
    assert after <= _step(out) < STEPS
    assert not (out / "checkpoint").exists()
    assert train(run_config(processes), [tiny_dataset], out).is_finished
    train(run_config(processes), [tiny_dataset], tmp_path / "whole")
    killed, whole = (
        (folder / "checkpoint" / "model.safetensors").read_bytes()
        for folder in (out, tmp_path / "whole")
    )
    assert killed == whole
