# SPDX-License-Identifier: Apache-2.0
"""Cells are values: refused whole when wrong, equal when equal, multiplied without repetition."""

import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.stations import ALL
from onestep_vla_ros.sim.tasks import TASKS, task_named
from onestep_vla_ros.train.cells import Axes, Cell, label, short_policy


def test_a_grid_is_the_product_and_the_first_values_make_its_first_cell():
    axes = Axes(("a",), ("place",), (1, 10), axes=("none", "camera"), ablations=("none", "image"))
    cells = axes.cells()
    assert len(cells) == len(set(cells)) == 8
    assert cells[0] == Cell("a", "place", 1, timeout_s=task_named("place").timeout_s)
    assert {(c.steps, c.axis, c.ablation) for c in cells} == {
        (k, axis, out) for k in (1, 10) for axis in ("none", "camera") for out in ("none", "image")
    }


def test_all_tasks_come_in_the_order_of_the_list_each_with_its_own_limit():
    cells = Axes(("a",), (ALL,)).cells()
    assert [c.task for c in cells] == list(TASKS)
    assert [c.timeout_s for c in cells] == [task_named(t).timeout_s for t in TASKS]
    assert {c.timeout_s for c in Axes(("a",), (ALL,), timeout_s=3.0).cells()} == {3.0}


def test_the_expert_beside_checkpoints_runs_once():
    cells = Axes(("a", "expert"), ("place",), (1, 2), ablations=("none", "state")).cells()
    assert [c for c in cells if c.is_expert] == [
        Cell("expert", "place", timeout_s=task_named("place").timeout_s)
    ]
    assert len(cells) == 5


def test_a_cell_that_cannot_be_evaluated_is_refused_with_every_fault():
    with pytest.raises(ConfigError) as error:
        Cell("a", "juggle", replan_s=0.0, axis="moon", ablation="arms")
    for named in ("juggle", "moon", "arms", "replan"):
        assert named in str(error.value)
    with pytest.raises(ConfigError, match="expert has no decoder"):
        Axes(("expert",), ("place",), (1,)).cells()


def test_a_cell_survives_json_and_nothing_else_becomes_one():
    cell = Cell("out/a/checkpoint", "place", 2, "sampled", 0.4, 0.1, 9.0, "light", "prompt")
    assert Cell.from_json(cell.to_json()) == cell
    auto = Cell("out/a/checkpoint", "place", "auto")
    assert Cell.from_json(auto.to_json()) == auto
    old = {k: v for k, v in cell.to_json().items() if k not in ("handover", "max_age_s")}
    assert Cell.from_json(old) == cell
    for other in ({**cell.to_json(), "colour": "red"}, {"policy": "a", "task": "place"}):
        with pytest.raises(ConfigError, match="other keys"):
            Cell.from_json(other)


def test_a_label_names_what_sets_a_cell_apart():
    one, two = Cell("runs/a/checkpoint", "place", 1), Cell("runs/a/checkpoint", "place", 10)
    third = Cell("runs/b/checkpoint", "place", 10, latency_s=0.2)
    assert label(one, [one]) == "all"
    assert label(two, [one, two]) == "K=10"
    assert label(third, [one, two, third]) == "b, K=10, latency 0.2 s"
    assert short_policy("resource/nano") == "nano"
    assert label(Cell("runs/a/checkpoint", "place", "auto"), [one, two]) == "K=auto"
