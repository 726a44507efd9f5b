# SPDX-License-Identifier: Apache-2.0
"""The log of episodes after every way in which its writer may have ended."""

import pytest

from onestep_vla_ros.core.errors import ConfigError, DatasetError
from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.train.cells import Cell
from onestep_vla_ros.train.episode_log import NAME, EpisodeLog, Record, check_weights

CELL = Cell("runs/a", "place", 1, "zero")


def record(seed, **changes):
    episode = Episode(seed, "put it | there, 日", True, inference_s=[0.0101234567, 0.02])
    return Record(CELL, changes.get("weights", "w1"), episode)


def write(folder, *seeds):
    with EpisodeLog(folder, Cell.from_json) as log:
        for seed in seeds:
            log.append(record(seed))


def test_records_come_back_as_written_but_for_nanoseconds(tmp_path):
    write(tmp_path, 3, 1)
    with EpisodeLog(tmp_path, Cell.from_json) as log:
        found = log.records()
    assert list(found) == [(CELL, 3), (CELL, 1)]
    assert found[CELL, 3].episode.inference_s == [0.010123, 0.02]
    assert found[CELL, 3].episode.instruction == "put it | there, 日"


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_line_cut_by_a_kill_is_dropped_and_written_anew(tmp_path, kept):
    write(tmp_path, 0, 1)
    path = tmp_path / NAME
    whole = path.read_bytes()
    path.write_bytes(whole + record(2).to_line()[:kept])
    with EpisodeLog(tmp_path, Cell.from_json) as log:
        assert [seed for _, seed in log.records()] == [0, 1]
        log.append(record(2))
    assert path.read_bytes() == whole + record(2).to_line()


def test_a_damaged_line_is_named(tmp_path):
    write(tmp_path, 0, 1)
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes().replace(b'"seed":0', b'"sead":0'))
    with (
        EpisodeLog(tmp_path, Cell.from_json) as log,
        pytest.raises(DatasetError, match=r"line 1 .*other keys"),
    ):
        log.records()


def test_episodes_of_logs_from_before_steps_were_counted_are_read(tmp_path):
    write(tmp_path, 0)
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes().replace(b',"evaluations":0,"more_steps":0', b""))
    with EpisodeLog(tmp_path, Cell.from_json) as log:
        assert log.records()[CELL, 0].episode.evaluations == 0


def test_a_seed_written_twice_counts_once(tmp_path):
    write(tmp_path, 5, 5)
    with EpisodeLog(tmp_path, Cell.from_json) as log:
        assert len(log.records()) == 1


def test_two_writers_are_refused(tmp_path):
    with (
        EpisodeLog(tmp_path, Cell.from_json),
        pytest.raises(ConfigError, match="another evaluation"),
    ):
        EpisodeLog(tmp_path, Cell.from_json)
    EpisodeLog(tmp_path, Cell.from_json).close()


def test_episodes_of_other_weights_are_not_mixed_in(tmp_path):
    there = {(CELL, 0): record(0)}
    check_weights(there, {"runs/a": "w1", "runs/b": "w9"}, tmp_path)
    check_weights(there, {"runs/b": "w9"}, tmp_path)
    with pytest.raises(ConfigError, match="runs/a"):
        check_weights(there, {"runs/a": "w2"}, tmp_path)
