# SPDX-License-Identifier: Apache-2.0
"""The same faults for the bridge and for what users have today; violations of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.faults.row import FAULTS
from onestep_vla_ros.faults.scene import CAMERAS, Reading, Scene
from onestep_vla_ros.faults.setup import START_S, Driver, Setup, shipped_setup, target
from onestep_vla_ros.sim.alternatives import alternatives
from onestep_vla_ros.sim.faults import Delayed, Duplicated, Extra, Garbage, Off, Stamped

BRIDGE = "this bridge"
_FAULT_S, _LENGTH_S = 1.0, 1.5


@dataclass(frozen=True, slots=True)
class Compared:
    """What one driver did under one row's fault.

    Attributes:
        row: Row of the matrix, 0 for no fault at all.
        fault: In a few words.
        driver: Name of the driver.
        violations: Invariant to count; a message counts each once.
        samples: Joint samples that were checked.
    """

    row: int
    fault: str
    driver: str
    violations: dict[str, int]
    samples: int


def compare(row: int, seed: int) -> list[Compared]:
    """Return what every driver did under one row's fault; 0 is no fault.

    The same chunks, noise and checker for all. All stream positions (forward_position), the
    one output that all of them have.
    """
    found = []
    for name in (BRIDGE, *alternatives(_setup(seed, row).bridge)):
        setup = _setup(seed, row)
        scene = Scene(setup, _driver(name, setup))
        _run(scene, _FAULTS[row])
        check = scene.wire.check
        fault = FAULTS[row] if row else "no fault"
        found.append(Compared(row, fault, name, dict(check.violations), check.samples))
    return found


def _setup(seed: int, row: int) -> Setup:
    config = shipped_setup().bridge
    streamed = replace(
        config, output_mode=("forward_position", "forward_position"), start_check="off"
    )
    changes: dict[str, object] = {"bridge": streamed, "tick_phase_s": 0.0013 + 0.004 * (seed % 2)}
    if row == 35:
        changes["start"] = target(0.0) + 0.4 * (np.arange(14) % 7 < 6)
    return shipped_setup(seed, **changes)


def _driver(name: str, setup: Setup) -> Driver:
    return Bridge(setup.bridge) if name == BRIDGE else alternatives(setup.bridge)[name]


def _run(scene: Scene, inject: Callable[[Scene], None]) -> None:
    scene.run(START_S + 0.05)
    scene.enable()
    scene.run(START_S + _FAULT_S + 0.0137 * (scene.setup.seed % 7))
    inject(scene)
    scene.run(scene.now_s + _LENGTH_S)
    scene.wire.check.finish()


def _nothing(scene: Scene) -> None:
    pass


def _camera_off(scene: Scene) -> None:
    scene.streams[CAMERAS[0]].inject(Off(), scene.now_s)


def _camera_late(scene: Scene) -> None:
    scene.streams[CAMERAS[0]].inject(Delayed(0.5), scene.now_s)


def _states_off(scene: Scene) -> None:
    scene.streams["joint_states"].inject(Off(), scene.now_s)


def _states_out_of_range(scene: Scene) -> None:
    def spoil(reading: Reading) -> Reading:
        return replace(reading, q=np.where(np.arange(14) == 1, -0.5, reading.q))

    scene.streams["joint_states"].inject(Garbage(spoil), scene.now_s, scene.now_s + 0.01)


def _state_jumps(scene: Scene) -> None:
    def spoil(reading: Reading) -> Reading:
        return replace(reading, q=reading.q + 0.5 * (np.arange(14) == 0))

    scene.streams["joint_states"].inject(Garbage(spoil), scene.now_s, scene.now_s + 0.05)


def _policy_dead(scene: Scene) -> None:
    scene.policy.condition = "dead"


def _policy_hung(scene: Scene) -> None:
    scene.policy.condition = "hung"
    stale = scene.policy.answer(scene.policy.inferences[-1][1])
    scene.at(scene.now_s + 0.8, lambda: scene.send_chunk(stale))


def _policy_slow(scene: Scene) -> None:
    scene.policy.latency_s = 0.6


def _not_a_number(scene: Scene) -> None:
    def spoil(chunk: Chunk) -> Chunk:
        q = np.array(chunk.q)
        q[5, 3] = np.nan
        return Chunk(q, chunk.stamp_s, chunk.period_s)

    scene.streams["action_chunk"].inject(Garbage(spoil), scene.now_s, scene.now_s + 0.24)


def _jump(scene: Scene) -> None:
    scene.policy.change = lambda chunk: Chunk(chunk.q + 0.35, chunk.stamp_s, chunk.period_s)


def _fast(scene: Scene) -> None:
    rng = np.random.default_rng(18)
    scene.policy.change = lambda chunk: Chunk(
        chunk.q + 0.27 * rng.choice([-1.0, 1.0], chunk.q.shape), chunk.stamp_s, chunk.period_s
    )


def _twice(scene: Scene) -> None:
    scene.streams["action_chunk"].inject(Duplicated(2, 0.1), scene.now_s)


def _older(scene: Scene) -> None:
    def old(item: Stamped) -> list[Stamped]:
        chunk: Chunk = item.value
        other = Chunk(chunk.q + 0.1, chunk.stamp_s, chunk.period_s)
        return [Stamped(other, item.stamp_s - 0.2)]

    scene.streams["action_chunk"].inject(Extra(old, 0.05), scene.now_s)


def _clock_back(scene: Scene) -> None:
    scene.set_back(1.0)


def _cut_off(scene: Scene) -> None:
    scene.streams["action_chunk"].inject(Off(), scene.now_s)


def _starved(scene: Scene) -> None:
    for n in range(3):
        scene.at(scene.now_s + 0.4 * n, lambda: scene.starve(0.1))


_FAULTS: dict[int, Callable[[Scene], None]] = {
    0: _nothing,
    1: _camera_off,
    4: _camera_late,
    6: _states_off,
    9: _states_out_of_range,
    10: _state_jumps,
    11: _policy_dead,
    12: _policy_hung,
    14: _policy_slow,
    15: _not_a_number,
    17: _jump,
    18: _fast,
    19: _twice,
    20: _older,
    21: _clock_back,
    22: _cut_off,
    34: _starved,
    35: _nothing,
}
"""The rows whose faults reach any driver; the others are about the bridge's own process."""

COMPARED = tuple(_FAULTS)
"""Rows that `compare` knows."""
