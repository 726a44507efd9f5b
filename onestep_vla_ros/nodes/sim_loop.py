# SPDX-License-Identifier: Apache-2.0
"""The world's own thread: tick by tick, paced to the wall clock or in step with the bridge."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Float64MultiArray

from onestep_vla_ros.core.config import SimNodeConfig
from onestep_vla_ros.core.joints import ARMS
from onestep_vla_ros.nodes.controller import ArmController
from onestep_vla_ros.nodes.lockstep import Lockstep
from onestep_vla_ros.nodes.sim_clock import SimClock
from onestep_vla_ros.nodes.sim_episodes import SimEpisodes
from onestep_vla_ros.nodes.sim_wire import SimWire
from onestep_vla_ros.report import percentiles_ms
from onestep_vla_ros.sim.world import World

_EPS_S = 1e-6
_LATENCIES = 5000
_CAPTURES = 500


class SimLoop:
    """Steps a world and serves it on the wire.

    /clock starts at 1 s and never runs backward: an episode's start does not turn it back.

    Args:
        world: The simulated station; used by the calling thread only (its GL context too).
        wire: Topics and services.
        config: Task, periods and mode.
    """

    def __init__(self, world: World, wire: SimWire, config: SimNodeConfig) -> None:
        self._world, self._wire, self._config = world, wire, config
        self._clock = SimClock(config.control_period_s, config.real_time_factor)
        self._episodes = SimEpisodes(world, wire, self._clock, config)
        self._lockstep = Lockstep(wire, config.lockstep_timeout_s)
        self._camera_due_s = 0.0
        self._joints_due_s = 0.0
        self._images: dict[str, NDArray[np.uint8]] = {}
        self._captured: dict[float, float] = {}
        self._latencies_s: list[float] = []
        self._latency_of = math.nan
        self._controllers: dict[str, ArmController] = {}
        self._begin()

    @property
    def now_s(self) -> float:
        """Simulated time on /clock [s]."""
        return self._clock.now_s

    def run(self, is_wanted: Callable[[], bool]) -> None:
        """Step until `is_wanted` says no.

        Raises:
            LockstepError: The bridge's command or the policy's chunk did not come.
        """
        while is_wanted():
            if self._wire.is_reset_wanted():
                self._next_episode()
            self.tick(is_wanted)

    def tick(self, is_wanted: Callable[[], bool]) -> None:
        """Publish the present, wait for what is due, step one control period."""
        now_s, config = self.now_s, self._config
        has_images = now_s >= self._camera_due_s - _EPS_S
        if has_images:
            self._camera_due_s = now_s + config.camera_period_s
            self._captured[round(now_s, 6)] = time.monotonic()
            if len(self._captured) > _CAPTURES:  # nobody answers: the arms are not enabled
                del self._captured[next(iter(self._captured))]
            self._images = {c.name: self._world.render(c) for c in self._world.cameras}
        self._publish(now_s, has_images)
        if config.mode == "lockstep" and self._episodes.number > 0:
            self._wait(now_s, has_images, is_wanted)
        self._take_commands(now_s)
        # the bridge's tick at `now` names the set point one period ahead; in lockstep it is here
        at_s = now_s + (config.control_period_s if config.mode == "lockstep" else 0.0)
        command = np.concatenate([self._controllers[arm].sample(at_s) for arm in ARMS])
        self._world.step(command, config.control_period_s)
        self._clock.advance()
        self._episodes.watch()
        if self._episodes.is_status_due:
            self._publish_status()
        if config.mode == "realtime" or self._episodes.number == 0:
            self._clock.sleep()

    def _begin(self) -> None:
        self._episodes.begin()
        q, _ = self._world.joint_state()
        if not self._controllers:
            self._controllers = {arm: ArmController(arm, q) for arm in ARMS}
        for controller in self._controllers.values():
            controller.reset(q)
        self._camera_due_s = self._joints_due_s = self.now_s

    def _next_episode(self) -> None:
        self._episodes.advance()
        self._begin()
        self._publish_status()
        self._episodes.answer()

    def _publish(self, now_s: float, has_images: bool) -> None:
        if now_s >= self._joints_due_s - _EPS_S:
            self._joints_due_s = now_s + self._config.joint_state_period_s
            self._wire.publish_joints(*self._world.joint_state(), now_s)
        if has_images:
            self._wire.publish_images(self._images, now_s)
        self._wire.publish_clock(now_s)

    def _wait(self, now_s: float, has_images: bool, is_wanted: Callable[[], bool]) -> None:
        """Block until the chunk that is due and then this tick's command have come.

        Whether one is due is asked anew each time: a reset can come between the policy's look
        and its chunk, and that chunk, once here, puts the next one off.
        """

        def missing() -> str:
            needs_chunk = has_images and self._is_chunk_due(now_s)
            return " and ".join(self._missing(now_s, needs_chunk))

        def again() -> None:
            self._joints_due_s = now_s
            self._publish(now_s, has_images)

        self._lockstep.wait(now_s, missing, again, is_wanted)

    def _is_chunk_due(self, now_s: float) -> bool:
        chunk_s = self._wire.chunk_stamp_s
        return math.isnan(chunk_s) or now_s >= chunk_s + self._config.replan_period_s - _EPS_S

    def _missing(self, now_s: float, needs_chunk: bool) -> list[str]:
        missing = []
        if not self._wire.tick_s >= now_s - _EPS_S:
            missing.append("bridge/trace (bridge_node)")
        if needs_chunk and not self._wire.chunk_stamp_s >= now_s - _EPS_S:
            missing.append("action_chunk (policy_node)")
        return missing

    def _take_commands(self, now_s: float) -> None:
        for arm, message in self._wire.take_commands():
            controller = self._controllers[arm]
            if isinstance(message, Float64MultiArray):
                controller.on_positions(message)
            elif self._config.command_mode == "joint_trajectory_point":
                controller.on_last_point(message)
            else:
                controller.on_trajectory(message, now_s)
        for trace in self._wire.take_traces():
            stamp = round(trace.chunk_stamp_s, 6)
            if stamp != self._latency_of and stamp in self._captured:
                self._latency_of = stamp
                self._latencies_s.append(time.monotonic() - self._captured[stamp])
                self._latencies_s = self._latencies_s[-_LATENCIES:]
                self._captured = {s: w for s, w in self._captured.items() if s > stamp}

    def _publish_status(self) -> None:
        latency = percentiles_ms(self._latencies_s) or {"p50": math.nan, "p99": math.nan}
        refused = sum(sum(c.refused.values()) for c in self._controllers.values())
        values = {
            "capture_to_command_p50_ms": latency["p50"],
            "capture_to_command_p99_ms": latency["p99"],
            "refused_commands": refused,
        }
        self._episodes.publish_status(values)
