# SPDX-License-Identifier: Apache-2.0
"""The folder of an evaluation: report, pictures and films from what its log holds."""

import json

import pytest
from study_episodes import make_cell, make_episodes

from onestep_vla_ros.core.errors import DatasetError
from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.study.films import Shot, choose, outcome, write_films
from onestep_vla_ros.study.folder import CELLS, declare, declared, read_results, write_report
from onestep_vla_ros.study.pictures import series, write_pictures
from onestep_vla_ros.study.summary import summarise
from onestep_vla_ros.train.cells import Cell
from onestep_vla_ros.train.episode_log import EpisodeLog, Record

ONE, TEN = make_cell(steps=1), make_cell(steps=10)


def fill(folder, results):
    with EpisodeLog(folder, Cell.from_json) as log:
        for cell, episodes in results.items():
            for episode in reversed(episodes):
                log.append(Record(cell, "w", episode))


def test_cells_are_added_and_the_first_ever_stays_the_reference(tmp_path):
    declare(tmp_path, [TEN])
    fill(tmp_path, {ONE: make_episodes(0.8, 10), TEN: make_episodes(0.6, 10)})
    declare(tmp_path, [ONE, TEN])
    assert declared(tmp_path) == (TEN, ONE)
    found = read_results(tmp_path)
    assert list(found) == [TEN, ONE]
    assert [e.seed for e in found[ONE]] == list(range(10))
    (tmp_path / CELLS).write_text("[{}]")
    with pytest.raises(DatasetError, match=CELLS):
        declared(tmp_path)


def test_the_report_is_markdown_json_and_pictures(tmp_path):
    declare(tmp_path, [ONE, TEN])
    fill(tmp_path, {ONE: make_episodes(0.8, 20), TEN: make_episodes(0.6, 20)})
    summaries = write_report(tmp_path, 7)
    assert [s.successes for s in summaries] == [16, 12]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["seed"] == 7
    assert [c["successes"] for c in report["cells"]] == [16, 12]
    assert "| 2 | K=10 | 12 / 20 |" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "by_steps.png").stat().st_size > 5000
    assert not list(tmp_path.glob("*.part"))


def test_a_curve_holds_what_differs_in_one_dimension_alone():
    cells = [
        make_cell(steps=k, latency_s=s, task=t)
        for t in ("place", "lift")
        for k in (10, 1)
        for s in (0.2, 0.0)
    ]
    summaries = summarise({cell: make_episodes(0.5, 10) for cell in cells})
    place = [s for s in summaries if s.cell.task == "place"]
    assert {name: [p.x for p in points] for name, points in series(place, "steps").items()} == {
        "latency 0.2 s": [1, 10],
        "latency 0 s": [1, 10],
    }
    assert set(series(place, "latency_s")) == {"K=10", "K=1"}
    assert series(place, "replan_s") == {}


def test_every_dimension_that_varies_has_its_picture(tmp_path):
    cells = [make_cell(axis=a, policy=p) for a in ("none", "light") for p in ("r/a", "r/b")]
    cells.append(Cell("expert", "place"))
    written = write_pictures(summarise({c: make_episodes(0.5, 10) for c in cells}), tmp_path)
    assert [path.name for path in written] == ["by_axis.png", "by_policy.png"]


def test_failures_are_filmed_first_in_the_order_of_cells_and_seeds():
    summaries = summarise({ONE: make_episodes(1.0, 3), TEN: make_episodes(0.5, 4)})
    failed = [e.seed for e in summaries[1].episodes if not e.success]
    assert [(s.cell, s.episode.seed) for s in choose(summaries, 9)] == [(TEN, s) for s in failed]
    assert [s.episode.seed for s in choose(summaries[:1], 2)] == [0, 1]
    assert choose(summaries, 0) == []


@pytest.mark.parametrize(
    ("episode", "words"),
    [
        (Episode(0, "s", True, time_s=5.04), "success after 5.0 s"),
        (Episode(0, "s", False, time_s=15.0), "failed: not done after 15 s"),
        (Episode(0, "s", False, True, 15.0), "failed: wrong object, not done after 15 s"),
        (Episode(0, "s", False, fault="3 bad chunks"), "failed: 3 bad chunks"),
    ],
)
def test_the_outcome_in_words(episode, words):
    assert outcome(episode) == words


@pytest.mark.sim
def test_a_film_shows_the_whole_episode(tmp_path):
    import cv2

    cell = Cell("expert", "place", timeout_s=0.4, axis="noise")
    (path,) = write_films([Shot(cell, Episode(3, "", False), "axis noise, | \\ 日")], tmp_path)
    film = cv2.VideoCapture(str(path))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == pytest.approx(10 + 1 + 25, abs=1)
    assert film.get(cv2.CAP_PROP_FPS) == 25.0
    is_read, frame = film.read()
    assert is_read
    assert frame.max() > 200
    assert path.name.startswith("failed_seed3_place_axis_noise")


def test_auto_stands_last_among_the_steps(tmp_path):
    cells = [make_cell(steps=k) for k in (10, "auto", 1)]
    summaries = summarise({c: make_episodes(0.5, 10) for c in cells})
    assert [p.x for p in series(summaries, "steps")["all"]] == [1, 10, "auto"]
    assert [p.name for p in write_pictures(summaries, tmp_path)] == ["by_steps.png"]
