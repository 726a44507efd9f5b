# SPDX-License-Identifier: Apache-2.0
"""Shared memory of the dead is removed, that of the living is not; domains are not shared."""

from __future__ import annotations

import fcntl
import mmap
import os

import pytest

from onestep_vla_ros import transport


@pytest.fixture
def memory(tmp_path, monkeypatch):
    monkeypatch.setattr(transport, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(transport, "_SECOND_LOOK_S", 0.0)
    monkeypatch.setattr(
        transport, "_MAPPED", transport.re.compile(rf"{transport.re.escape(str(tmp_path))}/(\S+)")
    )
    return tmp_path


def test_segment_of_a_dead_process_is_removed_with_its_lock(memory):
    for name in ("fastrtps_ab", "fastrtps_ab_el", "fastrtps_port1", "sem.fastrtps_port1_mutex"):
        (memory / name).write_bytes(b"x")
    (memory / "other").write_bytes(b"x")
    assert transport.clean_shared_memory() == ["fastrtps_ab", "fastrtps_port1"]
    assert [path.name for path in memory.iterdir()] == ["other"]


def test_locked_segment_is_left_alone(memory):
    (memory / "fastrtps_ab").write_bytes(b"x")
    with (memory / "fastrtps_ab_el").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert transport.clean_shared_memory() == []
    assert transport.clean_shared_memory() == ["fastrtps_ab"]


def test_mapped_segment_is_left_alone(memory):
    path = memory / "fastrtps_port7"
    path.write_bytes(bytes(mmap.PAGESIZE))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0):
        assert transport.clean_shared_memory() == []
    assert path.exists()


def test_two_holders_get_two_domains():
    with transport.free_domain() as first, transport.free_domain() as second:
        assert first != second


def test_users_own_settings_win(monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
    assert transport.environment()["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
    assert os.path.isfile(transport.environment()["FASTDDS_DEFAULT_PROFILES_FILE"])
