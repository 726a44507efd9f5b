# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the policy process: the real Observer, and an answer that is always the same."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.observation import CameraSpec, Observation
from onestep_vla_ros.core.observer import Observer, Refusal
from onestep_vla_ros.faults.setup import Setup, answer
from onestep_vla_ros.faults.timeline import Timeline

_REPEAT_S = 0.5


class StandInPolicy:
    """Infers one observation at a time, as the policy node does, on the steady clock.

    Args:
        timeline: The clock.
        setup: What it does and how long that takes.
        cameras: What it sees.
        publish: Called with each chunk.

    Attributes:
        condition: "alive", "dead", "hung" or "broken" (infers without a result).
        latency_s: Time an inference takes from now on [s].
        change: What a policy that has gone astray makes of its answer.
        inferences: (time [s], observation) of every inference that began.
        refusals: (time [s], reason) whenever something could not be used.
    """

    def __init__(
        self,
        timeline: Timeline,
        setup: Setup,
        cameras: tuple[CameraSpec, ...],
        publish: Callable[[Chunk], None],
    ) -> None:
        self._timeline, self._setup, self._cameras = timeline, setup, cameras
        self._publish = publish
        self.latency_s = setup.latency_s
        self.change: Callable[[Chunk], Chunk] = lambda chunk: chunk
        self.inferences: list[tuple[float, Observation]] = []
        self.refusals: list[tuple[float, str]] = []
        self.restart()

    def restart(self) -> None:
        """Begin with an empty observer, as a process that was started anew."""
        self.observer = Observer(self._cameras, self._setup.policy)
        self._told, self._told_s = "", -math.inf
        self.resume()

    def resume(self) -> None:
        """Go on after having hung, with what has come meanwhile."""
        self.condition, self._is_busy = "alive", False

    def refuse(self, reason: str) -> None:
        """Note that something could not be used."""
        self.refusals.append((self._timeline.now_s, reason))

    def look(self) -> None:
        """See whether an observation is due."""
        if self.condition in ("dead", "hung") or self._is_busy:
            return
        found = self.observer.observe(self._timeline.now_s)
        if isinstance(found, Refusal):
            self.refuse(found.reason)
        elif found is not None:
            self.inferences.append((self._timeline.now_s, found))
            self._is_busy = True
            self._timeline.at(self._timeline.now_s + self.latency_s, lambda: self._end(found))

    def tell_trouble(self) -> str | None:
        """Return why it cannot act when that is news or due again, "" once it can; else None.

        As the node's own timer does, which an inference does not hold up.
        """
        if self.condition in ("dead", "hung"):
            return None
        words, now_s = self.observer.trouble(self._timeline.now_s), self._timeline.now_s
        if bool(words) == bool(self._told) and 0.0 <= now_s - self._told_s < _REPEAT_S:
            return None
        self._told, self._told_s = words, now_s
        return words

    def answer(self, observation: Observation) -> Chunk:
        """Return the chunk for an observation; the same observation gives the same chunk."""
        setup, stamp_s = self._setup, observation.stamp_s
        ahead = setup.period_s * np.arange(1, setup.waypoints + 1)
        rng = np.random.default_rng([setup.seed, round(stamp_s * 1e6)])
        return Chunk(answer(observation.q, ahead, rng), stamp_s, setup.period_s)

    def _end(self, observation: Observation) -> None:
        if self.condition in ("dead", "hung"):
            return
        self._is_busy = False
        if self.condition == "alive":
            self._publish(self.change(self.answer(observation)))
        self.look()
