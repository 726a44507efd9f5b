# SPDX-License-Identifier: Apache-2.0
"""One episode in-process: world, bridge and any callable policy, in lockstep."""

from __future__ import annotations

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
from onestep_vla_ros.core.observation import CameraSpec, Observation
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Rejected
from onestep_vla_ros.sim.world import World

Infer = Callable[[Observation], Chunk]
Watch = Callable[[Command], None]


@dataclass(frozen=True, slots=True)
class Timing:
    """When a rollout asks for chunks and how late they come, all in simulated time.

    Attributes:
        replan_period_s: Time between two observations handed to the policy [s].
        latency_s: Time from observation to the chunk reaching the bridge [s]; stands for
            rendering, transport and inference, which lockstep would otherwise hide.
        timeout_s: An episode that has not succeeded by then has failed [s].
    """

    replan_period_s: float = 0.24
    latency_s: float = 0.06
    timeout_s: float = 15.0


@dataclass(slots=True)
class Episode:
    """What one rollout did.

    Attributes:
        inference_s: Wall time of each policy call [s].
        rejected: Verdict reason to count, for chunks the bridge refused.
        governed_ticks: Ticks in which the governor changed the plan's sample.
        evaluations: Evaluations of the policy's head; 0 where there is none, or nobody counted.
        more_steps: Policy calls that took more than one decoder step.
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
    pending: deque[tuple[float, Chunk]] = deque()
    next_observation_s = world.time_s
    hold = _enable(bridge, world)
    while world.time_s < timing.timeout_s:
        now_s = world.time_s
        q, qd = world.joint_state()
        bridge.on_joint_state(q, qd, now_s, now_s)
        if now_s >= next_observation_s - 1e-9:
            next_observation_s += timing.replan_period_s
            chunk = _ask(infer, world.observe(cameras), episode)
            pending.append((now_s + timing.latency_s, chunk))
        while pending and pending[0][0] <= now_s + 1e-9:
            _hand_over(bridge, pending.popleft()[1], now_s, episode)
        command = bridge.tick(now_s)
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


def _ask(infer: Infer, observation: Observation, episode: Episode) -> Chunk:
    started = time.perf_counter()
    chunk = infer(observation)
    episode.inference_s.append(time.perf_counter() - started)
    return chunk


def _hand_over(bridge: Bridge, chunk: Chunk, now_s: float, episode: Episode) -> None:
    episode.chunks += 1
    verdict = bridge.on_chunk(chunk, now_s)
    if isinstance(verdict, Rejected):
        reason = verdict.reason.name.lower()
        episode.rejected[reason] = episode.rejected.get(reason, 0) + 1
