# SPDX-License-Identifier: Apache-2.0
"""A scripted demonstrator for LIBERO's pick-and-place tasks, which knows where everything is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.libero_grasp import find_grasp
from onestep_vla_ros.sim.libero_world import STILL, LiberoWorld

REACH_M = 0.05
"""What an action of 1 moves the end effector by."""
TURN_RAD = 0.5
"""What an action of 1 turns it by."""
OPEN, CLOSE = -1.0, 1.0
HOVER_M, LIFT_M, CLEARANCE_M = 0.12, 0.22, 0.02
NEAR_M, NEAR_RAD = 0.012, 0.1
AT_REST_M = 5e-4
"""Something that moves less in a control step stands."""
PATIENCE = 60
"""Steps a movement may take before the next begins."""
STUCK_STEPS, STUCK_M = 8, 0.004
"""A hand that moved less than this in so many steps goes no further: it pushes something."""


class LiberoExpert:
    """Hover, descend, close, lift, carry, lower, open: one action a control step.

    Args:
        world: Reset; of a task that puts one object on or into another.

    Raises:
        ConfigError: The task is not of that kind.
    """

    def __init__(self, world: LiberoWorld) -> None:
        names = world.objects_of_interest
        if len(names) != 2 or not set(names) <= set(world.objects):
            raise ConfigError(
                f"no scripted expert for {world.task!r}",
                got=f"it is about {list(names)}",
                allowed="a task with one object and another that it goes to",
                do="choose a task of libero_object or libero_spatial",
            )
        self._world, (self._object, self._goal) = world, names
        self._plan = self._moves()

    def act(self) -> NDArray[np.float64]:
        """Return the action (7,) of this control step; it holds still when all is done."""
        return next(self._plan, STILL)

    def _moves(self) -> Iterator[NDArray[np.float64]]:
        yield from self._wait()
        grasp = find_grasp(self._world, self._object)
        place, yaw = grasp.place, grasp.yaw_rad
        yield from self._to(place + [0.0, 0.0, HOVER_M], yaw, OPEN)
        yield from self._to(place, yaw, OPEN)
        yield from self._hold(12, CLOSE)
        yield from self._to(place + [0.0, 0.0, LIFT_M], yaw, CLOSE)
        held = self._tool() - self._position(self._object)
        below = self._position(self._object)[2] - self._world.extent(self._object)[0][2]
        goal = self._position(self._goal) + held
        above = np.array([goal[0], goal[1], self._tool()[2]])
        yield from self._to(above, yaw, CLOSE)
        goal[2] = self._world.extent(self._goal)[1][2] + CLEARANCE_M + below + held[2]
        yield from self._to(goal, yaw, CLOSE)
        yield from self._hold(10, OPEN)
        yield from self._to(above, yaw, OPEN)

    def _wait(self) -> Iterator[NDArray[np.float64]]:
        """Hold still while the object falls: what it stands on may not carry it."""
        before = np.concatenate(self._world.extent(self._object))
        for _ in range(PATIENCE):
            yield STILL
            now = np.concatenate(self._world.extent(self._object))
            if np.abs(now - before).max() < AT_REST_M:
                return
            before = now

    def _to(
        self, target: NDArray[np.float64], yaw: float, gripper: float
    ) -> Iterator[NDArray[np.float64]]:
        was: list[NDArray[np.float64]] = []
        for _ in range(PATIENCE):
            was.append(self._tool())
            error, turn = target - was[-1], yaw - self._yaw()
            turn = (turn + 0.5 * np.pi) % np.pi - 0.5 * np.pi  # the hand is the same both ways
            is_turned = abs(turn) < NEAR_RAD
            if is_turned and (np.linalg.norm(error) < NEAR_M or _is_stuck(was)):
                return
            if error[2] < 0.0:  # down only where it should be: a finger beside is a finger on top
                error[2] *= np.clip(2.0 - np.linalg.norm(error[:2]) / NEAR_M, 0.0, 1.0)
            yield np.array([*_clip(error / REACH_M), 0.0, 0.0, *_clip([turn / TURN_RAD]), gripper])

    def _hold(self, steps: int, gripper: float) -> Iterator[NDArray[np.float64]]:
        for _ in range(steps):
            yield np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, gripper])

    def _tool(self) -> NDArray[np.float64]:
        return self._world.sensed("robot0_eef_pos")

    def _yaw(self) -> float:
        """Return what the hand is turned by: 0 where its fingers open along y."""
        x, y, z, w = self._world.sensed("robot0_eef_quat")
        return float(np.arctan2(2.0 * (z * w - x * y), 1.0 - 2.0 * (x * x + z * z)))

    def _position(self, name: str) -> NDArray[np.float64]:
        return self._world.sensed(f"{name}_pos")


def _is_stuck(was: Sequence[NDArray[np.float64]]) -> bool:
    """Has a hand that was at these places, one a step, come to rest on its way?"""
    return len(was) > STUCK_STEPS and bool(np.ptp(was[-STUCK_STEPS:], axis=0).max() < STUCK_M)


def _clip(values: ArrayLike) -> NDArray[np.float64]:
    return np.clip(np.asarray(values, dtype=np.float64), -1.0, 1.0)
