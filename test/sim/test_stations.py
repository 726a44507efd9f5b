# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.stations import ALL, Stations, task_names
from onestep_vla_ros.sim.table import HOME_Q
from onestep_vla_ros.sim.tasks import TASKS, instructions
from onestep_vla_ros.sim.yam_station import YamStation

pytestmark = pytest.mark.sim


def test_names_are_one_task_several_or_all():
    assert task_names("place") == ("place",)
    assert task_names(f"{TASKS[-1]}, {TASKS[0]}") == (TASKS[-1], TASKS[0])
    assert task_names(ALL) == TASKS
    with pytest.raises(ConfigError, match=r"unknown task.*juggle.*allowed.*place"):
        task_names("place,juggle")


def test_tasks_take_turns_by_the_seed_and_are_what_they_are_alone():
    world = Stations(TASKS)
    for seed in range(len(TASKS) + 1):
        world.reset(seed)
        task = TASKS[seed % len(TASKS)]
        assert world.task == task
        assert world.instruction in instructions(task)
        alone = YamStation(task)
        alone.reset(seed)
        assert world.timeout_s == alone.timeout_s
        for station in (world, alone):
            station.step(np.array(HOME_Q), 0.1)
        assert np.array_equal(world.joint_state()[0], alone.joint_state()[0])
        one, two = world.observe().images, alone.observe().images
        assert all(np.array_equal(one[name], two[name]) for name in one)
        assert not world.success()
        assert not world.wrong_object()
        alone.close()
    world.close()
