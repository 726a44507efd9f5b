# SPDX-License-Identifier: Apache-2.0
"""Two arms, three cameras, a stand-in policy and the real bridge on an injected clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.command import Command
from onestep_vla_ros.core.errors import JointError, ObservationError
from onestep_vla_ros.core.observation import CameraSpec, Observation
from onestep_vla_ros.core.observer import Observer, Refusal
from onestep_vla_ros.core.stamp_offset import StampOffset
from onestep_vla_ros.core.verdict import Reason, Rejected, Verdict
from onestep_vla_ros.core.wire_units import WireUnits
from onestep_vla_ros.faults.setup import (
    NS,
    START_NS,
    Driver,
    Setup,
    answer,
    start_range,
    target,
)
from onestep_vla_ros.faults.wire import Wire
from onestep_vla_ros.sim.faults import Stamped, Stream

CAMERAS = ("top", "left_wrist", "right_wrist")
_STATE_NS, _TRANSPORT_NS, _LOOK_NS = 10_000_000, 1_000_000, 50_000_000
_CAMERA_NS = 40_000_000
_SAG = np.array([0.0, 0.01, 0.01, 0.0, 0.0, 0.0, 0.0] * 2)
"""The arms hang a little below what is commanded, so that feedback differs from it [rad]."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One joint_states message: names, positions and velocities in the robot's units."""

    names: tuple[str, ...]
    q: NDArray[np.float64]
    qd: NDArray[np.float64]


class Scene:
    """Runs events in the order of time; every delay is exact and every chance seeded.

    Cameras give a picture every 40 ms, joint states come every 10 ms, each message takes 1 ms,
    the bridge ticks every control period. The stand-in policy obeys the real Observer and
    answers with waypoints of one smooth movement, so that chunks agree with each other.

    Args:
        setup: Parameters, seed and what the policy does.
        driver: What turns chunks into commands: the bridge, or an alternative to compare.

    Attributes:
        streams: Camera names, "joint_states" and "action_chunk" to what happens to them.
        log: Every call of the driver with its arguments, to replay it.
        commands: (time [s], command) of every tick.
        verdicts: (time [s], verdict) of every chunk.
        chunk_stamps_s: Their stamps on the driver's clock.
        inferences: (time [s], observation) of every inference that began.
        refusals: (time [s], reason) whenever the observer refused.
        policy: "alive", "dead", "hung" or "broken" (infers without a result).
        latency_s: Time an inference takes from now on [s].
        wall_jump_s: How far the stamps' clock has been set; the driver's clock is steady.
        is_frozen: Does the driver get no tick and no message any more?
        past: Log and commands of drivers that were killed.
        read_image: What makes a picture of a camera's message, as `nodes.messages` does.
        change_chunk: What a policy that has gone astray makes of its answer.
        state_verdicts: (time [s], verdict) of every joint state.
    """

    def __init__(self, setup: Setup, driver: Driver) -> None:
        self.setup, self.driver = setup, driver
        self._ns, self._back_ns, self._count = START_NS, 0, 0
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._rng = np.random.default_rng(setup.seed)
        self._units = WireUnits(setup.bridge)
        self._scale_offset = np.array(setup.bridge.wire_scale), np.array(setup.bridge.wire_offset)
        self._specs = [CameraSpec(name, 4, 4) for name in CAMERAS]
        self.wire = Wire(setup.bridge, target(0.0) if setup.start is None else setup.start)
        self.streams = {n: Stream() for n in (*CAMERAS, "joint_states", "action_chunk")}
        self.log: list[tuple[str, tuple[object, ...]]] = []
        self.commands: list[tuple[float, Command]] = []
        self.verdicts: list[tuple[float, Verdict]] = []
        self.chunk_stamps_s: list[float] = []
        self.inferences: list[tuple[float, Observation]] = []
        self.refusals: list[tuple[float, str]] = []
        self.policy = "alive"
        self.latency_s = setup.latency_s
        self.wall_jump_s = 0.0
        self.is_frozen = False
        self._turn = 0
        self.past: list[tuple[list[Any], list[tuple[float, Command]]]] = []
        self._waiting: list[Callable[[], object]] = []
        self.read_image: Callable[[Any, CameraSpec], NDArray[np.uint8]] = lambda value, _: value
        self.change_chunk: Callable[[Chunk], Chunk] = lambda chunk: chunk
        self.state_verdicts: list[tuple[float, Verdict]] = []
        self._offset = StampOffset(0.0, 0.0)
        self._is_busy = False
        self.restart_policy()
        for i, name in enumerate(CAMERAS):
            self.every(_CAMERA_NS, lambda n=name: self._shoot(n), offset_ns=1_000_000 * i)
        self.every(_STATE_NS, self._measure, offset_ns=5_000_000)
        period_ns = round(setup.bridge.control_period_s * NS)
        self.every(period_ns, self.tick, offset_ns=round(setup.tick_phase_s * NS))
        self.every(_LOOK_NS, self._look)

    @property
    def now_s(self) -> float:
        """Time on the driver's clock [s]."""
        return (self._ns - self._back_ns) / NS

    @property
    def wall_s(self) -> float:
        """Time on the clock of the stamps [s]."""
        return self.now_s + self.wall_jump_s

    @property
    def recent(self) -> list[tuple[float, Command]]:
        """Commands since the driver's clock was last set back, so that their times rise."""
        return self.commands[self._turn :]

    def at(self, time_s: float, action: Callable[[], object]) -> None:
        """Do `action` at `time_s` [s], after what was already planned for that moment."""
        self._push(round(time_s * NS) + self._back_ns, action)

    def every(self, period_ns: int, action: Callable[[], object], offset_ns: int = 0) -> None:
        """Do `action` every `period_ns`, for ever."""

        def again() -> None:
            self._push(self._ns + period_ns, again)
            action()

        self._push(self._ns + offset_ns, again)

    def run(self, until_s: float) -> None:
        """Let everything before `until_s` [s] happen; the time is then `until_s`."""
        until_ns = round(until_s * NS) + self._back_ns
        while self._events and self._events[0][0] < until_ns:
            self._ns, _, action = heapq.heappop(self._events)
            action()
        self._ns = until_ns

    def call(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever it returns
        """Call the driver's method `name` and note it for the replay."""
        self.log.append((name, arguments))
        return getattr(self.driver, name)(*arguments)

    def enable(self) -> Verdict:
        """Announce where the policy starts, then enable as an operator would."""
        self.call("on_start_pose", *start_range())
        verdict: Verdict = self.call("enable", self.now_s)
        return verdict

    def restart_policy(self) -> None:
        """Begin with an empty observer, as a policy process that was started anew."""
        self.observer = Observer(self._specs, self.setup.policy)
        self._is_busy = False
        self.policy = "alive"

    def set_back(self, seconds: float) -> None:
        """Set /clock back: stamps and deadlines with it, while the arms just move on."""
        self._back_ns += round(seconds * NS)
        self._turn = len(self.commands)
        self.wire.back_s = self._back_ns / NS
        self.wire.check.on_clock_jump()

    def starve(self, seconds: float) -> None:
        """Let the driver get no time: ticks are missed, messages wait, then all at once."""
        self.is_frozen = True

        def go_on() -> None:
            self.is_frozen = False
            waiting, self._waiting = self._waiting, []
            for action in waiting:
                action()
            self.tick()

        self.at(self.now_s + seconds, go_on)

    def relaunch(self, driver: Driver) -> None:
        """Put a new driver in the place of the old one, which was killed."""
        self.past.append((self.log, self.commands))
        self.log, self.commands, self._turn = [], [], 0
        self.driver, self.is_frozen = driver, False

    def resume_policy(self) -> None:
        """Let a policy that hung go on, with what it has received meanwhile."""
        self._is_busy = False
        self.policy = "alive"

    def send_chunk(self, chunk: Chunk) -> Verdict:
        """Hand a chunk to the driver now, past the stream and its faults."""
        local = Chunk(chunk.q, self._local_s(chunk.stamp_s), chunk.period_s)
        verdict: Verdict = self.call("on_chunk", local, self.now_s)
        self.verdicts.append((self.now_s, verdict))
        self.chunk_stamps_s.append(local.stamp_s)
        return verdict

    def make_chunk(self, observation: Observation) -> Chunk:
        """Return the stand-in policy's answer to `observation`."""
        setup, stamp_s = self.setup, observation.stamp_s
        ahead = setup.period_s * np.arange(1, setup.waypoints + 1)
        rng = np.random.default_rng([setup.seed, round(stamp_s * 1e6)])
        return Chunk(answer(observation.q, ahead, rng), stamp_s, setup.period_s)

    def tick(self) -> None:
        """Tick the driver once and put what it says on the wire."""
        if self.is_frozen:
            return
        self._follow_wall()
        command: Command = self.call("tick", self.now_s)
        last = self.commands[-1][1] if self.commands else None
        self.commands.append((self.now_s, command))
        if command is not last:
            self.wire.send(command, self.now_s)

    def _shoot(self, camera: str) -> None:
        self._count += 1
        picture = np.full((4, 4, 3), self._count % 251, dtype=np.uint8)
        self._send(camera, picture, lambda item: self._on_image(camera, item))

    def _measure(self) -> None:
        q, qd, _ = self.wire.arms.state(self._ns / NS)
        q = q - _SAG + self._rng.normal(0.0, 1e-4, 14)
        limits = self.setup.bridge
        q = np.clip(q, limits.position_low, limits.position_high)
        scale, offset = self._scale_offset
        reading = Reading(limits.joint_names, scale * q + offset, scale * qd)
        self._send("joint_states", reading, self._on_reading)

    def _send(self, stream: str, value: object, arrive: Callable[[Stamped], None]) -> None:
        for delivery in self.streams[stream].pass_on(Stamped(value, self.wall_s), self.now_s):
            at_ns = round(delivery.at_s * NS) + self._back_ns + _TRANSPORT_NS
            self._push(at_ns, lambda item=delivery.item: arrive(item))

    def _on_image(self, camera: str, item: Stamped) -> None:
        spec = self._specs[CAMERAS.index(camera)]
        try:
            picture = self.read_image(item.value, spec)
        except ObservationError as error:
            self.refusals.append((self.now_s, f"image_unusable: {error}"))
            return
        self.observer.on_image(camera, picture, item.stamp_s)
        self._look()

    def _on_reading(self, item: Stamped) -> None:
        if self.is_frozen:
            self._waiting.append(lambda: self._on_reading(item))
            return
        reading: Reading = item.value
        stamp_s = self._local_s(item.stamp_s)
        try:
            q = self._units.positions_from_wire(reading.names, reading.q)
            qd = self._units.rates_from_wire(reading.names, reading.qd)
        except JointError as error:
            verdict = Rejected(Reason.MALFORMED, str(error))
            self.call("refuse", "joint_states", verdict, self.now_s)
            self.state_verdicts.append((self.now_s, verdict))
            return
        taken = self.call("on_joint_state", q, qd, stamp_s, self.now_s)
        self.state_verdicts.append((self.now_s, taken))
        if taken.is_accepted:
            scale, offset = self._scale_offset
            self.wire.check.on_measured(scale * q + offset)
        self.observer.on_joint_state(q, qd, item.stamp_s)
        self._look()

    def _look(self) -> None:
        """Let the policy see whether an observation is due."""
        if self.policy in ("dead", "hung") or self._is_busy:
            return
        found = self.observer.observe(self.wall_s)
        if isinstance(found, Refusal):
            self.refusals.append((self.now_s, found.reason))
        elif found is not None:
            self.inferences.append((self.now_s, found))
            self._is_busy = True
            self.at(self.now_s + self.latency_s, lambda: self._answer(found))

    def _answer(self, observation: Observation) -> None:
        if self.policy in ("dead", "hung"):
            return
        self._is_busy = False
        if self.policy == "alive":
            chunk = self.change_chunk(self.make_chunk(observation))
            self._send("action_chunk", chunk, self._on_chunk)
        self._look()

    def _on_chunk(self, item: Stamped) -> None:
        if self.is_frozen:
            self._waiting.append(lambda: self._on_chunk(item))
        else:
            self.send_chunk(item.value)

    def _local_s(self, stamp_s: float) -> float:
        self._follow_wall()
        return self._offset.local_s(stamp_s)

    def _follow_wall(self) -> None:
        jumps = self._offset.jumps
        self._offset.follow(self.wall_s, self.now_s)
        self.wire.wall_jump_s = self.wall_jump_s
        if self._offset.jumps > jumps:
            self.wire.check.on_clock_jump()

    def _push(self, ns: int, action: Callable[[], object]) -> None:
        self._count += 1
        heapq.heappush(self._events, (ns, self._count, action))  # type: ignore[misc]
