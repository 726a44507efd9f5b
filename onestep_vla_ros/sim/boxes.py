# SPDX-License-Identifier: Apache-2.0
"""Boxes in space, each turned its own way: what a scripted expert sees of a scene's shapes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

_ARM = ("robot0", "gripper0", "mount0")
"""What the names of robosuite's arm, hand and mount begin with."""
_CORNERS: NDArray[np.float64] = np.array(list(itertools.product((-1.0, 1.0), repeat=3)))


@dataclass(frozen=True, slots=True)
class Boxes:
    """G boxes.

    Attributes:
        centre: (G, 3) [m].
        half: (G, 3) half of the edges [m], along each box's own axes.
        turn: (G, 3, 3); the columns are each box's axes.
    """

    centre: NDArray[np.float64]
    half: NDArray[np.float64]
    turn: NDArray[np.float64]

    def corners(self) -> NDArray[np.float64]:
        """Return all corners (8 G, 3) [m]."""
        ends = self.half[:, None] * _CORNERS
        return (np.einsum("gij,gcj->gci", self.turn, ends) + self.centre[:, None]).reshape(-1, 3)

    def extent(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the corners (3,), (3,) [m] of the upright box around them all."""
        corners = self.corners()
        return corners.min(0), corners.max(0)

    def near(self, point: NDArray[np.float64], reach_m: float) -> Boxes:
        """Return those of the boxes that may come within `reach_m` of a point (3,) [m]."""
        far = np.linalg.norm(self.centre - point, axis=1) - np.linalg.norm(self.half, axis=1)
        is_near = far < reach_m
        return Boxes(self.centre[is_near], self.half[is_near], self.turn[is_near])

    def gap(self, points: NDArray[np.float64]) -> float:
        """Return how far points (N, 3) stay off all boxes, along a box's axis [m].

        Negative where a point is inside; infinite where there are no boxes.
        """
        if not len(self.centre):
            return float("inf")
        offset = points - self.centre[:, None]  # (G, N, 3)
        local = np.abs(offset @ self.turn)
        return float((local - self.half[:, None]).max(-1).min())


def shape_of(model: mujoco.MjModel, data: mujoco.MjData, root: int) -> Boxes:
    """Return a box around each geom that can be touched of body `root` and what hangs on it."""
    return _boxes(model, data, (model.geom_contype > 0) & _is_of(model, root))


def obstacles_to(model: mujoco.MjModel, data: mujoco.MjData, root: int) -> Boxes:
    """Return a box around each geom that can be touched but those of body `root` and the arm."""
    roots = model.body_rootid[model.geom_bodyid]
    is_arm = np.array([model.body(body).name.startswith(_ARM) for body in roots])
    has_box = model.geom_type != mujoco.mjtGeom.mjGEOM_PLANE
    return _boxes(model, data, (model.geom_contype > 0) & has_box & ~is_arm & ~_is_of(model, root))


def _is_of(model: mujoco.MjModel, root: int) -> NDArray[np.bool_]:
    is_of: NDArray[np.bool_] = model.body_rootid[model.geom_bodyid] == root
    return is_of


def _boxes(model: mujoco.MjModel, data: mujoco.MjData, which: NDArray[np.bool_]) -> Boxes:
    middle, half = model.geom_aabb[which, :3], model.geom_aabb[which, 3:]
    turn = data.geom_xmat[which].reshape(-1, 3, 3)
    return Boxes(data.geom_xpos[which] + np.einsum("gij,gj->gi", turn, middle), half, turn)
