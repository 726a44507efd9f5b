# SPDX-License-Identifier: Apache-2.0
"""A scripted demonstrator for LIBERO's pick-and-place tasks, which knows where everything is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.libero_world import STILL, LiberoWorld

REACH_M = 0.05
"""What an action of 1 moves the end effector by."""
OPEN, CLOSE = -1.0, 1.0
HOVER_M, LIFT_M, CLEARANCE_M = 0.12, 0.22, 0.02
DEPTH_M = 0.03
"""How far below an object's top the tool goes at most: the palm is 4 cm above it."""
HAND_M = np.array([0.035, 0.105])
"""Half of the hand along x and along y, which its fingers open along."""
FINGERS_M = 0.035
"""How far the hand is above the tool."""
OPENING_M, FINGER_M = 0.04, 0.01
"""Half of the opening, and half a finger."""
WIDE_M = 0.07
"""What does not fit between the fingers is held by its rim."""
RIM_M, RIM_DEPTH_M = 0.012, 0.025
"""Where a rim is held: from the outside inwards, and below its top."""
MARGIN_M = 0.01
NEAR_M = 0.012
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
        grasp = self._grasp()
        yield from self._to(grasp + [0.0, 0.0, HOVER_M], OPEN)
        yield from self._to(grasp, OPEN)
        yield from self._hold(12, CLOSE)
        yield from self._to(grasp + [0.0, 0.0, LIFT_M], CLOSE)
        held = self._tool() - self._position(self._object)
        below = self._position(self._object)[2] - self._world.extent(self._object)[0][2]
        goal = self._position(self._goal) + held
        above = np.array([goal[0], goal[1], self._tool()[2]])
        yield from self._to(above, CLOSE)
        goal[2] = self._world.extent(self._goal)[1][2] + CLEARANCE_M + below + held[2]
        yield from self._to(goal, CLOSE)
        yield from self._hold(10, OPEN)
        yield from self._to(above, OPEN)

    def _to(self, target: NDArray[np.float64], gripper: float) -> Iterator[NDArray[np.float64]]:
        was: list[NDArray[np.float64]] = []
        for _ in range(PATIENCE):
            was.append(self._tool())
            error = target - was[-1]
            if np.linalg.norm(error) < NEAR_M or _is_stuck(was):
                return
            if error[2] < 0.0:  # down only where it should be: a finger beside is a finger on top
                error[2] *= np.clip(2.0 - np.linalg.norm(error[:2]) / NEAR_M, 0.0, 1.0)
            yield np.array([*np.clip(error / REACH_M, -1.0, 1.0), 0.0, 0.0, 0.0, gripper])

    def _hold(self, steps: int, gripper: float) -> Iterator[NDArray[np.float64]]:
        for _ in range(steps):
            yield np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, gripper])

    def _grasp(self) -> NDArray[np.float64]:
        """Return where the tool closes: on the middle, of a wide object on its rim."""
        low, high = self._world.extent(self._object)
        size, grasp = high - low, 0.5 * (low + high)
        grasp[2] = max(grasp[2], high[2] - DEPTH_M)
        if size[1] < WIDE_M:
            return grasp + self._elbow_room(grasp, size)
        rim = np.array([0.0, 0.5 * size[1] - RIM_M, high[2] - RIM_DEPTH_M - grasp[2]])
        sides = [grasp + rim * [1.0, side, 1.0] for side in (1.0, -1.0)]
        return max(sides, key=lambda side: self._room(side))

    def _elbow_room(
        self, grasp: NDArray[np.float64], size: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the smallest shift (3,) at which the hand goes down beside tall neighbours."""
        along = max(0.0, 0.5 * size[0] - FINGER_M)
        across = max(0.0, OPENING_M - 0.5 * size[1] - FINGER_M)
        shifts = [
            np.array([x, y, 0.0])
            for x in np.linspace(-along, along, 9)
            for y in np.linspace(-across, across, 9)
        ]
        rooms = [self._room(grasp + s) for s in shifts]
        wanted = min(max(rooms), MARGIN_M)
        free = [s for s, room in zip(shifts, rooms, strict=True) if room >= wanted]
        return min(free, key=lambda s: float(np.linalg.norm(s)))

    def _room(self, grasp: NDArray[np.float64]) -> float:
        """Return how far the hand over `grasp` stays off everything tall [m]."""
        boxes = [self._world.extent(n) for n in self._world.objects if n != self._object]
        tall = [box for box in boxes if box[1][2] > grasp[2] + FINGERS_M]
        return min((_gap(grasp, box) for box in tall), default=1.0)

    def _tool(self) -> NDArray[np.float64]:
        return self._world.sensed("robot0_eef_pos")

    def _position(self, name: str) -> NDArray[np.float64]:
        return self._world.sensed(f"{name}_pos")


def _is_stuck(was: Sequence[NDArray[np.float64]]) -> bool:
    """Has a hand that was at these places, one a step, come to rest on its way?"""
    return len(was) > STUCK_STEPS and bool(np.ptp(was[-STUCK_STEPS:], axis=0).max() < STUCK_M)


def _gap(
    grasp: NDArray[np.float64], box: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> float:
    """Return how far the hand over `grasp` stays off a box, negative where it would hit it [m]."""
    below = box[0][:2] - (grasp[:2] + HAND_M)
    above = (grasp[:2] - HAND_M) - box[1][:2]
    return float(np.maximum(below, above).max())
