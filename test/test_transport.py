# SPDX-License-Identifier: Apache-2.0
"""Shared memory of the dead is removed, that of the living is not; domains are not shared."""

from __future__ import annotations

import fcntl
import mmap
import os
from xml.etree import ElementTree

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


FILES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"


@pytest.fixture
def unset(monkeypatch):
    """Nothing set; what the test sets is taken back."""
    for name in (*FILES, RANGE, "RMW_IMPLEMENTATION"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def used():
    """The profile's file name and the range that this process has."""
    files = {os.path.basename(os.environ[name]) for name in FILES}
    assert len(files) == 1
    assert all(os.path.isfile(os.environ[name]) for name in FILES)
    return files.pop(), os.environ.get(RANGE)


def test_users_own_settings_win(unset):
    unset.setenv(RANGE, "SUBNET")
    assert transport.environment()[RANGE] == "SUBNET"
    assert os.path.isfile(transport.environment()[FILES[0]])


def test_a_process_of_a_graph_leaves_shared_memory_and_stays_on_its_machine(unset):
    os.environ.update(transport.environment())
    assert used() == ("fastdds.xml", "LOCALHOST")
    transport.share_no_memory()
    assert used() == ("fastdds_local.xml", "SYSTEM_DEFAULT")
    transport.share_no_memory()
    assert used() == ("fastdds_local.xml", "SYSTEM_DEFAULT")


def test_its_children_get_what_it_got_itself(unset):
    before = transport.environment()
    os.environ.update(before)
    transport.share_no_memory()
    assert transport.environment() == before


@pytest.mark.parametrize("reach", ["SUBNET", "OFF", "SYSTEM_DEFAULT", None])
def test_another_reach_than_this_machine_is_kept(unset, reach):
    if reach is not None:
        unset.setenv(RANGE, reach)
    transport.share_no_memory()
    assert used() == ("fastdds_network.xml", reach)
    children = transport.environment()
    assert os.path.basename(children[FILES[0]]) == "fastdds.xml"
    assert children[RANGE] == (reach or "LOCALHOST")


@pytest.mark.parametrize("name", FILES)
def test_a_users_own_profile_is_kept(unset, name):
    unset.setenv(name, "/somewhere/mine.xml")
    os.environ.update(transport.environment())
    transport.share_no_memory()
    assert os.environ[name] == "/somewhere/mine.xml"
    assert os.environ[RANGE] == "LOCALHOST"


def test_another_middleware_is_left_alone(unset):
    unset.setenv("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp")
    os.environ.update(transport.environment())
    transport.share_no_memory()
    assert used() == ("fastdds.xml", "LOCALHOST")


def test_static_peers_are_still_found(unset):
    unset.setenv("ROS_STATIC_PEERS", "192.168.1.5")
    os.environ.update(transport.environment())
    transport.share_no_memory()
    assert used() == ("fastdds.xml", "LOCALHOST")


def profile(file):
    path = os.path.join(os.path.dirname(transport.environment()[FILES[0]]), file)
    return ElementTree.parse(path).getroot()  # noqa: S314 - our own file


def leaves(root, tag):
    """Every text below the elements called `tag`, with its way there."""
    found = []
    for element in root.findall(f".//{{*}}{tag}"):
        found += [(e.tag.rpartition("}")[2], (e.text or "").strip()) for e in element.iter()]
    return found


def test_the_three_profiles_differ_in_transports_and_peers_alone(unset):
    pictures = profile("fastdds.xml")
    assert ("type", "SHM") in leaves(pictures, "transport_descriptors")
    for file in ("fastdds_network.xml", "fastdds_local.xml"):
        lean = profile(file)
        assert leaves(lean, "discovery_config") == leaves(pictures, "discovery_config")
        assert ("type", "SHM") not in leaves(lean, "transport_descriptors")
        assert leaves(lean, "userTransports")[1:] == [("transport_id", "onestep_udp")]
    assert ("address", "127.0.0.1") in leaves(profile("fastdds_local.xml"), "initialPeersList")
    assert leaves(profile("fastdds_network.xml"), "initialPeersList") == []
