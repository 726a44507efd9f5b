# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint demands of the robot: joints, units, cameras, period, start pose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.embodiment import BIMANUAL_YAM, EMBODIMENTS, Embodiment, known_by
from onestep_vla_ros.core.errors import CheckpointError, raise_all
from onestep_vla_ros.core.observation import CameraSpec

STATES: tuple[str, ...] = ("measured", "commanded")


@dataclass(frozen=True, slots=True)
class Contract:
    """The robot a checkpoint was trained for.

    Attributes:
        joint_names: What is commanded, (D,) in order: the 14 joints, or another embodiment's.
        cameras: Name and native size of each camera, as the driver publishes it.
        period_s: Time between waypoints [s].
        horizon: Waypoints a chunk.
        instruction_examples: Sentences of the training set.
        start_q_mean: (S,) mean of the first states of the demonstrations.
        start_q_low: (S,) smallest.
        start_q_high: (S,) largest.
        state: Which state the model reads: "measured" or "commanded".
    """

    joint_names: tuple[str, ...]
    cameras: tuple[CameraSpec, ...]
    period_s: float
    horizon: int
    instruction_examples: tuple[str, ...]
    start_q_mean: NDArray[np.float64]
    start_q_low: NDArray[np.float64]
    start_q_high: NDArray[np.float64]
    state: str = "measured"

    @property
    def embodiment(self) -> Embodiment:
        """The robot that has these joints.

        Raises:
            CheckpointError: None has.
        """
        found = known_by(self.joint_names)
        if found is None:
            allowed = [list(e.action_names) for e in EMBODIMENTS]
            raise CheckpointError("joints", got=list(self.joint_names), allowed=allowed)
        return found

    def check(
        self, joint_names: Sequence[str], cameras: Sequence[CameraSpec], period_s: float
    ) -> None:
        """Compare with the robot at hand.

        Args:
            joint_names: The robot's joints in order.
            cameras: What the robot's cameras publish; more cameras than needed are fine.
            period_s: Waypoint period the robot side expects [s].

        Raises:
            CheckpointError: Lists every mismatch.
        """
        faults = []
        if tuple(joint_names) != self.joint_names:
            faults.append(f"joints: got {list(joint_names)}; allowed: {list(self.joint_names)}")
        there = {camera.name: camera for camera in cameras}
        for want in self.cameras:
            have = there.get(want.name)
            if have is None:
                faults.append(f"camera {want.name!r}: got none of that name in {sorted(there)}")
            elif have != want:
                faults.append(
                    f"camera {want.name!r}: got {have.height}x{have.width}; "
                    f"allowed: {want.height}x{want.width} (height x width)"
                )
        if abs(period_s - self.period_s) > 1e-9:
            faults.append(f"period_s: got {period_s}; allowed: {self.period_s}")
        raise_all(
            CheckpointError,
            "checkpoint does not fit the robot",
            faults,
            "use a checkpoint trained for this robot, or correct the robot's parameters",
        )

    def to_json(self) -> dict[str, object]:
        """Return the content of contract.json."""
        return {
            "joint_names": list(self.joint_names),
            "units": self.embodiment.units,
            "cameras": {c.name: [c.height, c.width] for c in self.cameras},
            "period_s": self.period_s,
            "horizon": self.horizon,
            "state": self.state,
            "instruction_examples": list(self.instruction_examples),
            "start_q_mean": self.start_q_mean.tolist(),
            "start_q_low": self.start_q_low.tolist(),
            "start_q_high": self.start_q_high.tolist(),
        }

    @staticmethod
    def from_json(data: Mapping[str, object]) -> tuple[Contract | None, list[str]]:
        """Return the contract, or None and one line for each fault."""
        faults = [
            f"contract.json: {key}: got {data.get(key)!r}; allowed: {allowed}"
            for key, is_good, allowed in _rules(data)
            if not is_good(data.get(key))
        ]
        if faults:
            return None, faults
        cameras = data["cameras"]
        assert isinstance(cameras, dict)  # noqa: S101 - a rule above; narrows the type
        return (
            Contract(
                joint_names=tuple(data["joint_names"]),  # type: ignore[arg-type]
                cameras=tuple(CameraSpec(n, hw[0], hw[1]) for n, hw in cameras.items()),
                period_s=float(data["period_s"]),  # type: ignore[arg-type]
                horizon=int(data["horizon"]),  # type: ignore[call-overload]
                instruction_examples=tuple(data["instruction_examples"]),  # type: ignore[arg-type]
                start_q_mean=np.array(data["start_q_mean"], dtype=np.float64),
                start_q_low=np.array(data["start_q_low"], dtype=np.float64),
                start_q_high=np.array(data["start_q_high"], dtype=np.float64),
                state=str(data["state"]),
            ),
            [],
        )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_pose(value: object, length: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == length
        and all(isinstance(x, (int, float)) and np.isfinite(x) for x in value)
    )


def _are_cameras(value: object) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(
            isinstance(s, list) and len(s) == 2 and all(map(_is_count, s)) for s in value.values()
        )
    )


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(x, str) for x in value)


def _rules(
    data: Mapping[str, object],
) -> tuple[tuple[str, Callable[[object], bool], object], ...]:
    """Return key, test, and what is allowed, for the robot that `data` names."""
    names = data.get("joint_names")
    found = known_by(names) if isinstance(names, list) else None
    robot = found or BIMANUAL_YAM
    states = len(robot.state_names)
    poses = tuple(
        (key, partial(_is_pose, length=states), f"{states} finite numbers")
        for key in ("start_q_mean", "start_q_low", "start_q_high")
    )
    return (
        (
            "joint_names",
            lambda v: found is not None,
            " or ".join(str(list(e.action_names)) for e in EMBODIMENTS),
        ),
        ("units", lambda v: v == robot.units, robot.units),
        ("cameras", _are_cameras, "name: [height, width] in pixels"),
        (
            "period_s",
            lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and 0.0 < v <= 1.0,
            "0 < period_s <= 1",
        ),
        ("horizon", _is_count, "a whole number > 0"),
        ("state", lambda v: v in STATES, list(STATES)),
        ("instruction_examples", _are_texts, "a list of sentences"),
        *poses,
    )
