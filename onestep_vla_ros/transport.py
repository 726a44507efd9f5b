# SPDX-License-Identifier: Apache-2.0
"""Fast DDS on this machine: environment, a free domain, shared-memory leftovers."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.files import share_dir

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Fast DDS keeps its segments on Linux
_DOMAINS = range(1, 101)  # above 101 the ports meet Linux's ephemeral range
_LOCK_ENDINGS = ("_el", "_sl")
_PREFIXES = ("fastrtps_", "fastdds_")


def environment() -> dict[str, str]:
    """Return the variables every process of a graph needs; the user's own settings win."""
    profile = str(share_dir() / "config" / "fastdds.xml")
    wanted = {
        "FASTDDS_DEFAULT_PROFILES_FILE": profile,
        "FASTRTPS_DEFAULT_PROFILES_FILE": profile,
        "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


@contextmanager
def free_domain() -> Iterator[int]:
    """Yield a ROS domain that nobody uses, held by a lock file until the block ends.

    Raises:
        ConfigError: Every domain from 1 to 100 is taken.
    """
    domains = list(_DOMAINS)
    random.SystemRandom().shuffle(domains)
    for domain in domains:
        lock = _lock_domain(domain)
        if lock is None:
            continue
        try:
            yield domain
        finally:
            os.close(lock)
        return
    raise ConfigError(
        "no free ROS domain", got=f"{len(domains)} domains in use", do="stop some of them"
    )


def clean_shared_memory() -> list[str]:
    """Remove this user's Fast DDS segments whose owner process is dead; return their names.

    Fast DDS holds a file lock on `<segment>_el` (or `_sl`) as long as the owner lives, and the
    kernel drops it when it dies: a segment whose locks can all be taken belongs to nobody.
    Segments in use, of whatever graph, are never touched.
    """
    removed: list[str] = []
    if not SHARED_MEMORY.is_dir():
        return removed
    names = {
        file.name.removesuffix("_el").removesuffix("_sl")
        for prefix in _PREFIXES
        for file in SHARED_MEMORY.glob(f"{prefix}*")
    }
    for name in sorted(names):
        segment = SHARED_MEMORY / name
        locks = [SHARED_MEMORY / f"{name}{end}" for end in _LOCK_ENDINGS]
        locks = [lock for lock in locks if lock.exists()]
        if locks and all(_is_ours(lock) and _is_unlocked(lock) for lock in locks):
            for leftover in (segment, SHARED_MEMORY / f"sem.{name}_mutex", *locks):
                leftover.unlink(missing_ok=True)
            removed.append(name)
    return removed


def _is_ours(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.getuid()
    except OSError:
        return False


def _is_unlocked(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _lock_domain(domain: int) -> int | None:
    path = Path(tempfile.gettempdir()) / f"onestep_vla_ros_domain_{domain}_{os.getuid()}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for participant in range(4):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(("", 7410 + 250 * domain + 2 * participant))
    except OSError:
        os.close(handle)
        return None
    return handle
