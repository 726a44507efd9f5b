# SPDX-License-Identifier: Apache-2.0
"""Summaries compare cells on the seeds they share, task by task; tables show every cell."""

import pytest
from study_episodes import make_cell, make_episodes

from onestep_vla_ros.study.markdown import NOTE, cell_table, report_markdown
from onestep_vla_ros.study.summary import summarise
from onestep_vla_ros.trials import mcnemar, wilson

FIRST, SECOND = make_cell(), make_cell(steps=10)
OTHER = make_cell(task="lift")


@pytest.fixture
def summaries():
    results = {
        FIRST: make_episodes(0.9),
        SECOND: make_episodes(0.7, count=100),
        OTHER: make_episodes(0.5, count=40),
        make_cell(steps=5): [],
    }
    return summarise(results)


def test_the_first_cell_of_each_task_is_the_reference(summaries):
    assert [s.cell for s in summaries] == [FIRST, SECOND, OTHER]
    assert [s.reference for s in summaries] == [FIRST, FIRST, OTHER]
    assert [s.paired is None for s in summaries] == [True, False, True]


def test_figures_are_those_of_the_episodes(summaries):
    data = summaries[1].to_json()
    assert (data["successes"], data["episodes"]) == (70, 100)
    assert data["interval"] == list(wilson(70, 100))
    versus = data["versus_reference"]
    assert (versus["gained"], versus["lost"], versus["pairs"]) == (0, 20, 100)
    assert versus["difference"] == pytest.approx(-0.2)
    assert versus["mcnemar_p"] == mcnemar(0, 20)
    assert summaries[0].to_json()["versus_reference"] is None
    assert summaries[0].wrong == 1


def test_only_seeds_that_both_cells_ran_are_paired():
    results = {FIRST: make_episodes(1.0, 10), SECOND: make_episodes(1.0, 10, first=6)}
    assert summarise(results)[1].paired.trials == 4
    results[SECOND] = make_episodes(1.0, 10, first=50)
    assert summarise(results)[1].paired is None


def test_the_table_keeps_its_columns_and_names_the_difference(summaries):
    lines = cell_table(summaries[:2]).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "| 1 | K=1 | 90 / 100 | 90.0 % |" in lines[2]
    assert "K=10" in lines[3]
    assert "-20.0" in lines[3]
    assert "< 0.001" in lines[3]


def test_all_but_the_wall_time_is_the_same_twice(summaries):
    slower = {s.cell: list(s.episodes) for s in summaries}
    for episodes in slower.values():
        for episode in episodes:
            episode.inference_s = [0.5] * len(episode.inference_s)
    first, second = report_markdown(summaries), report_markdown(summarise(slower))
    assert first.partition("## Wall time")[0] == second.partition("## Wall time")[0]
    assert NOTE in first
    assert "500.0 ms" in second
    assert "put the blue cube on the plate" in first
