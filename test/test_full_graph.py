# SPDX-License-Identifier: Apache-2.0
"""The demo in real processes: simulator, bridge, policy, recorder and conductor over DDS."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from onestep_vla_ros.transport import SHARED_MEMORY

pytestmark = [pytest.mark.ros, pytest.mark.sim, pytest.mark.slow]
_PATIENCE_S = 400.0
_MARK = "ONESTEP_VLA_TEST_GRAPH"


def _start(out):
    command = [sys.executable, "-m", "onestep_vla_ros.cli", "demo", "--episodes", "1"]
    command += ["--seed", "2001", "--bar", "0", "--out", str(out)]
    log = (out.parent / "demo.log").open("w")
    environment = {**os.environ, _MARK: str(out)}
    return subprocess.Popen(
        command,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
        preexec_fn=_hear_interrupts,
    )


def _hear_interrupts():
    """Tests that run in the background of a shell hand an ignored SIGINT down to children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _graph(out):
    """Processes of the graph that was started for `out`, wherever they hang now."""
    mark = f"{_MARK}={out}".encode()
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    variables = file.read().split(b"\0")
            except OSError:
                continue
            if mark in variables:
                found.append(int(entry))
    return found


def _segments(pids):
    """Names of Fast DDS's shared memory that any of these processes has mapped."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            maps = Path(f"/proc/{pid}/maps").read_text()
            found |= set(re.findall(rf"{SHARED_MEMORY}/(fast\w+)", maps))
    return found


def _wait(condition, what):
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"waited {_PATIENCE_S} s for {what}"
        time.sleep(0.05)


def test_one_episode_leaves_film_plot_and_result(tmp_path):
    out = tmp_path / "demo"
    demo = _start(out)
    assert demo.wait(timeout=_PATIENCE_S) == 0, (tmp_path / "demo.log").read_text()
    result = json.loads((out / "result.json").read_text())
    assert result["command"] == "demo"
    assert result["episodes"] == 1
    assert result["chunks"]["accepted"] > 10
    assert result["chunks"]["late"] == 0
    assert result["faults"] == {}
    assert result["latency_ms"]["p50"] > 0.0
    assert result["capture_to_command_ms"]["p50"] > 0.0
    assert (out / "demo.mp4").stat().st_size > 10_000
    assert (out / "joints.png").stat().st_size > 10_000
    _wait(lambda: not _graph(out), "the graph to be gone")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_demo_leaves_no_process_and_no_shared_memory(tmp_path, number):
    out = tmp_path / "demo"
    demo = _start(out)
    _wait(lambda: (out / "progress.json").is_file() or demo.poll() is not None, "an episode")
    assert demo.poll() is None, (tmp_path / "demo.log").read_text()
    assert len(_graph(out)) > 4
    _wait(lambda: len(_segments(_graph(out))) > 4, "two processes with pictures")
    segments = _segments(_graph(out))
    demo.send_signal(number)
    demo.wait(timeout=_PATIENCE_S)
    _wait(lambda: not _graph(out), "the graph to be gone")
    left = [SHARED_MEMORY / name for name in segments]
    _wait(lambda: not any(path.exists() for path in left), "shared memory to be clean")
