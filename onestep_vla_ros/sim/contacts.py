# SPDX-License-Identifier: Apache-2.0
"""Who touches whom: what every judge is built on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco

from onestep_vla_ros.core.joints import ARMS

TABLE = "table"
_PALM = 2


@dataclass(frozen=True, slots=True)
class Touches:
    """The contacts of one moment.

    Attributes:
        pairs: Names of bodies (or `TABLE`) that touch each other, both ways round.
        fingers: (body, arm, side) with side 0 and 1 for the fingers, 2 for the palm.
    """

    pairs: frozenset[tuple[str, str]]
    fingers: frozenset[tuple[str, str, int]]

    def is_on(self, body: str, other: str) -> bool:
        """Do the two touch?"""
        return (body, other) in self.pairs

    def is_grasped(self, body: str, arm: str) -> bool:
        """Do both fingers of `arm` touch it?"""
        return (body, arm, 0) in self.fingers and (body, arm, 1) in self.fingers

    def is_touched(self, body: str, arm: str | None = None) -> bool:
        """Does any part of the gripper of `arm` (None: of either) touch it?"""
        arms = ARMS if arm is None else (arm,)
        return any((body, a, side) in self.fingers for a in arms for side in (0, 1, _PALM))


class Contacts:
    """Reads the contacts among named bodies, the table and the grippers.

    Args:
        model: The station with its objects.
        bodies: Bodies that count; every geom of a body stands for it.
    """

    def __init__(self, model: mujoco.MjModel, bodies: Sequence[str]) -> None:
        self._label: list[str | tuple[str, int] | None] = [None] * model.ngeom
        self._label[model.geom("table").id] = TABLE
        for name in bodies:
            body = model.body(name)
            for geom in range(body.geomadr[0], body.geomadr[0] + body.geomnum[0]):
                self._label[geom] = name
        for arm in ARMS:
            for side, tip in enumerate(("tip_left", "tip_right")):
                for part in ("pad", "finger", "knuckle"):
                    self._label[model.geom(f"{arm}_{tip}_{part}").id] = (arm, side)
            self._label[model.geom(f"{arm}_palm_collision").id] = (arm, _PALM)

    def read(self, data: mujoco.MjData) -> Touches:
        """Return the contacts now."""
        pairs: set[tuple[str, str]] = set()
        fingers: set[tuple[str, str, int]] = set()
        for one, other in data.contact.geom[: data.ncon].tolist():
            a, b = self._label[one], self._label[other]
            if isinstance(a, str) and isinstance(b, str):
                pairs |= {(a, b), (b, a)}
            elif isinstance(a, str) and isinstance(b, tuple):
                fingers.add((a, *b))
            elif isinstance(b, str) and isinstance(a, tuple):
                fingers.add((b, *a))
        return Touches(frozenset(pairs), frozenset(fingers))
