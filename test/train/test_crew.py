# SPDX-License-Identifier: Apache-2.0
"""Processes that share jobs: every job once, and no worker's death goes unnoticed."""

import atexit
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from onestep_vla_ros.core.errors import ConfigError, OneStepError
from onestep_vla_ros.train.crew import share


def open_square():
    return square


def square(job):
    if job == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "raise":
        raise ConfigError("cannot", got=job)
    return job * job, os.getpid()


def test_one_process_works_here():
    found = list(share([1, 2, 3], 1, open_square))
    assert found == [(n, (n * n, os.getpid())) for n in (1, 2, 3)]
    assert list(share([], 4, open_square)) == []


def test_two_processes_do_every_job_once():
    found = dict(share(list(range(12)), 2, open_square))
    assert {job: result[0] for job, result in found.items()} == {n: n * n for n in range(12)}
    workers = {pid for _, pid in found.values()}
    assert len(workers) == 2
    assert os.getpid() not in workers


def write_at_exit(folder):
    atexit.register((Path(folder) / str(os.getpid())).touch)
    time.sleep(0.2)  # so that each process gets one of the jobs


def open_write_at_exit():
    return write_at_exit


def test_workers_tidy_up_when_all_is_done(tmp_path):
    list(share([str(tmp_path)] * 2, 2, open_write_at_exit))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(("job", "named"), [("die", "exit code -9"), ("raise", "cannot; got")])
def test_a_worker_that_fails_or_dies_is_an_error_that_says_so(job, named):
    with pytest.raises(OneStepError, match=named):
        list(share([1, 2, 3, job], 2, open_square))


SLEEPER = """
import sys, time
from pathlib import Path
from onestep_vla_ros.train.crew import share

def open_sleep():
    return sleep

def sleep(path):
    Path(path).write_text("at work")
    time.sleep(600)

if __name__ == "__main__":
    list(share(sys.argv[1:], 2, open_sleep))
"""


def test_workers_end_in_the_midst_of_a_job_when_their_parent_is_killed(tmp_path):
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    marks = [tmp_path / "one", tmp_path / "two"]
    command = [sys.executable, str(tmp_path / "sleeper.py"), *map(str, marks)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        wait_for(lambda: all(mark.is_file() for mark in marks))
        process.kill()
        # the pipe closes when the last process that holds it has ended
        assert process.stdout.read() == b""


def wait_for(is_so):
    deadline = time.monotonic() + 400.0
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
