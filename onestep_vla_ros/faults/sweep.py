# SPDX-License-Identifier: Apache-2.0
"""Cases of a row, and the tally of what came of them: worst time, failures, violations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.command import Command
from onestep_vla_ros.core.limits import Limits
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.faults.row import FAULTS, RowResult
from onestep_vla_ros.faults.scene import Scene
from onestep_vla_ros.faults.setup import START_S, Driver, Setup, shipped_setup

_ROUNDING_S = 1e-9
_REPLAN_S = 0.24
_RUNNING_S = 0.95
"""After this long the arms follow the policy; faults begin then or later [s]."""

_BRIDGE: Callable[[Setup], Driver] = lambda setup: Bridge(setup.bridge)  # noqa: E731


@dataclass(frozen=True, slots=True)
class Case:
    """One run of a row: the fault begins at `fault_s`, one phase of the replan period.

    Attributes:
        number: 0, 1, 2, … over the whole sweep, to pick variants by.
        seed: Of noise and of the fault's own chance.
        fault_s: When the fault begins [s].
    """

    number: int
    seed: int
    fault_s: float


@dataclass(frozen=True, slots=True)
class Sweep:
    """Which cases every row runs: moments of the replan period, each with a seed of its own.

    Attributes:
        cases_a_row: How many; the fault begins at so many phases of the replan period.
        seed: Of the first case; the next take the next.
        long_s: Length of the one long run (row 7) [s].
        make: What makes the driver of a setup; the bridge unless a test breaks it.
    """

    cases_a_row: int = 10
    seed: int = 0
    long_s: float = 60.0
    make: Callable[[Setup], Driver] = field(default=_BRIDGE)

    def cases(self) -> Iterator[Case]:
        """Yield the cases; their phases in a control period differ, too, and with the seed."""
        for n in range(self.cases_a_row):
            between = (0.37 * n + 0.618 * self.seed) % 1.0
            phase_s = (n + between) / self.cases_a_row * _REPLAN_S
            yield Case(n, self.seed + n, round(START_S + _RUNNING_S + phase_s, 6))

    def start(self, case: Case, **changes: object) -> Scene:
        """Return a scene whose arms have been enabled and run up to the fault."""
        scene = self.prepare(case, **changes)
        scene.run(case.fault_s)
        return scene

    def prepare(self, case: Case, **changes: object) -> Scene:
        """Return a scene whose arms are just enabled."""
        # off the grid of whole ms, on which messages come: who is first must not be chance
        phase_s = 0.0003 + 0.001 * (3 * case.number % 10) + 0.0001 * (case.seed % 7)
        setup = shipped_setup(case.seed, **{"tick_phase_s": phase_s, **changes})
        scene = Scene(setup, self.make(setup))
        scene.run(START_S + 0.05)
        scene.enable()
        return scene


@dataclass(slots=True)
class Tally:
    """What the cases of one row came to.

    Args:
        row: Its number.
        bound_s: Longest time allowed [s]; None when no time is bounded.
        make: As in `Sweep`, for the replay of I14.
    """

    row: int
    bound_s: float | None
    make: Callable[[Setup], Driver] = field(default=_BRIDGE)
    worst_s: float | None = None
    cases: int = 0
    failures: list[str] = field(default_factory=list)
    violations: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def time(self, seconds: float) -> None:
        """Note a measured time [s]; the largest counts, one that never ended is infinite."""
        self.worst_s = seconds if self.worst_s is None else max(self.worst_s, seconds)

    def expect(self, is_so: bool, otherwise: str) -> None:
        """Note a failure unless `is_so`."""
        if not is_so:
            self.failures.append(otherwise)

    def close(self, scene: Scene) -> None:
        """End a case: count what the checker found and replay the driver (I14)."""
        self.cases += 1
        check = scene.wire.check
        check.finish()
        if not replays(scene, lambda: self.make(scene.setup)):
            check.violations["I14"] += 1
            check.examples["I14"] = "the same calls gave other commands"
        self.violations += check.violations
        self.examples = {**check.examples, **self.examples}

    def result(self, detail: str) -> RowResult:
        """Return the row's result; `detail` says what was done, failures are added."""
        is_in_time = self.bound_s is None or (
            self.worst_s is not None and self.worst_s <= self.bound_s + _ROUNDING_S
        )
        failures = list(dict.fromkeys(self.failures))
        failures += [f"{k} x{n}: {self.examples[k]}" for k, n in sorted(self.violations.items())]
        if not is_in_time:
            failures.insert(0, "too late")
        if failures:
            shown = "; ".join(failures[:4])
            detail = f"FAILED {len(self.failures)} of its expectations: {shown}. {detail}"
        return RowResult(
            row=self.row,
            fault=FAULTS[self.row],
            bound_s=self.bound_s,
            worst_s=self.worst_s,
            holds=is_in_time and not failures,
            kind="pure",
            detail=detail,
            violations=self.violations.total(),
            cases=max(self.cases, 1),
        )


def replays(scene: Scene, make: Callable[[], Driver]) -> bool:
    """Do new drivers, called as the scene's were, give the same commands to the bit?"""
    for log, commands in (*scene.past, (scene.log, scene.commands)):
        driver, given = make(), iter([command for _, command in commands])
        for name, arguments in log:
            found = getattr(driver, name)(*arguments)
            if name == "tick" and not is_same(found, next(given)):
                return False
    return True


def ignores_feedback(scene: Scene, driver: Driver, rng: np.random.Generator) -> bool:
    """I13: does `driver` command the same when what is measured after enable is 2 mrad off?

    Only for a scene in which nothing is measured that has to stop the arms.
    """
    given, is_enabled = iter([command for _, command in scene.commands]), False
    for name, arguments in scene.log:
        if name == "on_joint_state" and is_enabled:
            q, *others = arguments
            arguments = (q + rng.normal(0.0, 0.002, q.shape), *others)
        is_enabled |= name == "enable"
        found = getattr(driver, name)(*arguments)
        if name == "tick" and not is_same(found, next(given)):
            return False
    return True


def is_same(a: Command, b: Command) -> bool:
    """Are two commands equal to the bit, words included?"""
    if (a.mode, a.reason, a.stamp_s) != (b.mode, b.reason, b.stamp_s):
        return False
    parts = ((a.q, b.q), (a.qd, b.qd), (a.qdd, b.qdd))
    return all(x is y or (x is not None and y is not None and (x == y).all()) for x, y in parts)


def same_motion(a: Scene, b: Scene) -> bool:
    """Did two scenes command the same motion at the same times, to the bit?"""
    if len(a.commands) != len(b.commands):
        return False
    return all(
        s == t and x.mode == y.mode and (x.q is y.q or np.array_equal(x.q, y.q))
        for (s, x), (t, y) in zip(a.commands, b.commands, strict=True)
    )


def first_tick(scene: Scene, after_s: float, *modes: Mode) -> float:
    """Return the time of the first tick from `after_s` on in one of `modes`; inf for none."""
    found = (now_s for now_s, c in scene.recent if now_s >= after_s and c.mode in modes)
    return next(found, math.inf)


def brake_s(scene: Scene, after_s: float) -> float:
    """Return when the first braking message left, inf for never [s].

    Its tick is meant: until its stamp, one period on, the arms already leave the plan for it.
    """
    return first_tick(scene, after_s, *(m for m in Mode if m not in (Mode.RUN, Mode.START)))


def rest_s(scene: Scene, after_s: float) -> float:
    """Return the stamp of the first command at rest after the braking began, inf for never."""
    begun = brake_s(scene, after_s)
    for now_s, c in scene.recent:
        if now_s >= begun and (c.qd is None or not (c.qd.any() or np.asarray(c.qdd).any())):
            return c.stamp_s
    return math.inf


def modes_after(scene: Scene, after_s: float) -> set[Mode]:
    """Return every mode that ticks from `after_s` on had."""
    return {c.mode for now_s, c in scene.recent if now_s >= after_s}


def stop_time_s(setup: Setup) -> float:
    """Return T_stop, the longest time any joint needs to rest [s]."""
    return Limits.from_config(setup.bridge).stop_time_s
