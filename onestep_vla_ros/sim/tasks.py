# SPDX-License-Identifier: Apache-2.0
"""The tasks this station knows, by name."""

from __future__ import annotations

import mujoco

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.handover import HandoverTask
from onestep_vla_ros.sim.lift import LiftTask
from onestep_vla_ros.sim.objects import add_distractors
from onestep_vla_ros.sim.place import PlaceTask
from onestep_vla_ros.sim.rings import RingsTask
from onestep_vla_ros.sim.station_model import station_spec
from onestep_vla_ros.sim.task import Task

_TASKS: tuple[Task, ...] = (PlaceTask(), HandoverTask(), LiftTask(), RingsTask())
TASKS: tuple[str, ...] = tuple(task.name for task in _TASKS)
"""Names of the tasks, in the order in which reports list them."""


def task_named(name: str) -> Task:
    """Return a task.

    Raises:
        ConfigError: There is none of that name; the message lists all.
    """
    for task in _TASKS:
        if task.name == name:
            return task
    raise ConfigError("unknown task", got=repr(name), allowed=list(TASKS))


def instructions(name: str) -> tuple[str, ...]:
    """Return every sentence the demonstrations of a task are asked with."""
    return task_named(name).sentences()


def rewrites(name: str) -> tuple[str, ...]:
    """Return sentences that ask for the same and that no demonstration has."""
    return task_named(name).rewrites()


def build_model(name: str) -> mujoco.MjModel:
    """Return the station's compiled model with a task's objects and stray ones."""
    task = task_named(name)
    spec = station_spec()
    task.add_objects(spec)
    add_distractors(spec)
    return spec.compile()
