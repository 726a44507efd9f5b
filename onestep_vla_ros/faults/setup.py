# SPDX-License-Identifier: Apache-2.0
"""What a pure row runs with: parameters, seed, the stand-in policy's movement and habits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.command import Command
from onestep_vla_ros.core.config import PolicyNodeConfig
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.core.verdict import Rejected, Verdict
from onestep_vla_ros.files import read_parameters

NS = 1_000_000_000
START_NS = 100 * NS
START_S = START_NS / NS
"""When every scene begins [s]."""

_CENTRE = np.array([0.0, 1.2, 1.2, 0.0, 0.0, 0.0, 0.5] * 2)
_PHASE = np.linspace(0.0, 2.0 * np.pi, 14, endpoint=False)
_BACK_S = 0.5
_AMPLITUDE, _RATE = 0.25, 2.0 * np.pi * 0.5


class Driver(Protocol):
    """What turns chunks into commands: the bridge, or a reference model of an alternative."""

    def on_joint_state(
        self,
        q: NDArray[np.float64],
        qd: NDArray[np.float64] | None,
        stamp_s: float,
        now_s: float,
    ) -> Verdict:
        """Take a measured state (14,)."""

    def on_chunk(self, chunk: Chunk, now_s: float) -> Verdict:
        """Take a chunk."""

    def refuse(self, topic: str, verdict: Rejected, now_s: float) -> None:
        """Take note of a message that could not be read."""

    def on_policy_trouble(self, words: str, now_s: float) -> None:
        """Take from the policy why it cannot act, "" when it can."""

    def enable(self, now_s: float) -> Verdict:
        """Start to command."""

    def tick(self, now_s: float) -> Command:
        """Return the command of this control period."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Parameters of one run.

    Attributes:
        bridge: The bridge's parameters.
        policy: The policy node's, of which the observer uses the timing.
        seed: Of measurement noise and of the policy's.
        latency_s: Time an inference takes [s].
        waypoints: Waypoints of a chunk.
        period_s: Time between them [s].
        tick_phase_s: When in its period the bridge ticks; joint states come 6 ms into theirs [s].
        start: Where the arms stand at first, (14,); None for where the policy begins.
    """

    bridge: BridgeConfig
    policy: PolicyNodeConfig
    seed: int = 0
    latency_s: float = 0.03
    waypoints: int = 16
    period_s: float = 0.08
    tick_phase_s: float = 0.0093
    start: NDArray[np.float64] | None = None


def shipped_setup(seed: int = 0, **changes: object) -> Setup:
    """Return the parameters of config/ for a real robot, with `changes` of Setup's fields.

    bridge.yaml and policy.yaml with bridge_robot.yaml and policy_robot.yaml on them.
    """
    bridge, policy = _shipped()
    return replace(Setup(bridge, policy, seed), **changes)  # type: ignore[arg-type]


@cache
def _shipped() -> tuple[BridgeConfig, PolicyNodeConfig]:
    bridge = {**read_parameters("bridge.yaml"), **read_parameters("bridge_robot.yaml")}
    policy = {
        **read_parameters("policy.yaml"),
        **read_parameters("policy_robot.yaml"),
        "instruction": "put the red cube on the plate",
    }
    return from_mapping(BridgeConfig, bridge), from_mapping(PolicyNodeConfig, policy)


def target(since_start_s: ArrayLike) -> NDArray[np.float64]:
    """Return where the stand-in policy's movement is after a time [s], (..., 14).

    A sine of 0.5 Hz a joint, each with its own phase: up to 0.8 rad/s and 2.5 rad/s^2.
    """
    t = np.asarray(since_start_s, dtype=np.float64)[..., None]
    return _CENTRE + _AMPLITUDE * np.sin(_RATE * t + _PHASE)


def start_range() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the poses, (14,) each, in which the stand-in policy may start."""
    return _CENTRE - _AMPLITUDE - 0.05, _CENTRE + _AMPLITUDE + 0.05


def answer(
    q: NDArray[np.float64], times_s: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return waypoints (T, 14) that go on with the movement from where the arms are.

    The stand-in policy is closed on what it sees, like a trained one: it takes the point of
    its movement nearest to q (14,) and leads on from there, back onto it bit by bit.

    Args:
        q: Measured positions.
        times_s: Times of the waypoints after that measurement, (T,) [s].
        rng: Source of the small noise that two answers differ by.
    """
    nearest = int(((_PATH - q) ** 2).sum(axis=1).argmin())
    away = (q - _PATH[nearest]) * np.exp(-times_s / _BACK_S)[:, None]
    noise = rng.normal(0.0, 0.002, (len(times_s), 14))
    return target(_PATH_S[nearest] + times_s) + away + noise


_PATH_S = np.arange(0.0, 2.0 * np.pi / _RATE, 0.001)
_PATH = target(_PATH_S)
