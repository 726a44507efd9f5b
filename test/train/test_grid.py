# SPDX-License-Identifier: Apache-2.0
"""Grids: the same episodes in every cell, whatever the processes and whoever was killed."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from onestep_vla_ros.core.errors import CheckpointError, ConfigError, OneStepError
from onestep_vla_ros.train.cells import Cell
from onestep_vla_ros.train.episode_log import NAME, read_records
from onestep_vla_ros.train.grid import Grid, fingerprint, resolved, run_grid

CELLS = (
    Cell("expert", "place", timeout_s=0.8),
    Cell("expert", "place", timeout_s=0.8, latency_s=0.2),
)
KILLED = """
import sys
from pathlib import Path
from onestep_vla_ros.train.cells import Cell
from onestep_vla_ros.train.grid import Grid, run_grid
if __name__ == "__main__":
    cells = tuple(Cell("expert", "place", timeout_s=0.8, latency_s=s) for s in (0.06, 0.2))
    run_grid(Grid(cells, 12, 40, jobs=2), Path(sys.argv[1]), progress=False)
"""


def facts(results):
    """Everything but the wall clock."""
    return {
        cell: [replace(e, inference_s=[0.0] * len(e.inference_s)) for e in episodes]
        for cell, episodes in results.items()
    }


@pytest.mark.sim
def test_the_result_depends_neither_on_the_processes_nor_on_where_it_was_cut(tmp_path):
    one = run_grid(Grid(CELLS, 4, 40), progress=False)
    assert list(one) == list(CELLS)
    assert [[e.seed for e in episodes] for episodes in one.values()] == [[40, 41, 42, 43]] * 2
    two = run_grid(Grid(CELLS, 4, 40, jobs=2), tmp_path, progress=False)
    assert facts(two) == facts(one)
    path = tmp_path / NAME
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]) + b'{"cell":')
    again = run_grid(Grid(CELLS, 4, 40), tmp_path, progress=False)
    assert facts(again) == facts(one)
    assert path.read_bytes().count(b"\n") == 8
    more = run_grid(Grid(CELLS, 5, 40), tmp_path, progress=False)
    assert [len(episodes) for episodes in more.values()] == [5, 5]
    assert path.read_bytes().count(b"\n") == 10


def test_what_is_done_needs_no_world(tmp_path, monkeypatch):
    def refuse():
        raise AssertionError("a world was opened")

    (tmp_path / NAME).write_bytes(
        b"".join(line_of(cell, seed) for cell in CELLS for seed in (40, 41))
    )
    monkeypatch.setattr("onestep_vla_ros.train.grid._open", refuse)
    found = run_grid(Grid(CELLS, 2, 40), tmp_path, progress=False)
    assert [len(episodes) for episodes in found.values()] == [2, 2]


def line_of(cell, seed):
    from onestep_vla_ros.sim.rollout import Episode
    from onestep_vla_ros.train.episode_log import Record

    return Record(cell, "expert", Episode(seed, "s", True)).to_line()


@pytest.mark.sim
@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_its_workers_and_goes_on_to_the_same_result(tmp_path):
    (tmp_path / "run.py").write_text(KILLED)
    command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    path = tmp_path / "out" / NAME
    wait_for(lambda: path.is_file() and path.read_bytes().count(b"\n") >= 5, process)
    workers = children(process.pid)
    assert len(workers) >= 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    done = len(read_records(path, Cell.from_json))
    assert 5 <= done < 24
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    cells = tuple(replace(CELLS[0], latency_s=s) for s in (0.06, 0.2))
    after = run_grid(Grid(cells, 12, 40), tmp_path / "out", progress=False)
    assert len(read_records(path, Cell.from_json)) == 24
    assert facts(after) == facts(run_grid(Grid(cells, 12, 40), progress=False))


def children(pid):
    """Every process below `pid`."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        if parent == pid:
            found += [int(stat.parent.name), *children(int(stat.parent.name))]
    return found


def wait_for(is_so, process=None, limit_s=300.0):
    deadline = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline
        if process is not None and process.poll() is not None:
            raise AssertionError(process.stderr.read().decode())
        time.sleep(0.02)


def test_a_checkpoint_trained_anew_has_another_fingerprint(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {}}))
    before = fingerprint(str(tmp_path))
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {"a": 1}}))
    assert fingerprint(str(tmp_path)) != before
    assert fingerprint("expert") == "expert"
    with pytest.raises(OneStepError, match="nowhere"):
        fingerprint(os.path.join(tmp_path, "nowhere"))


@pytest.mark.parametrize(
    ("change", "named"), [({"episodes": 0}, "episodes"), ({"cells": ()}, "cell")]
)
def test_a_grid_that_cannot_be_run_is_refused(change, named):
    with pytest.raises(ConfigError, match=named):
        Grid(**({"cells": CELLS} | change))


def test_a_missing_checkpoint_is_refused_before_anything_starts():
    with pytest.raises(CheckpointError, match="nowhere"):
        resolved(Grid((CELLS[0], Cell("/nowhere", "place"))))
