# SPDX-License-Identifier: Apache-2.0
"""The scripted demonstrator of LIBERO does pick-and-place tasks and refuses others."""

import numpy as np
import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.libero_expert import LiberoExpert
from onestep_vla_ros.sim.libero_suites import open_task
from onestep_vla_ros.sim.libero_world import STILL, LiberoWorld

pytest.importorskip("libero", reason="needs the pip extra libero (make test-libero)")
pytestmark = [pytest.mark.libero, pytest.mark.slow]


def run(suite, task, state):
    """Return whether the expert did it, and all its actions."""
    world = LiberoWorld(open_task(suite, task))
    actions = []
    try:
        world.reset(state)
        expert = LiberoExpert(world)
        while len(actions) < world.libero_task.step_limit and not world.success():
            actions.append(expert.act())
            world.step(actions[-1])
        return world.success(), np.array(actions)
    finally:
        world.close()


@pytest.mark.parametrize(
    ("suite", "task"),
    [("libero_object", 1), ("libero_object", 2), ("libero_spatial", 0), ("libero_spatial", 3)],
)
def test_it_puts_boxes_bottles_and_bowls_where_they_belong(suite, task):
    done, actions = run(suite, task, 0)
    assert done
    assert np.abs(actions).max() <= 1.0
    assert not actions[:, 3:5].any()


@pytest.mark.parametrize("task", [4, 5])
def test_it_takes_a_bowl_out_of_a_drawer_and_off_a_ramekin(task):
    """It did neither: it landed on the drawer's wall, and closed while the bowl was falling."""
    done, _ = run("libero_spatial", task, 0)
    assert done


def test_it_holds_still_when_all_is_done():
    world = LiberoWorld(open_task("libero_object", 0))
    try:
        world.reset(0)
        expert = LiberoExpert(world)
        done = []
        for _ in range(world.libero_task.step_limit):
            action = expert.act()
            world.step(action)
            done.append(world.success())
        assert any(done)
        assert np.array_equal(action, STILL)
    finally:
        world.close()


@pytest.mark.parametrize(("suite", "task"), [("libero_10", 0), ("libero_goal", 1)])
def test_a_task_that_is_no_pick_and_place_is_refused(suite, task):
    world = LiberoWorld(open_task(suite, task))
    try:
        world.reset(0)
        with pytest.raises(ConfigError, match=r"no scripted expert .*allowed: a task with one"):
            LiberoExpert(world)
    finally:
        world.close()
