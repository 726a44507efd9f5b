# SPDX-License-Identifier: Apache-2.0
"""Plays recorded actions in LIBERO in one way, timed; a process of its own, as GL wants it.

`python -m onestep_vla_ros.bench.libero_replay ROW RECORDING` prints one JSON object.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.sim.libero_expert import LiberoExpert
from onestep_vla_ros.sim.libero_package import LIBERO, module
from onestep_vla_ros.sim.libero_suites import LiberoTask, open_task
from onestep_vla_ros.sim.libero_world import FAST, FULL, SETTLE_STEPS, STILL, LiberoWorld

BASELINE = "baseline"
PIXELS = 128
"""Edge of each camera's pictures; both ways draw two."""
CHUNK = 8
"""Control steps that a policy acts on one look."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to play.

    Attributes:
        name: Of its row.
        rendering: Of `libero_world.RENDERINGS`; None for the package's own runner.
        every: Control steps from one look to the next; the package's runner looks at each.
    """

    name: str
    rendering: str | None
    every: int


WAYS = (
    Way(BASELINE, None, 1),
    Way("ours, every step, full", FULL, 1),
    Way(f"ours, every {CHUNK} steps, full", FULL, CHUNK),
    Way(f"ours, every {CHUNK} steps, fast", FAST, CHUNK),
)
"""The baseline is the package's OffScreenRenderEnv, stepped as its evaluations step it."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The actions of one episode.

    Attributes:
        suite: Of `libero_suites.SUITES`.
        task: Its place in the suite.
        state: Number of the initial state, also what the package's randomness is seeded with.
        actions: (T, 7), one a control step.
    """

    suite: str
    task: int
    state: int
    actions: Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Played:
    """What one way took, and where it ended.

    Attributes:
        wall_s: Of all episodes, from each reset to its last action [s].
        cpu_s: Processor time of the same [s].
        start_s: Of each reset with its steps of settling [s].
        step_s: Of each control step, its pictures included [s].
        successes: Of each episode, whether it ended in success.
        states: Of each episode, the physics at its end, (S,).
    """

    wall_s: float
    cpu_s: float
    start_s: Sequence[float]
    step_s: Sequence[float]
    successes: Sequence[bool]
    states: Sequence[Sequence[float]]


class _Player(Protocol):
    def start(self, state: int) -> None: ...
    def look(self) -> None: ...
    def act(self, action: NDArray[np.float64]) -> None: ...
    def end(self) -> tuple[bool, NDArray[np.float64]]: ...
    def close(self) -> None: ...


class _Ours:
    def __init__(self, task: LiberoTask, rendering: str) -> None:
        self._world = LiberoWorld(task, PIXELS, rendering)
        self.start, self.act = self._world.reset, self._world.step
        self.close = self._world.close

    def look(self) -> None:
        self._world.observe()

    def end(self) -> tuple[bool, NDArray[np.float64]]:
        return self._world.success(), self._world.physics_state()


class _Package:
    """As the published evaluations use it: reset, initial state, no-ops, then one by one."""

    def __init__(self, task: LiberoTask) -> None:
        os.environ.setdefault("MUJOCO_GL", "egl")
        self._task = task
        environments = module(f"{LIBERO}.envs")
        with contextlib.redirect_stdout(io.StringIO()):
            self._env: Any = environments.OffScreenRenderEnv(
                bddl_file_name=str(task.bddl), camera_heights=PIXELS, camera_widths=PIXELS
            )
        self.close = self._env.close

    def start(self, state: int) -> None:
        self._env.seed(state)
        self._env.reset()
        self._env.set_init_state(self._task.state(state))
        for _ in range(SETTLE_STEPS):
            self._env.step(STILL)

    def look(self) -> None:
        """Every step has drawn."""

    def act(self, action: NDArray[np.float64]) -> None:
        self._env.step(action)

    def end(self) -> tuple[bool, NDArray[np.float64]]:
        return bool(self._env.check_success()), np.asarray(self._env.get_sim_state())


def record(suite: str, tasks: Sequence[int], states: Sequence[int]) -> list[Recording]:
    """Return what the scripted expert does, until success or the step limit; draws nothing.

    Raises:
        ConfigError: LIBERO is not installed, something is out of range, or no expert does a task.
    """
    found = []
    for index in tasks:
        world = LiberoWorld(open_task(suite, index))
        try:
            for state in states:
                world.reset(state)
                expert, actions = LiberoExpert(world), []
                while len(actions) < world.libero_task.step_limit and not world.success():
                    actions.append(expert.act())
                    world.step(actions[-1])
                found.append(Recording(suite, index, state, np.array(actions).tolist()))
        finally:
            world.close()
    return found


def write(recordings: Sequence[Recording], path: Path) -> None:
    """Write them for another process."""
    path.write_text(json.dumps([asdict(one) for one in recordings]), encoding="utf-8")


def replay(way: Way, recordings: Sequence[Recording]) -> Played:
    """Play them all in one way; opening the tasks is not counted."""
    starts: list[float] = []
    steps: list[float] = []
    ends: list[tuple[bool, NDArray[np.float64]]] = []
    wall_s = cpu_s = 0.0
    for task in dict.fromkeys((one.suite, one.task) for one in recordings):
        own = open_task(*task)
        player: _Player = _Package(own) if way.rendering is None else _Ours(own, way.rendering)
        for one in (r for r in recordings if (r.suite, r.task) == task):
            began, cpu_began = time.perf_counter(), time.process_time()
            player.start(one.state)
            starts.append(time.perf_counter() - began)
            for k, action in enumerate(np.array(one.actions)):
                stepped = time.perf_counter()
                if k % way.every == 0:
                    player.look()
                player.act(action)
                steps.append(time.perf_counter() - stepped)
            wall_s += time.perf_counter() - began
            cpu_s += time.process_time() - cpu_began
            ends.append(player.end())
        player.close()
    successes, states = [done for done, _ in ends], [state.tolist() for _, state in ends]
    return Played(wall_s, cpu_s, starts, steps, successes, states)


def main(words: Sequence[str]) -> None:
    """Play the recording of a file in the way of that name; print what was measured."""
    name, path = words
    way = {way.name: way for way in WAYS}[name]
    read: list[Mapping[str, Any]] = json.loads(Path(path).read_text(encoding="utf-8"))
    print(json.dumps(asdict(replay(way, [Recording(**one) for one in read]))))


if __name__ == "__main__":
    main(sys.argv[1:])
