# SPDX-License-Identifier: Apache-2.0
"""Cores, SCHED_FIFO and garbage: what is permitted is done, what is not is said once."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

from live_robot import start_bridge  # noqa: E402

from onestep_vla_ros.core.errors import ConfigError  # noqa: E402
from onestep_vla_ros.nodes.realtime import claim, freeze_garbage, parse_cores  # noqa: E402

CORES = sorted(os.sched_getaffinity(0))
UNPRIVILEGED = """
import os, resource
from onestep_vla_ros.nodes.realtime import claim
resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
os.setgid(65534); os.setuid(65534)
claim(set(), 50, print)
print(os.sched_getscheduler(0) == os.SCHED_OTHER)
"""
PRIVILEGED = """
import os, threading
from onestep_vla_ros.nodes.realtime import claim
threading.Thread(target=threading.Event().wait, daemon=True).start()
claim({%d}, 50, print)
tasks = [int(t) for t in os.listdir("/proc/self/task")]
print(len(tasks), {os.sched_getscheduler(t) for t in tasks} == {os.SCHED_FIFO},
      {tuple(os.sched_getaffinity(t)) for t in tasks} == {(%d,)})
"""


@pytest.fixture
def warned():
    return []


@pytest.fixture
def own_cores():
    """Give every thread its cores back at the end."""
    yield
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), CORES)


@pytest.mark.parametrize("text", ["", " ", f"{CORES[0]}", ", ".join(map(str, CORES))])
def test_cores_are_read(text):
    assert parse_cores(text) == {int(word) for word in text.replace(",", " ").split()}


@pytest.mark.parametrize("text", ["two", "1-2", "-1", "9999", "0,,1", "1.0"])
def test_cores_that_are_none_are_refused(text):
    with pytest.raises(ConfigError, match="cpu_affinity"):
        parse_cores(text)


def test_every_thread_goes_to_the_cores(warned, own_cores):
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        claim({CORES[-1]}, 0, warned.append)
        assert os.sched_getaffinity(0) == {CORES[-1]}
        assert os.sched_getaffinity(thread.native_id) == {CORES[-1]}
    finally:
        done.set()
        thread.join()
    assert warned == []


def test_nothing_is_touched_when_nothing_is_asked(warned):
    before = os.sched_getaffinity(0), os.sched_getscheduler(0)
    claim(set(), 0, warned.append)
    assert (os.sched_getaffinity(0), os.sched_getscheduler(0)) == before
    assert warned == []


def python(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to drop to an unprivileged user")
def test_fifo_without_permission_is_one_clear_line_and_life_goes_on():
    said = python(UNPRIVILEGED).splitlines()
    assert len(said) == 2
    for words in ("fifo_priority 50", "not permitted", "rtprio", "CAP_SYS_NICE"):
        assert words in said[0]
    assert said[1] == "True"


def may_use_fifo():
    if resource.getrlimit(resource.RLIMIT_RTPRIO)[0] >= 50:
        return True
    try:
        before = os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        os.sched_setscheduler(0, os.SCHED_OTHER, before)
    except OSError:
        return False
    return True


@pytest.mark.skipif(not may_use_fifo(), reason="SCHED_FIFO is not permitted here")
def test_fifo_with_permission_holds_for_every_thread():
    assert python(PRIVILEGED % (CORES[0], CORES[0])).split() == ["2", "True", "True"]


def test_what_lives_after_the_build_is_never_collected_again():
    kept = [[] for _ in range(1000)]
    try:
        freeze_garbage()
        assert gc.get_freeze_count() > len(kept)
        assert not any(one is kept[0] for one in gc.get_objects())
    finally:
        gc.unfreeze()


def test_bridge_process_claims_what_its_parameters_ask_for(live):
    priority = 20 if may_use_fifo() else 0
    robot = live(cpu_affinity=f'"{CORES[0]}"', fifo_priority=priority, status_period_s=0.1)
    pid = robot.process.pid
    tasks = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
    assert {tuple(os.sched_getaffinity(task)) for task in tasks} == {(CORES[0],)}
    if priority:
        assert os.sched_getscheduler(pid) == os.SCHED_FIFO
        assert os.sched_getparam(pid).sched_priority == priority
    robot.live(lambda: robot.status, "the status")
    assert int(robot.status["frozen_objects"]) > 10_000


def test_bridge_refuses_cores_it_does_not_have_before_anything_moves():
    process = start_bridge(cpu_affinity='"9999"', use_sim_time="true")
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "cpu_affinity" in said
    assert "Traceback" not in said
