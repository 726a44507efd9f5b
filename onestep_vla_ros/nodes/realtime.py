# SPDX-License-Identifier: Apache-2.0
"""What makes a process punctual: no garbage collection of old objects, cores, SCHED_FIFO."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable
from pathlib import Path

from onestep_vla_ros.core.errors import ConfigError

_TASKS = Path("/proc/self/task")
_PERMIT = (
    "allow it with 'rtprio 98' for this user in /etc/security/limits.d, or run with CAP_SYS_NICE"
)


def freeze_garbage() -> int:
    """Collect once, then never look at what lives now again; return how many objects that is.

    A collection in the tick then walks only what came since: the nodes, the messages' classes
    and numpy, some 10^5 objects, are left alone.
    """
    gc.collect()
    gc.freeze()
    return gc.get_freeze_count()


def parse_cores(text: str) -> set[int]:
    """Return the cores that "2,3" names; none for "".

    Raises:
        ConfigError: Not numbers between commas, or a core that this process may not use.
    """
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    allowed = os.sched_getaffinity(0)
    if not all(word.isdecimal() and int(word) in allowed for word in words):
        raise ConfigError(
            "parameter 'cpu_affinity' names cores wrongly",
            got=repr(text),
            allowed=f"some of {sorted(allowed)} between commas, or empty",
        )
    return {int(word) for word in words}


def claim(cores: set[int], fifo_priority: int, warn: Callable[[str], None]) -> None:
    """Put every thread of this process on `cores` and under SCHED_FIFO, as far as permitted.

    Every thread, because the tick waits for what the middleware's threads receive.

    Args:
        cores: Where to run; empty leaves it to the system.
        fifo_priority: 1 to 98; 0 leaves the system's own scheduling.
        warn: Takes one line when something is not permitted; the process goes on without it.
    """
    threads = [int(task.name) for task in _TASKS.iterdir()] if _TASKS.is_dir() else [0]
    try:
        for thread in threads if cores else ():
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(thread, cores)
    except OSError as error:
        warn(f"cpu_affinity {sorted(cores)} is not possible ({error}); running on all cores")
    try:
        for thread in threads if fifo_priority else ():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(fifo_priority))
    except OSError as error:
        warn(
            f"fifo_priority {fifo_priority} is not permitted ({error}); running without, "
            f"punctual on an idle machine only; {_PERMIT}"
        )
