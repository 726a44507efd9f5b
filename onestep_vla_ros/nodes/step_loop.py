# SPDX-License-Identifier: Apache-2.0
"""The thread of a world that takes one action a control step: in lockstep or in real time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.config import SimNodeConfig
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.nodes.action_driver import ActionDriver
from onestep_vla_ros.nodes.lockstep import Lockstep
from onestep_vla_ros.nodes.sim_clock import SimClock
from onestep_vla_ros.nodes.sim_episodes import SimEpisodes
from onestep_vla_ros.nodes.sim_wire import SimWire
from onestep_vla_ros.nodes.trace import ExchangeTrace
from onestep_vla_ros.report import percentiles_ms
from onestep_vla_ros.sim.world import World

_EPS_S = 1e-6
_TIMES = 5000


class StepLoop:
    """Serves a world whose sensors are read at the beginning of a control step, as LIBERO's.

    What is seen at `now` is what was there one period ago, and is stamped so. The world stands
    until the first action of an episode, since a sensible arm that was told nothing does nothing
    and a benchmark counts its steps from there; it stands again when the episode's time is up.

    Lockstep: an observation goes out, then /clock waits until the chunk made from it has come
    and the bridge has judged it; then the step waits for the bridge's action. So what is seen is
    answered at the same simulated time, however long it takes.

    Args:
        world: Used by the calling thread only (its GL context too).
        wire: Topics and services.
        driver: Of the arm.
        config: Mode and periods.
    """

    def __init__(
        self, world: World, wire: SimWire, driver: ActionDriver, config: SimNodeConfig
    ) -> None:
        self._world, self._wire, self._config = world, wire, config
        self._driver = driver
        self._clock = SimClock(config.control_period_s, config.real_time_factor)
        self._episodes = SimEpisodes(world, wire, self._clock, config)
        self._lockstep = Lockstep(wire, config.lockstep_timeout_s)
        self._camera_due_s = self.now_s
        self._images: dict[str, NDArray[np.uint8]] = {}
        self._exchange: ExchangeTrace | None = None
        self._exchanges_s: list[float] = []
        self._begin()

    @property
    def now_s(self) -> float:
        """Simulated time on /clock [s]."""
        return self._clock.now_s

    def run(self, is_wanted: Callable[[], bool]) -> None:
        """Step until `is_wanted` says no.

        Raises:
            LockstepError: The policy's chunk, the bridge's verdict or its action did not come.
        """
        while is_wanted():
            if self._wire.is_reset_wanted():
                self._next_episode()
            self.tick(is_wanted)

    def tick(self, is_wanted: Callable[[], bool]) -> None:
        """Show the present, wait for what is due, carry out one action."""
        now_s, is_locked = self.now_s, self._is_locked
        seen_s = now_s - self._config.control_period_s
        started = time.monotonic()
        if now_s >= self._camera_due_s - _EPS_S:
            self._camera_due_s = now_s + self._config.camera_period_s
            if not self._images:
                self._images = {c.name: self._world.render(c) for c in self._world.cameras}
            self._tell_exchange()
            started = time.monotonic()
            self._show(seen_s, has_images=True)
            if is_locked:
                self._await_chunk(seen_s, is_wanted)
                self._exchange = ExchangeTrace(seen_s, time.monotonic() - started)
            started = time.monotonic()
        else:
            self._show(seen_s, has_images=False)
        self._wire.publish_clock(now_s)
        if is_locked:
            self._await_action(now_s, is_wanted)
        else:
            self._clock.sleep(self._config.control_period_s)
        if self._wire.is_reset_wanted():  # a wait may have been cut short: do this tick anew
            return
        took_s = time.monotonic() - started
        has_moved = self._act(now_s)
        if has_moved and self._exchange is not None:
            self._exchange = self._exchange.with_step(took_s)
        self._clock.advance()
        if self._episodes.is_status_due:
            self._publish_status()
        if is_locked and not has_moved:
            self._clock.sleep()  # no reason to hurry

    @property
    def _is_locked(self) -> bool:
        return self._config.mode == "lockstep" and self._episodes.number > 0

    def _begin(self) -> None:
        self._episodes.begin()
        self._driver.reset()
        self._images = {}

    def _next_episode(self) -> None:
        self._episodes.advance()
        self._begin()
        self._publish_status()
        self._episodes.answer()

    def _show(self, seen_s: float, *, has_images: bool) -> None:
        self._wire.publish_joints(*self._world.joint_state(), seen_s)
        if has_images:
            self._wire.publish_images(self._images, seen_s)

    def _await_chunk(self, seen_s: float, is_wanted: Callable[[], bool]) -> None:
        """Block until the chunk of what was seen at `seen_s` has come and has been judged.

        Whether one is due is asked anew each time: a chunk from before may put it off.
        """

        def missing() -> str:
            newest = self._wire.chunk_stamp_s
            if (
                seen_s < newest + self._config.replan_period_s - _EPS_S
                and seen_s > newest + _EPS_S
            ):
                return ""
            if not newest >= seen_s - _EPS_S:
                return "action_chunk (policy_node)"
            is_judged = self._wire.verdict_stamp_s >= seen_s - _EPS_S
            return "" if is_judged else "bridge/verdict (bridge_node)"

        again = partial(self._show, seen_s, has_images=True)
        self._lockstep.wait(self.now_s, missing, again, is_wanted)

    def _await_action(self, now_s: float, is_wanted: Callable[[], bool]) -> None:
        """Block until the bridge has ticked at `now_s` and its action, if it moves, has come."""

        def missing() -> str:
            self._take_commands()
            if not self._wire.tick_s >= now_s - _EPS_S:
                return "bridge/trace (bridge_node)"
            is_due = self._wire.mode is Mode.RUN and not self._driver.has_action(now_s)
            return "arm_controller/action (bridge_node)" if is_due else ""

        again = partial(self._wire.publish_clock, now_s)
        self._lockstep.wait(now_s, missing, again, is_wanted)

    def _take_commands(self) -> None:
        for _, message in self._wire.take_commands():
            self._driver.take(message)

    def _act(self, now_s: float) -> bool:
        """Carry out what is to begin at `now_s`; return False when the world stands."""
        self._take_commands()
        action = self._driver.sample(now_s)
        if action is None or self._world.time_s > self._world.timeout_s - _EPS_S:
            return False
        self._world.step(action, self._config.control_period_s)
        self._images = {}
        self._episodes.watch()
        return True

    def _tell_exchange(self) -> None:
        """Tell what the exchange that now ends has cost, if the arm moved in it."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None and exchange.steps:
            self._wire.publish_exchange(exchange)
            self._exchanges_s = [*self._exchanges_s[1 - _TIMES :], exchange.total_s]

    def _publish_status(self) -> None:
        exchange = percentiles_ms(self._exchanges_s) or {"p50": math.nan, "p99": math.nan}
        values = {
            "exchange_p50_ms": exchange["p50"],
            "exchange_p99_ms": exchange["p99"],
            "refused_commands": sum(self._driver.refused.values()),
        }
        self._episodes.publish_status(values)
