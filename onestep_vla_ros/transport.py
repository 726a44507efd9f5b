# SPDX-License-Identifier: Apache-2.0
"""Fast DDS on this machine: environment, a free domain, who shares memory, what the dead left."""

from __future__ import annotations

import fcntl
import os
import random
import re
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.files import share_dir

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Fast DDS keeps its segments on Linux
_DOMAINS = range(1, 101)  # above 101 the ports meet Linux's ephemeral range
_LOCK_ENDINGS = ("_el", "_sl")
_PREFIXES = ("fastrtps_", "fastdds_")
_MAPPED = re.compile(rf"{SHARED_MEMORY}/(\S+)")
_SECOND_LOOK_S = 0.1
_FILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
_RMW = "rmw_fastrtps_cpp"
_RANGE_VARIABLE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
_PICTURES, _LOCAL, _NETWORK = "fastdds.xml", "fastdds_local.xml", "fastdds_network.xml"


def environment() -> dict[str, str]:
    """Return the variables every process of a graph needs; the user's own settings win."""
    given = _users_settings()
    wanted = dict.fromkeys(_FILE_VARIABLES, _path(_PICTURES))
    wanted |= {"RMW_IMPLEMENTATION": _RMW, _RANGE_VARIABLE: "LOCALHOST"}
    return {name: given.get(name, value) for name, value in wanted.items()}


def share_no_memory() -> None:
    """Keep this process's messages out of shared memory, before it starts rclpy.

    For every process without pictures. A writer that is killed in the middle of a message leaves
    the lock of its reader's queue in shared memory taken (Fast DDS 2.14.5): all other writers to
    that reader then wait for it, the reader hears nothing meanwhile, and may crash or hang when
    it ends. Between a bridge and its controllers no such lock may be. A socket has none
    (`config/fastdds_network.xml`). A user's own profile stays, and so does everything under
    another middleware, or with static peers: the range that finds those on one machine, LOCALHOST,
    brings shared memory with it (rmw_fastrtps_shared_cpp, participant.cpp).
    """
    given = _users_settings()
    is_fast_dds = given.get("RMW_IMPLEMENTATION", _RMW).startswith("rmw_fastrtps")
    if not is_fast_dds or not set(_FILE_VARIABLES).isdisjoint(given):
        return
    is_local = os.environ.get(_RANGE_VARIABLE) == "LOCALHOST" or _is_set(_LOCAL)
    if is_local and os.environ.get("ROS_STATIC_PEERS"):
        return
    file = _path(_LOCAL if is_local else _NETWORK)
    os.environ.update(dict.fromkeys(_FILE_VARIABLES, file))
    if is_local:
        os.environ[_RANGE_VARIABLE] = "SYSTEM_DEFAULT"


def _users_settings() -> dict[str, str]:
    """Return the variables that were set by somebody else than this file."""
    names = (*_FILE_VARIABLES, "RMW_IMPLEMENTATION", _RANGE_VARIABLE)
    given = {name: os.environ[name] for name in names if name in os.environ}
    files = {given[name] for name in _FILE_VARIABLES if name in given}
    if files <= {_path(file) for file in (_PICTURES, _LOCAL, _NETWORK)}:
        if _is_set(_LOCAL):
            given.pop(_RANGE_VARIABLE, None)  # it stands for LOCALHOST
        given = {name: value for name, value in given.items() if name not in _FILE_VARIABLES}
    return given


def _is_set(file: str) -> bool:
    return any(os.environ.get(name) == _path(file) for name in _FILE_VARIABLES)


def _path(file: str) -> str:
    return str(share_dir() / "config" / file)


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
    """Remove this user's Fast DDS segments that no living process uses; return their names.

    Fast DDS holds a file lock on `<segment>_el` (or `_sl`) as long as the owner lives, and the
    kernel drops it when it dies; a port that was only written to has no lock. So a segment is
    nobody's when its locks can be taken and no process has it mapped, at two looks: one that is
    being created this moment is mapped at the second. Segments in use are never touched.
    """
    nobodys = _nobodys_segments()
    if nobodys:
        time.sleep(_SECOND_LOOK_S)
        nobodys &= _nobodys_segments()
    for name in nobodys:
        for leftover in (name, f"sem.{name}_mutex", *(name + end for end in _LOCK_ENDINGS)):
            (SHARED_MEMORY / leftover).unlink(missing_ok=True)
    return sorted(nobodys)


def _nobodys_segments() -> set[str]:
    """Return the names of this user's segments without a living owner or user."""
    if not SHARED_MEMORY.is_dir():
        return set()
    names: dict[str, list[Path]] = {}
    for file in SHARED_MEMORY.iterdir():
        name = file.name.removeprefix("sem.").removesuffix("_mutex")
        for end in _LOCK_ENDINGS:
            name = name.removesuffix(end)
        if name.startswith(_PREFIXES):
            names.setdefault(name, []).append(file)
    mapped = _mapped_files() if names else set()
    return {
        name
        for name, files in names.items()
        if all(_is_ours(f) and f.name not in mapped and _is_unlocked(f) for f in files)
    }


def _mapped_files() -> set[str]:
    """Return the names in shared memory that any process we may look into has mapped."""
    mapped: set[str] = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            text = maps.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # gone meanwhile, or another user's: that one cannot map our files
        mapped |= set(_MAPPED.findall(text))
    return mapped


def _is_ours(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.getuid()
    except OSError:
        return False


def _is_unlocked(path: Path) -> bool:
    """Can the lock be taken? True also for a file that carries none."""
    if not path.name.endswith(_LOCK_ENDINGS):
        return True
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
