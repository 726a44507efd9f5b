# SPDX-License-Identifier: Apache-2.0
import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.rollout import Episode, Timing
from onestep_vla_ros.sim.tasks import task_named
from onestep_vla_ros.train.cells import Cell
from onestep_vla_ros.train.evaluate import Evaluation, evaluate, figures
from onestep_vla_ros.trials import wilson


def test_figures_count_successes_reasons_and_failed_seeds():
    red, blue = "put the red cube on the plate", "put the blue cube on the plate"
    episodes = [
        Episode(0, red, True, False, 5.0, 10, 500, 5, "", [0.01] * 10, {"late": 1}),
        Episode(1, red, False, True, 15.0, 30, 1500, 0, "", [0.02] * 30, {"late": 2, "jump": 1}),
        Episode(2, blue, True, False, 7.0, 20, 700, 0, "", [0.01] * 20, {}),
    ]
    episodes[0].evaluations, episodes[0].more_steps = 40, 2
    episodes[1].evaluations, episodes[2].evaluations = 60, 40
    result = figures(Cell("x", "place"), episodes)
    assert result["success_rate"] == pytest.approx(2 / 3)
    assert (result["successes"], result["episodes"], result["wrong_object"]) == (2, 3, 1)
    assert result["interval"] == list(wilson(2, 3))
    assert result["per_task"]["place"] == {"successes": 2, "episodes": 3}
    assert result["per_task"][red] == {"successes": 1, "episodes": 2}
    assert result["chunks"] == {"accepted": 56, "rejected": {"late": 3, "jump": 1}}
    assert result["governor_active"] == pytest.approx(5 / 2700)
    assert result["failed_seeds"] == [1]
    assert result["mean_steps"] == pytest.approx(140 / 60)
    assert result["more_steps"] == 2
    assert figures(Cell("x", "place"), [Episode(0, red)])["mean_steps"] is None


@pytest.mark.sim
def test_evaluate_runs_one_cell_in_the_order_of_its_seeds():
    request = Evaluation(
        "yam", "place", "expert", episodes=2, seed=20, timing=Timing(timeout_s=0.5), axis="light"
    )
    episodes, result = evaluate(request, progress=False)
    assert [e.seed for e in episodes] == [20, 21]
    assert result["axis"] == "light"
    assert result["failed_seeds"] == [20, 21]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"world": "moon"}, "moon"),
        ({"task": "juggle"}, "juggle"),
        ({"episodes": 0}, "episodes"),
        ({"jobs": -1}, "jobs"),
        ({"axis": "moon"}, "moon"),
        ({"ablation": "arms"}, "arms"),
        ({"policy": "expert", "steps": 1}, "expert"),
    ],
)
def test_a_request_that_cannot_be_run_is_refused_before_anything_starts(change, named):
    with pytest.raises(ConfigError, match=named):
        Evaluation(**({"world": "yam", "task": "place", "policy": "x"} | change))


def test_an_episode_has_the_tasks_own_time_unless_told_otherwise():
    cell = Evaluation("yam", "place", "x").grid().cells[0]
    assert cell.timeout_s == task_named("place").timeout_s
    cell = Evaluation("yam", "place", "x", timing=Timing(0.4, 0.1, 3.0)).grid().cells[0]
    assert (cell.replan_s, cell.latency_s, cell.timeout_s) == (0.4, 0.1, 3.0)
