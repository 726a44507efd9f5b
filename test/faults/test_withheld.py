# SPDX-License-Identifier: Apache-2.0
"""What the machine withholds is told from what a process does not want."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from onestep_vla_ros.faults.withheld import Observer, Withheld

BUSY = "while True: pass"
IDLE = "import time; print('up', flush=True); time.sleep(600)"


@pytest.fixture
def start():
    """Start processes on one core; they are gone at the end."""
    core, started = max(os.sched_getaffinity(0)), []

    def start(code):
        def pin():
            os.sched_setaffinity(0, {core})

        started.append(subprocess.Popen([sys.executable, "-c", code], preexec_fn=pin))
        return started[-1].pid

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait_for(machine, begun_s, withheld_s):
    end_s = time.monotonic() + 60.0
    while machine.worst_s(begun_s) < withheld_s:
        assert time.monotonic() < end_s, "nothing is withheld"
        time.sleep(0.05)


def test_two_that_share_a_core_withhold_it_from_each_other(start):
    pids = [start(BUSY), start(BUSY)]
    with Withheld() as machine:
        begun_s = time.monotonic()
        machine.watch(pids[0])
        wait_for(machine, begun_s, 0.3)
        assert 0.0 < machine.worst_s(begun_s, 0.1) <= machine.worst_s(begun_s)
        assert machine.worst_s(time.monotonic() + 1.0) == 0.0


def test_nothing_is_withheld_from_one_that_wants_nothing():
    observer = Observer()
    with subprocess.Popen([sys.executable, "-c", IDLE], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"up\n"
        while "S" not in Path(f"/proc/{process.pid}/stat").read_text().split()[2]:
            time.sleep(0.01)  # on its way to sleep
        observer.watch(process.pid)
        for _ in range(20):
            observer.look(0.0)
            time.sleep(0.01)
        process.kill()
    assert observer.worst_s(0.0, 10.0) == 0.0


def test_a_machine_that_stood_still_withheld_that_from_everybody():
    observer, begun_s = Observer(), time.monotonic()
    for late_s in (0.0, 0.009, 0.25, 0.009):
        observer.look(late_s)
    assert observer.worst_s(begun_s, 10.0) == 0.25


def test_what_a_process_waited_before_it_was_watched_does_not_count(start):
    pids = [start(BUSY), start(BUSY)]
    with Withheld() as machine:
        begun_s = time.monotonic()
        machine.watch(pids[0])
        wait_for(machine, begun_s, 0.5)
    observer = Observer()
    observer.watch(pids[0])
    observer.look(0.0)
    assert observer.worst_s(0.0, 10.0) < 0.5


def test_a_process_that_ends_is_forgotten_without_a_word():
    observer = Observer()
    process = subprocess.Popen([sys.executable, "-c", ""])
    observer.watch(process.pid)
    process.wait()
    observer.watch(process.pid)
    observer.look(0.0)
    observer.look(0.0)
    assert observer.worst_s(0.0, 10.0) < 60.0
