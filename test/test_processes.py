# SPDX-License-Identifier: Apache-2.0
"""However a run ends, its processes end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from onestep_vla_ros.leash import start_time
from onestep_vla_ros.processes import Processes

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP
PARENT = f"""
import sys, time
from onestep_vla_ros.processes import Processes, Terminated
with Processes(lambda name, line: print(name, line, flush=True), {{}}) as processes:
    try:
        for name, code in (("mild", {SLEEP!r}), ("stubborn", {STUBBORN!r})):
            processes.start(name, [sys.executable, "-c", code])
        print("pids", *[c.pid for c in processes._children.values()],
              processes._leash.pid, flush=True)
        time.sleep(600)
    except (KeyboardInterrupt, Terminated):
        pass
"""


def wait_until(predicate, what):
    end = time.monotonic() + 60
    while not predicate():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def hear_interrupts():
    """Tests that run in the background of a shell hand an ignored SIGINT down to children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_is_left_when_the_parent_is_ended(how):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )
    pids, up = [], 0
    while up < 2 or not pids:
        words = parent.stdout.readline().split()
        assert words, "the parent ended early"
        up += words[1:] == ["up"]
        if words[0] == "pids":
            pids = [int(word) for word in words[1:]]
    assert all(start_time(pid) for pid in pids)
    parent.send_signal(how)
    parent.wait(60)
    parent.stdout.close()
    wait_until(lambda: not any(start_time(pid) for pid in pids), f"{pids} live on after {how}")


def test_output_and_statuses_come_by_name():
    said = []
    with Processes(lambda name, line: said.append((name, line)), {"MOOD": "calm"}) as processes:
        show = "import os; print(os.environ['MOOD'])"
        processes.start("good", [sys.executable, "-c", show])
        processes.start("bad", [sys.executable, "-c", "raise SystemExit(3)"])
        wait_until(lambda: len(processes.ended()) == 2, "both end")
        assert processes.stop() == {"good": 0, "bad": 3}
    assert ("good", "calm") in said


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with Processes(lambda name, line: None, {}):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    assert os.getpid()
