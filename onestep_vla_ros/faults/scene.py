# SPDX-License-Identifier: Apache-2.0
"""Two arms, three cameras, a stand-in policy and the real bridge on an injected clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.command import Command
from onestep_vla_ros.core.errors import JointError, ObservationError
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.core.stamp_offset import StampOffset
from onestep_vla_ros.core.verdict import Reason, Rejected, Verdict
from onestep_vla_ros.core.wire_units import WireUnits
from onestep_vla_ros.faults.setup import Driver, Setup, start_range, target
from onestep_vla_ros.faults.stand_in import StandInPolicy
from onestep_vla_ros.faults.timeline import Timeline
from onestep_vla_ros.faults.wire import Wire
from onestep_vla_ros.sim.faults import Stamped, Stream

CAMERAS = ("top", "left_wrist", "right_wrist")
_CAMERA_S, _STATE_S, _TRANSPORT_S, _LOOK_S = 0.04, 0.01, 0.001, 0.05
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
        policy: The stand-in for the policy's process.
        wall_jump_s: How far the stamps' clock has been set; the driver's clock is steady.
        is_frozen: Does the driver get no tick and no message any more?
        past: Log and commands of drivers that were killed.
        read_image: What makes a picture of a camera's message, as `nodes.messages` does.
        state_verdicts: (time [s], verdict) of every joint state.
    """

    def __init__(self, setup: Setup, driver: Driver) -> None:
        self.setup, self.driver = setup, driver
        self._timeline = Timeline()
        self._rng = np.random.default_rng(setup.seed)
        self._pictures = 0
        self._units = WireUnits(setup.bridge)
        self._scale_offset = np.array(setup.bridge.wire_scale), np.array(setup.bridge.wire_offset)
        self._specs = {name: CameraSpec(name, 4, 4) for name in CAMERAS}
        self.wire = Wire(setup.bridge, target(0.0) if setup.start is None else setup.start)
        self.streams = {n: Stream() for n in (*CAMERAS, "joint_states", "action_chunk")}
        self.log: list[tuple[str, tuple[Any, ...]]] = []
        self.commands: list[tuple[float, Command]] = []
        self.past: list[tuple[list[Any], list[tuple[float, Command]]]] = []
        self.verdicts: list[tuple[float, Verdict]] = []
        self.chunk_stamps_s: list[float] = []
        self.state_verdicts: list[tuple[float, Verdict]] = []
        self.read_image: Callable[[Any, CameraSpec], NDArray[np.uint8]] = lambda value, _: value
        self.wall_jump_s = 0.0
        self.is_frozen = False
        self._waiting: list[Callable[[], object]] = []
        self._turn = 0
        self._offset = StampOffset(0.0, 0.0)
        self.policy = StandInPolicy(
            self._timeline,
            setup,
            tuple(self._specs.values()),
            self._publish,
        )
        self._begin()

    @property
    def now_s(self) -> float:
        """Time on the driver's clock [s]."""
        return self._timeline.now_s

    @property
    def wall_s(self) -> float:
        """Time on the clock of the stamps [s]."""
        return self.now_s + self.wall_jump_s

    @property
    def recent(self) -> list[tuple[float, Command]]:
        """Commands since the driver's clock was last set back, so that their times rise."""
        return self.commands[self._turn :]

    def at(self, time_s: float, action: Callable[[], object]) -> None:
        """Do `action` at `time_s` on the driver's clock [s]."""
        self._timeline.at(time_s, action)

    def run(self, until_s: float) -> None:
        """Let everything before `until_s` [s] happen; the time is then `until_s`."""
        self._timeline.run(until_s)

    def call(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever it returns
        """Call the driver's method `name` and note it for the replay."""
        self.log.append((name, arguments))
        return getattr(self.driver, name)(*arguments)

    def enable(self) -> Verdict:
        """Announce where the policy starts, then enable as an operator would."""
        self.call("on_start_pose", *start_range())
        verdict: Verdict = self.call("enable", self.now_s)
        return verdict

    def set_back(self, seconds: float) -> None:
        """Set /clock back: stamps and deadlines with it, while the arms just move on."""
        self._timeline.set_back(seconds)
        self._turn = len(self.commands)
        self.wire.back_s = self._timeline.back_s
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

    def send_chunk(self, chunk: Chunk) -> Verdict:
        """Hand a chunk, stamped on the driver's clock, to the driver now, past its stream."""
        verdict: Verdict = self.call("on_chunk", chunk, self.now_s)
        self.verdicts.append((self.now_s, verdict))
        self.chunk_stamps_s.append(chunk.stamp_s)
        return verdict

    def tick(self) -> None:
        """Tick the driver once and put what it says on the wire."""
        if self.is_frozen:
            return
        self._follow_wall()
        trouble = self.policy.tell_trouble()  # a real policy looks every 20 ms, this one at ticks
        if trouble is not None:
            self.call("on_policy_trouble", trouble, self.now_s)
        command: Command = self.call("tick", self.now_s)
        last = self.commands[-1][1] if self.commands else None
        self.commands.append((self.now_s, command))
        if command is not last:
            self.wire.send(command, self.now_s)

    def _begin(self) -> None:
        every, look = self._timeline.every, self.policy.look
        for i, name in enumerate(CAMERAS):
            every(_CAMERA_S, lambda n=name: self._shoot(n), first_s=0.001 * i)
        every(_STATE_S, self._measure, first_s=0.005)
        every(self.setup.bridge.control_period_s, self.tick, first_s=self.setup.tick_phase_s)
        every(_LOOK_S, look)

    def _shoot(self, camera: str) -> None:
        self._pictures += 1
        picture = np.full((4, 4, 3), self._pictures % 251, dtype=np.uint8)
        item = Stamped(picture, self.wall_s)
        self._send(camera, item, lambda item: self._on_image(camera, item))

    def _measure(self) -> None:
        q, qd, _ = self.wire.arms.state(self._timeline.true_s)
        q = q - _SAG + self._rng.normal(0.0, 1e-4, 14)
        limits = self.setup.bridge
        q = np.clip(q, limits.position_low, limits.position_high)
        scale, offset = self._scale_offset
        reading = Reading(limits.joint_names, scale * q + offset, scale * qd)
        self._send("joint_states", Stamped(reading, self.wall_s), self._on_reading)

    def _publish(self, chunk: Chunk) -> None:
        """Put the policy's chunk on its topic, its stamp on the wall clock."""
        self._follow_wall()
        wire = Stamped(chunk, self._offset.wire_s(chunk.stamp_s))
        self._send("action_chunk", wire, self._on_chunk)

    def _send(self, stream: str, item: Stamped, arrive: Callable[[Stamped], None]) -> None:
        for delivery in self.streams[stream].pass_on(item, self.now_s):
            at_s = delivery.at_s + _TRANSPORT_S
            self._timeline.at(at_s, lambda item=delivery.item: arrive(item))

    def _on_image(self, camera: str, item: Stamped) -> None:
        try:
            picture = self.read_image(item.value, self._specs[camera])
        except ObservationError as error:
            self.policy.refuse(f"image_unusable: {error}")
            return
        self.policy.observer.on_image(camera, picture, self._local_s(item.stamp_s))
        self.policy.look()

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
        self.policy.observer.on_joint_state(q, qd, stamp_s)
        self.policy.look()

    def _on_chunk(self, item: Stamped) -> None:
        if self.is_frozen:
            self._waiting.append(lambda: self._on_chunk(item))
        else:
            chunk: Chunk = item.value
            self.send_chunk(Chunk(chunk.q, self._local_s(item.stamp_s), chunk.period_s))

    def _local_s(self, stamp_s: float) -> float:
        self._follow_wall()
        return self._offset.local_s(stamp_s)

    def _follow_wall(self) -> None:
        jumps = self._offset.jumps
        self._offset.follow(self.wall_s, self.now_s)
        self.wire.wall_jump_s = self.wall_jump_s
        if self._offset.jumps > jumps:
            self.wire.check.on_clock_jump()
