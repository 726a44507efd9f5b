# SPDX-License-Identifier: Apache-2.0
"""Processes that share jobs; none outlives the one that started them, however it ends."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from onestep_vla_ros.core.errors import OneStepError

Job = TypeVar("Job")
Result = TypeVar("Result")
Work = Callable[[Job], Result]

_ONE_THREAD = {"LP_NUM_THREADS": "0", "OMP_NUM_THREADS": "1"}
"""Software GL and torch would else fight for the cores the processes already fill."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """What a worker sends instead of a result."""

    error: str


def share(
    jobs: Sequence[Job], processes: int, open_work: Callable[[], Work[Job, Result]]
) -> Iterator[tuple[Job, Result]]:
    """Yield every job with its result, in the order in which they finish.

    Args:
        jobs: What to do; handed out in this order.
        processes: How many processes; 1 works in this one.
        open_work: Called once in each process; returns what does one job. Both it and the
            jobs must pickle.

    Raises:
        OneStepError: A worker failed or was killed; jobs that are done have been yielded.
    """
    if min(processes, len(jobs)) <= 1:
        work = open_work() if jobs else None
        for job in jobs:
            assert work is not None  # noqa: S101 - there are jobs
            yield job, work(job)
        return
    for name, value in _ONE_THREAD.items():
        os.environ.setdefault(name, value)
    crew = _Crew[Job, Result](min(processes, len(jobs)), open_work)
    try:
        yield from crew.share(jobs)
    finally:
        crew.end()


class _Crew(Generic[Job, Result]):
    """The worker processes and a pipe to each: its end of file tells either side of a death."""

    def __init__(self, count: int, open_work: Callable[[], Work[Job, Result]]) -> None:
        context = multiprocessing.get_context("spawn")  # a GL context must not cross a fork
        self._workers: dict[Connection, BaseProcess] = {}
        self._at_work: dict[Connection, Job] = {}
        for _ in range(count):
            ours, theirs = context.Pipe()
            worker = context.Process(target=_serve, args=(theirs, open_work), daemon=True)
            worker.start()
            theirs.close()
            self._workers[ours] = worker

    def share(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Result]]:
        """Keep every worker at one job until none is left."""
        waiting, at_work = iter(jobs), self._at_work
        for pipe, job in zip(self._workers, waiting, strict=False):
            self._send(pipe, job)
            at_work[pipe] = job
        while at_work:
            ready = wait(list(at_work))
            for pipe in [pipe for pipe in self._workers if pipe in ready]:
                done, result = at_work.pop(pipe), self._receive(pipe)
                for job in itertools.islice(waiting, 1):
                    self._send(pipe, job)
                    at_work[pipe] = job
                yield done, result

    def _send(self, pipe: Connection, job: Job) -> None:
        try:
            pipe.send(job)
        except OSError:
            raise self._death(pipe) from None

    def _receive(self, pipe: Connection) -> Result:
        try:
            answer = pipe.recv()
        except (EOFError, OSError):
            raise self._death(pipe) from None
        if isinstance(answer, _Failed):
            raise OneStepError(f"a working process failed: {answer.error}")
        result: Result = answer
        return result

    def _death(self, pipe: Connection) -> OneStepError:
        worker = self._workers[pipe]
        worker.join(timeout=5.0)
        return OneStepError(
            "a working process ended",
            got=f"exit code {worker.exitcode}",
            do="run again to go on; when it is killed for memory, with fewer --jobs",
        )

    def end(self) -> None:
        """End every worker: who has no job ends by itself and tidies up, the others at once."""
        idle = [worker for pipe, worker in self._workers.items() if pipe not in self._at_work]
        for pipe in self._workers:
            pipe.close()
        for worker in self._workers.values():
            if worker not in idle:
                worker.terminate()
        for worker in self._workers.values():
            worker.join(timeout=5.0)
            worker.terminate()


def _serve(pipe: Connection, open_work: Callable[[], Work[Job, Result]]) -> None:
    """Work until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            work = open_work()
            while True:
                pipe.send(work(pipe.recv()))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:  # noqa: BLE001 - told to the parent, which raises
            pipe.send(_Failed(f"{type(error).__name__}: {error}"))


def _end_with_parent() -> None:
    """End this process at once, in the midst of a job too, when the one that started it dies.

    A job may be a training of an hour: whoever continues it must find nobody else at it.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
