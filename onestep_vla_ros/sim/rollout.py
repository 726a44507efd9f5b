# SPDX-License-Identifier: Apache-2.0
"""One episode in-process: world, bridge and any callable policy, in lockstep."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.command import Command
from onestep_vla_ros.core.joints import ARM_JOINT_INDEX
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Rejected
from onestep_vla_ros.sim.world import World

Infer = Callable[..., Chunk]
"""(Observation), or (observation, waypoints to go on from (d, 14)) with a `given_period_s`."""
Watch = Callable[[Command], None]
SEAM_S = 0.1
REPLAN_S = 0.24
"""From one observation handed to the policy to the next, unless said otherwise [s]."""
_ARM = list(ARM_JOINT_INDEX)


@dataclass(frozen=True, slots=True)
class Timing:
    """When a rollout asks for chunks and how late they come, all in simulated time.

    Attributes:
        replan_period_s: Time between two observations handed to the policy [s].
        latency_s: Time from observation to the chunk reaching the bridge [s]; stands for
            rendering, transport and inference, which lockstep would otherwise hide.
        timeout_s: An episode that has not succeeded by then has failed [s].
        given_period_s: Period of the waypoints that the policy is told because they are past
            when its chunk arrives [s]: those of the running plan, or where the arms rest without
            one; 0 tells it none.
    """

    replan_period_s: float = REPLAN_S
    latency_s: float = 0.06
    timeout_s: float = 15.0
    given_period_s: float = 0.0


@dataclass(slots=True)
class Episode:
    """What one rollout did.

    Attributes:
        inference_s: Wall time of each policy call [s].
        rejected: Verdict reason to count, for chunks the bridge refused.
        governed_ticks: Ticks in which the governor changed the plan's sample.
        evaluations: Evaluations of the policy's head; 0 where there is none, or nobody counted.
        more_steps: Policy calls that took more than one decoder step.
        seams_rad: For each chunk that replaced a plan, how far its first waypoint lay from that
            plan, the farthest arm joint.
        seam_accelerations: For each of them the largest commanded acceleration of an arm joint
            in the `SEAM_S` after it [rad/s²].
    """

    seed: int
    instruction: str
    success: bool = False
    wrong_object: bool = False
    time_s: float = 0.0
    chunks: int = 0
    ticks: int = 0
    governed_ticks: int = 0
    fault: str = ""
    inference_s: list[float] = field(default_factory=list)
    rejected: dict[str, int] = field(default_factory=dict)
    evaluations: int = 0
    more_steps: int = 0
    seams_rad: list[float] = field(default_factory=list)
    seam_accelerations: list[float] = field(default_factory=list)


def run_episode(
    world: World,
    infer: Infer,
    config: BridgeConfig,
    seed: int,
    timing: Timing,
    cameras: Sequence[CameraSpec] | None = None,
    watch: Watch | None = None,
) -> Episode:
    """Run one episode until success, a latched fault or the time-out.

    The same Bridge that drives hardware drives the world: nothing here touches a command.

    Args:
        world: Any simulated world; it is reset with `seed`.
        infer: Observation to Chunk; its wall time is recorded, never simulated.
        config: The bridge's parameters.
        seed: Names the episode.
        timing: Replan period, injected latency and time-out [s].
        cameras: What `infer` is shown; None for all of the world's, () for none.
        watch: Sees each tick's command before it is executed.
    """
    world.reset(seed)
    # the task says where an episode starts, and no policy announces its start poses here
    bridge = Bridge(replace(config, start_check="off"))
    episode = Episode(seed=seed, instruction=world.instruction)
    exchange = _Exchange(bridge, episode, infer, timing, world.time_s)
    hold = _enable(bridge, world)
    while world.time_s < timing.timeout_s:
        now_s = world.time_s
        q, qd = world.joint_state()
        bridge.on_joint_state(q, qd, now_s, now_s)
        exchange.turn(world, cameras, now_s)
        command = bridge.tick(now_s)
        exchange.note(command, now_s)
        hold = hold if command.q is None else command.q
        episode.ticks += 1
        episode.governed_ticks += int(command.governor_active)
        if watch is not None:
            watch(command)
        world.step(hold, config.control_period_s)
        episode.fault = command.reason if command.mode is Mode.FAULT else ""
        episode.success = not episode.fault and world.success()
        if episode.fault or episode.success:
            break
    episode.time_s = world.time_s
    episode.wrong_object = bool(getattr(world, "wrong_object", lambda: False)())
    return episode


def _enable(bridge: Bridge, world: World) -> NDArray[np.float64]:
    """Enable at the world's pose and return it, (14,)."""
    q, qd = world.joint_state()
    bridge.on_joint_state(q, qd, world.time_s, world.time_s)
    bridge.enable(world.time_s)
    return q


class _Exchange:
    """Observations to the policy, its chunks to the bridge, and what happens at the seams."""

    def __init__(
        self, bridge: Bridge, episode: Episode, infer: Infer, timing: Timing, start_s: float
    ) -> None:
        self._bridge, self._episode = bridge, episode
        self._infer, self._timing = infer, timing
        self._next_s = start_s
        self._pending: deque[tuple[float, Chunk]] = deque()
        self._q: NDArray[np.float64] | None = None  # commanded last
        self._seam_s = -math.inf

    def turn(self, world: World, cameras: Sequence[CameraSpec] | None, now_s: float) -> None:
        """Hand chunks over that have arrived, and ask for the next when it is time."""
        self._hand_over(now_s)  # first, so that the next chunk can go on from this one
        if now_s < self._next_s - 1e-9:
            return
        self._next_s += self._timing.replan_period_s
        observation = world.observe(cameras)
        given = (self._decided(now_s),) if self._timing.given_period_s else ()
        started = time.perf_counter()
        chunk = self._infer(observation, *given)
        self._episode.inference_s.append(time.perf_counter() - started)
        self._pending.append((now_s + self._timing.latency_s, chunk))
        self._hand_over(now_s)

    def note(self, command: Command, now_s: float) -> None:
        """Keep what the arms are told, and their largest acceleration after the last seam."""
        self._q = command.q
        if command.qdd is not None and now_s < self._seam_s + SEAM_S:
            peaks = self._episode.seam_accelerations
            peaks[-1] = max(peaks[-1], float(np.abs(command.qdd[_ARM]).max()))

    def _hand_over(self, now_s: float) -> None:
        """Give the bridge what has arrived, and count what it refuses."""
        episode, plan = self._episode, self._bridge.plan
        while self._pending and self._pending[0][0] <= now_s + 1e-9:
            chunk = self._pending.popleft()[1]
            episode.chunks += 1
            verdict = self._bridge.on_chunk(chunk, now_s)
            if isinstance(verdict, Rejected):
                reason = verdict.reason.name.lower()
                episode.rejected[reason] = episode.rejected.get(reason, 0) + 1
            elif plan.stamp_s == chunk.stamp_s and plan.seam is not None:
                episode.seams_rad.append(float(plan.seam[_ARM].max()))
                episode.seam_accelerations.append(0.0)
                self._seam_s = now_s

    def _decided(self, now_s: float) -> NDArray[np.float64]:
        """Return the waypoints that are past when the answer comes, (d, 14)."""
        period_s, bridge = self._timing.given_period_s, self._bridge
        count = math.ceil(self._timing.latency_s / period_s - 1e-9)
        if not bridge.plan.is_active and self._q is not None and bridge.is_at_rest:
            return np.tile(self._q, (count, 1))
        return bridge.plan.ahead(now_s + period_s * np.arange(1.0, count + 1))
