# SPDX-License-Identifier: Apache-2.0
"""A scripted demonstrator for the handover, with regrasps and mistakes to learn from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.joints import arm_slice
from onestep_vla_ros.sim.expert import (
    CLOSED,
    OPEN,
    SQUEEZE_S,
    TILT_RAD,
    Expert,
    Goal,
    Segment,
    goal,
)
from onestep_vla_ros.sim.handover_scene import (
    BAR,
    BAR_THICK_M,
    GRASP_OFF_M,
    HandoverScene,
)
from onestep_vla_ros.sim.kinematics import tool_rotation
from onestep_vla_ros.sim.objects import PLATE_HEIGHT_M, PLATE_RADIUS_M
from onestep_vla_ros.sim.stage import Stage
from onestep_vla_ros.sim.table import MIDLINE_Y_M, bearing, side_of

EXCHANGE_M = (0.36, MIDLINE_Y_M, 0.15)
"""Where the middle of the bar is when it changes hands; the bar then points along y."""
HOVER_M, LIFT_M, ABOVE_PLATE_M = 0.11, 0.09, 0.09
"""Heights of the tool before a grasp and after, and of the bar before it is lowered [m]."""
RELEASE_M = PLATE_HEIGHT_M + BAR_THICK_M / 2 + 0.004
"""Height of the bar's middle when it is let go over the plate [m]."""
OUT_M, UP_M = 0.07, 0.05
"""From where the receiver takes the bar to where it waits, outward and up [m]."""
ATTEMPTS, TAKES = 4, 3
"""How often the bar is picked up, and how often it is reached for per exchange."""
_GRASP_M = 0.016  # the tool comes no lower, else its fingers press on the table
_LOW_M = 0.08  # below this the tool rises before it moves sideways
_LET_GO = 0.55  # opening that frees the bar; the rest opens while the arm withdraws
_OFFERED_M = 0.05  # nearer than this to the exchange the bar need not be moved any more
_BACK_M = 0.07  # how far the giver withdraws, along its fingers
_PULL_M = 0.04  # how far the receiver takes the bar along meanwhile
_RISE_M = 0.07
_LEAN_RAD = (TILT_RAD - 0.3, TILT_RAD + 0.3)


@dataclass(frozen=True, slots=True)
class Mistake:
    """A first grasp that goes wrong on purpose.

    Attributes:
        arm: Whose.
        off_m: Offset (3,) [m] of the tool from the right place: ahead, left, up in its heading.
    """

    arm: str
    off_m: NDArray[np.float64]


class HandoverExpert(Expert):
    """Giver: hover, grasp, lift, offer, let go. Receiver: reach, grasp, carry, lower, let go."""

    def __init__(
        self,
        stage: Stage,
        scene: HandoverScene,
        mistake: Mistake | None = None,
        drift: NDArray[np.float64] | None = None,
    ) -> None:
        """Start from where the arms are now.

        Args:
            stage: Read, never stepped.
            scene: Names giver and receiver.
            mistake: A first grasp that goes wrong.
            drift: (14,) [rad], by which the arms are elsewhere than told while the bar changes
                hands. The receiver sees it and goes where the bar is; a policy that never saw
                that goes where the bar always was.
        """
        super().__init__(stage)
        self._giver, self._receiver = scene.giver, scene.receiver
        self._plate = scene.fixtures["plate"]
        self._mistake = mistake
        self._drift = np.zeros_like(self.target) if drift is None else drift
        self._is_handed = False

    def script(self) -> Iterator[Segment]:
        """Bring the bar to the plate by way of both hands; look, and try again if need be.

        It may begin anywhere, also where a policy has got to: with the bar in the receiver's
        hand, or on the plate already.
        """
        self._is_handed = self._is_on_plate()
        for _ in range(ATTEMPTS):
            if self._is_delivered():
                return
            if not self._holds(self._giver) and not self._holds(self._receiver):
                yield from self._pick()
            if self._holds(self._giver):
                yield from self._exchange()
            if self._holds(self._receiver) and not self._holds(self._giver):
                yield from self._meanwhile(self._giver, None, self._deliver())

    def _pick(self) -> Iterator[Segment]:
        arm, self._is_handed = self._giver, False
        tool = self.tool(arm)
        if tool[2] < _LOW_M:
            up = tool_goal([*tool[:2], HOVER_M], bearing(arm, *tool[:2]), OPEN)
            yield self.straight({arm: up})
        hover = _end_goal(self.stage.position(BAR), self._own_heading())
        yield self.joint_move({arm: _raised(hover, HOVER_M), self._receiver: None})
        yield from self._close_on(arm, self.stage.position(BAR), self._own_heading())
        if not self._holds(arm):
            yield self._lift(is_mistake=self.segment.is_mistake)

    def _exchange(self) -> Iterator[Segment]:
        giver, receiver = self._giver, self._receiver
        if not self._holds(receiver) and not self._is_within_reach():
            yield from self._offer()
        for _ in range(TAKES):
            if self._holds(receiver) or not self._holds(giver):
                break
            yield from self._drifting(self._close_on(receiver, *self._offered()))
            if not self._holds(receiver):
                yield from self._drifting([self.grip({receiver: OPEN})])
        if self._holds(receiver) and self._holds(giver):
            yield from self._drifting([self.grip({giver: _LET_GO})])
            away = {giver: self._withdrawn(giver), receiver: self._pulled(receiver)}
            yield self.straight(away, is_precise=True)

    def _drifting(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """Yield `segments`, over the first of which the drift comes up to its whole."""
        begin = self.drift
        for segment in segments:
            share = np.linspace(0.0, 1.0, len(segment.targets) + 1)[1:, None]
            yield replace(segment, drift=begin + share * (self._drift - begin))
            begin = self._drift

    def _is_within_reach(self) -> bool:
        """Is the bar offered, and the receiver's tool nearer to it than where it waits?"""
        off_m = np.linalg.norm(self.stage.position(BAR) - EXCHANGE_M)
        to_go_m = np.linalg.norm(self.tool(self._receiver) - _end_goal(*self._offered()).point)
        return bool(off_m < _OFFERED_M and to_go_m < np.hypot(OUT_M, UP_M))

    def _offer(self) -> Iterator[Segment]:
        """Lift the bar and bring it to where it changes hands; both arms arrive together.

        Were one to wait for the other, most moments of waiting would look like its last one,
        and a policy that answers the mean would wait for ever.
        """
        arm, receiver = self._giver, self._receiver
        if self.tool(arm)[2] < _LOW_M:
            yield self._lift()
        if self._holds(arm):
            offered = self._carried(arm, np.array(EXCHANGE_M), exchange_heading(arm))
            there = self.joint_move({arm: offered, receiver: waiting_goal(receiver)})
            yield from self._drifting([there])

    def _deliver(self) -> Iterator[Segment]:
        arm, self._is_handed = self._receiver, True
        at = np.array([self._plate.x_m, self._plate.y_m, ABOVE_PLATE_M])
        heading = bearing(arm, at[0], at[1])
        yield self.joint_move({arm: self._carried(arm, at, heading)})
        at[2] = RELEASE_M
        yield self.straight({arm: self._carried(arm, at, heading)}, is_precise=True)
        yield self.grip({arm: _LET_GO})
        low = self.tool(arm)
        yield self.straight({arm: tool_goal([*low[:2], low[2] + _RISE_M], heading, OPEN)})

    def _close_on(
        self, arm: str, middle: NDArray[np.float64], heading: float
    ) -> Iterator[Segment]:
        """Go straight to one end of the bar and close; the first time perhaps beside it."""
        end, wrong = _end_goal(middle, heading), False
        if self._mistake is not None and self._mistake.arm == arm:
            ahead, left, up = self._mistake.off_m
            c, s = np.cos(heading), np.sin(heading)
            off = [ahead * c - left * s, ahead * s + left * c, up]
            end, wrong = Goal(end.point + off, end.rotation, end.grip), True
            self._mistake = None
        yield self.straight({arm: end}, is_precise=True, is_mistake=wrong)
        yield self.grip({arm: CLOSED}, SQUEEZE_S, is_mistake=wrong)

    def _lift(self, *, is_mistake: bool = False) -> Segment:
        at, turned = self._tool_aimed(self._giver)
        return self.straight(
            {self._giver: _raised(Goal(at, turned, CLOSED), LIFT_M)}, is_mistake=is_mistake
        )

    def _meanwhile(
        self, arm: str, wanted: Goal | None, segments: Iterator[Segment]
    ) -> Iterator[Segment]:
        """Yield `segments` of the other arm, in which `arm` moves to a goal (None: home)."""
        part = arm_slice(arm)
        path = self.joint_move({arm: wanted}).targets[:, part]
        for segment in segments:
            count = len(segment.targets)
            rows = np.minimum(np.arange(count), len(path) - 1)
            segment.targets[:, part] = path[rows]
            path = path[min(count, len(path) - 1) :]
            yield segment
        if len(path) > 1:
            rest = np.repeat(self.target[None], len(path), axis=0)
            rest[:, part] = path
            yield Segment(rest)

    def _holds(self, arm: str) -> bool:
        return self.stage.is_grasped(BAR, arm)

    def _is_delivered(self) -> bool:
        return self._is_handed and self._is_on_plate()

    def _is_on_plate(self) -> bool:
        """Is the bar over the plate, and in nobody's hand?"""
        offset = self.stage.position(BAR)[:2] - (self._plate.x_m, self._plate.y_m)
        is_free = not self._holds(self._giver) and not self._holds(self._receiver)
        return bool(is_free and np.hypot(*offset) < PLATE_RADIUS_M)

    def _own_heading(self) -> float:
        """The direction along the bar that leads away from the giver [rad]."""
        at, yaw = self.stage.position(BAR), self.stage.yaw(BAR)
        own = bearing(self._giver, at[0], at[1])
        return own + float((yaw - own + np.pi / 2) % np.pi - np.pi / 2)

    def _offered(self) -> tuple[NDArray[np.float64], float]:
        """Where the bar's middle is when the giver is where it was told to be and drifts to.

        (3,) [m]; also the direction along the bar from its free end to the giver [rad].
        """
        tool, turned = self._tool_now(self._giver)
        kept = (self.target + self.drift)[arm_slice(self._giver)][:6]
        there, aimed = self.kinematics[self._giver].forward(kept)
        turn = aimed @ turned.T
        free = turn @ (self.stage.position(BAR) - tool)
        axis = turn @ self.stage.rotation(BAR)[:, 0]
        axis *= -np.sign(axis @ free)
        return there + free, float(np.arctan2(axis[1], axis[0]))

    def _tool_now(self, arm: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.kinematics[arm].forward(self.stage.q[arm_slice(arm)][:6])

    def _tool_aimed(self, arm: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.kinematics[arm].forward(self.target[arm_slice(arm)][:6])

    def _carried(self, arm: str, at: NDArray[np.float64], heading: float) -> Goal:
        """Where the tool must be so that the bar it holds is at `at`, level."""
        tool, turned = self._tool_now(arm)
        off = turned.T @ (self.stage.position(BAR) - tool)
        axis = self.stage.rotation(BAR)[:, 0]
        rise = np.arcsin(axis[2] * np.sign(axis[:2] @ turned[:2, 2]))  # of the end ahead
        lean = np.arccos(-turned[2, 2]) - rise
        rotation = tool_rotation(heading, float(np.clip(lean, *_LEAN_RAD)))
        return Goal(at - rotation @ off, rotation, CLOSED)

    def _withdrawn(self, arm: str) -> Goal:
        at, turned = self._tool_aimed(arm)
        return Goal(at - _BACK_M * turned[:, 2], turned, OPEN)

    def _pulled(self, arm: str) -> Goal:
        at, turned = self._tool_aimed(arm)
        return Goal(at + [0.0, side_of(arm) * _PULL_M, 0.0], turned, CLOSED)


def tool_goal(at: Sequence[float] | NDArray[np.float64], heading_rad: float, grip: float) -> Goal:
    """Return the goal of a tool at `at` (3,) [m] with the usual lean."""
    x_m, y_m, z_m = at
    return goal(x_m, y_m, z_m, heading_rad, grip)


def _end_goal(middle: NDArray[np.float64], heading: float) -> Goal:
    """Return where a tool takes the end of the bar that is behind its middle."""
    x_m, y_m = middle[:2] - GRASP_OFF_M * np.array([np.cos(heading), np.sin(heading)])
    return tool_goal([x_m, y_m, max(middle[2], _GRASP_M)], heading, OPEN)


def exchange_heading(arm: str) -> float:
    """Return where an arm's tool leans to when the bar changes hands: across the midline."""
    return -side_of(arm) * np.pi / 2


def waiting_goal(arm: str) -> Goal:
    """Return where a receiver waits: outside and above its end of the bar, open."""
    x_m, y_m, z_m = EXCHANGE_M
    y_m += side_of(arm) * (GRASP_OFF_M + OUT_M)
    return tool_goal([x_m, y_m, z_m + UP_M], exchange_heading(arm), OPEN)


def _raised(low: Goal, z_m: float) -> Goal:
    return Goal(np.array([*low.point[:2], z_m]), low.rotation, low.grip)
