# SPDX-License-Identifier: Apache-2.0
"""What each study consists of, and where each of its cells stands in the table."""

import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.perturbation import AXES
from onestep_vla_ros.study.studies import (
    ALPHA_4,
    LATE,
    REGRESSION,
    STUDIES,
    Study,
    study_named,
)
from onestep_vla_ros.train.cells import Cell
from onestep_vla_ros.train.lerobot_layout import FPS


def cells(name, tasks=("place",), **kind):
    return study_named(name).cells("runs/a/checkpoint", tasks, "sampled", **kind)


def test_schedules_are_five_trainings_at_four_numbers_of_steps():
    study = study_named("schedules")
    names = ["uniform", "Beta(1.5, 1)", "α = 4", "α = 8", "L2 regression"]
    assert [v.name for v in study.variants] == names
    assert [c.steps for c in cells("schedules")] == [1, 2, 5, 10]
    assert [c.steps for c in cells("schedules", variant=REGRESSION)] == [1]
    assert REGRESSION.is_one_step
    assert study.place(ALPHA_4, cells("schedules")[3]) == ("α = 4", "K=10")


def test_prefix_compares_three_hand_overs_at_delays_of_whole_waypoints():
    study = study_named("prefix")
    plain, prefixed = study.variants
    found = [*cells("prefix", variant=plain), *cells("prefix", variant=prefixed)]
    assert list(dict.fromkeys(c.handover for c in found)) == ["splice", "blend", "prefix"]
    delays = {c.latency_s for c in found}
    assert sorted(round(s * FPS) for s in delays) == [0, 1, 2, 4, 8]
    assert all(c.replan_s >= c.latency_s for c in found)
    assert all(c.max_age_s > c.latency_s for c in found)
    assert plain.overrides == ALPHA_4.overrides
    assert prefixed.overrides["head.prefix"] == 8
    assert study.place(prefixed, found[-1]) == ("prefix", "latency 0.8 s")


def test_the_axes_are_eight_with_latency_and_their_columns_are_tasks():
    study, found = study_named("axes"), cells("axes")
    rows = [study.place(None, cell)[0] for cell in found]
    assert rows == ["as trained", *(f"axis {axis}" for axis in AXES), LATE]
    assert len(rows) == 9
    assert {study.place(None, cell)[1] for cell in found} == {"place"}


def test_the_time_between_chunks_can_be_set_but_is_never_shorter_than_their_delay():
    assert {c.replan_s for c in cells("schedules", replan_s=0.48)} == {0.48}
    assert {c.replan_s for c in cells("schedules")} == {Cell("a", "place").replan_s}
    assert max(c.replan_s for c in cells("prefix", replan_s=0.48)) == 0.8


def test_a_training_belongs_to_one_configuration_in_every_study():
    by_folder = {}
    for study in STUDIES.values():
        for variant in study.variants:
            assert by_folder.setdefault(variant.folder, variant.overrides) == variant.overrides


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_every_cell_has_a_place_of_its_own(study: Study):
    for variant in study.variants or (None,):
        places = [study.place(variant, cell) for cell in cells(study.name)]
        assert len(set(places)) == len(places)


def test_an_unknown_study_is_refused_with_the_list():
    with pytest.raises(ConfigError, match=r"moon.*schedules"):
        study_named("moon")
