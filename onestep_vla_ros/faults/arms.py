# SPDX-License-Identifier: Apache-2.0
"""Two arms that do what a joint_trajectory_controller makes of the messages they get."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.joints import DOF
from onestep_vla_ros.core.wire_motion import Knots
from onestep_vla_ros.core.wire_spec import Channel, channels_of


class Arm:
    """One topic's controller: a message takes over from the state at its arrival.

    As on Jazzy with interpolate_from_desired_state: until a stamp that lies ahead the
    controller runs a quintic from its present set point to the first knot; after the last
    knot it holds.

    Args:
        spec: The topic's joints and units.
        q: Where the arm stands, (J,).
    """

    def __init__(self, spec: Channel, q: NDArray[np.float64]) -> None:
        self.spec = spec
        still = np.zeros((1, len(q)))
        self._start_s = 0.0
        self._knots = Knots(np.zeros(1), np.array(q)[None], still, still)
        self.messages = 0

    def take(self, stamp_s: float, knots: Knots, now_s: float) -> None:
        """Run `knots` from `stamp_s` on; from now on when that is past [s]."""
        self.messages += 1
        if stamp_s <= now_s:
            self._start_s, self._knots = stamp_s, knots
            return
        present = self.state(now_s)
        self._start_s = now_s
        self._knots = Knots(
            np.concatenate([[0.0], knots.times_s + (stamp_s - now_s)]),
            np.concatenate([present[:1], knots.q]),
            np.concatenate([present[1:2], knots.qd]),
            np.concatenate([present[2:3], knots.qdd]),
        )

    def hold(self, q: NDArray[np.float64]) -> None:
        """Go to `q` (J,) at once, as a position driver does."""
        self.messages += 1
        still = np.zeros((1, len(q)))
        self._start_s, self._knots = 0.0, Knots(np.zeros(1), q[None], still, still)

    def state(self, now_s: float) -> NDArray[np.float64]:
        """Return the set point q, qd, qdd at `now_s`, (3, J)."""
        return self._knots.state(max(now_s - self._start_s, 0.0))[0]


class Arms:
    """All topics' controllers, and the position they add up to.

    Attributes:
        dead: Topics whose controller is gone: it takes nothing and holds where it stood.
    """

    def __init__(self, config: BridgeConfig, q: NDArray[np.float64]) -> None:
        self._arms = {spec.name: Arm(spec, q[spec.index]) for spec in channels_of(config)}
        self.dead: set[str] = set()

    def __getitem__(self, name: str) -> Arm:
        """Return the controller of one topic."""
        return self._arms[name]

    def kill(self, name: str, now_s: float) -> None:
        """Let one topic's controller die: the motors hold where they are."""
        arm = self._arms[name]
        arm.hold(arm.state(now_s)[0])
        self.dead.add(name)

    def place(self, q: NDArray[np.float64]) -> None:
        """Put the arms at `q` (14,): they were moved by hand, or a simulation began anew."""
        for arm in self._arms.values():
            arm.hold(q[arm.spec.index])

    def take(self, name: str, stamp_s: float, knots: Knots, now_s: float) -> None:
        """Hand a trajectory to its controller, unless that is dead."""
        if name not in self.dead:
            self._arms[name].take(stamp_s, knots, now_s)

    def hold(self, name: str, q: NDArray[np.float64]) -> None:
        """Hand a position (J,) to its controller, unless that is dead."""
        if name not in self.dead:
            self._arms[name].hold(q)

    def state(self, now_s: float) -> NDArray[np.float64]:
        """Return q, qd, qdd of all joints at `now_s`, (3, 14)."""
        state = np.zeros((3, DOF))
        for arm in self._arms.values():
            state[:, arm.spec.index] = arm.state(now_s)
        return state
