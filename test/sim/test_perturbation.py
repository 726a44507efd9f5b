# SPDX-License-Identifier: Apache-2.0
from dataclasses import fields

import numpy as np
import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.perturbation import AXES, NO_AXIS, USUAL, variation_on
from onestep_vla_ros.sim.table import HOME_Q
from onestep_vla_ros.sim.tasks import TASKS, task_named
from onestep_vla_ros.sim.yam_station import YamStation

pytestmark = pytest.mark.sim
WIDER = {
    "camera": {"camera_m", "camera_rad"},
    "start": {"start_rad"},
    "language": {"is_rewritten"},
    "light": {"light", "light_turn_rad"},
    "background": {"background"},
    "layout": {"distractors", "spread"},
    "noise": {"pixel_noise", "joint_noise_rad"},
}
SEEDS = range(40)


def test_without_an_axis_everything_is_as_in_the_demonstrations():
    assert variation_on(NO_AXIS) == USUAL


def test_unknown_axis_is_refused_with_the_list_of_axes():
    with pytest.raises(ConfigError, match=r"weather.*none.*camera.*noise"):
        variation_on("weather")


@pytest.mark.parametrize("axis", AXES)
def test_an_axis_widens_what_it_names_and_nothing_else(axis):
    there = variation_on(axis)
    changed = {f.name for f in fields(USUAL) if getattr(there, f.name) != getattr(USUAL, f.name)}
    assert changed == WIDER[axis]
    assert all(getattr(there, name) > getattr(USUAL, name) for name in changed)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("axis", [axis for axis in AXES if axis != "layout"])
def test_the_same_seed_is_the_same_layout_on_every_axis_but_that_of_layouts(task, axis):
    drawn = task_named(task)
    for seed in SEEDS:
        usual, other = (drawn.draw(seed, v) for v in (USUAL, variation_on(axis)))
        assert dict(other.poses) == dict(usual.poses)
        assert dict(other.fixtures) == dict(usual.fixtures)
        assert dict(other.paint) == dict(usual.paint)
        assert (other.start_q == usual.start_q) == (axis != "start")
        assert (other.instruction == usual.instruction) == (axis != "language")


@pytest.mark.parametrize("task", TASKS)
def test_layout_axis_moves_objects_and_language_axis_uses_unheard_sentences(task):
    drawn, heard = task_named(task), set(task_named(task).sentences())
    moved, rewritten = set(), set()
    for seed in SEEDS:
        usual, spread = drawn.draw(seed, USUAL), drawn.draw(seed, variation_on("layout"))
        moved |= {n for n, pose in usual.poses.items() if spread.poses[n] != pose}
        rewritten.add(drawn.draw(seed, variation_on("language")).instruction)
        assert usual.instruction in heard
    assert moved
    assert rewritten <= set(drawn.rewrites())
    assert not rewritten & heard


@pytest.mark.parametrize("task", TASKS)
def test_start_axis_starts_further_from_home_but_not_elsewhere(task):
    drawn = task_named(task)
    off = [
        np.abs(np.array([drawn.draw(s, variation_on(a)).start_q for s in SEEDS]) - HOME_Q).max()
        for a in (NO_AXIS, "start")
    ]
    assert 0.03 < off[0] <= 0.04
    assert 0.12 < off[1] <= 0.15


@pytest.mark.parametrize("axis", [NO_AXIS, *AXES])
def test_measured_joints_are_noisy_on_the_noise_axis_only(axis):
    station = YamStation("place", axis)
    read = []
    for _ in range(2):
        station.reset(4)
        read.append(np.array([station.joint_state()[0] for _ in range(50)]))
    station.close()
    assert np.array_equal(read[0], read[1])
    error = read[0] - station.stage.q
    assert (error.std() > 0.0) == (axis == "noise")
    if axis == "noise":
        assert error.std() == pytest.approx(0.005, rel=0.15)
        assert not np.array_equal(read[0][0], read[0][1])
