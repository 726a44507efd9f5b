# SPDX-License-Identifier: Apache-2.0
"""The fault matrix with real processes: runs rows, each case many times, on graphs kept up."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.faults.process_bridge import ROWS as BRIDGE_ROWS
from onestep_vla_ros.faults.process_chunks import ROWS as CHUNK_ROWS
from onestep_vla_ros.faults.process_clock import ROWS as CLOCK_ROWS
from onestep_vla_ros.faults.process_joints import ROWS as JOINT_ROWS
from onestep_vla_ros.faults.process_policy import ROWS as POLICY_ROWS
from onestep_vla_ros.faults.process_rig import STALL_S, Findings, Rig, RowError, Stalled
from onestep_vla_ros.faults.process_row import Case, ProcessRow
from onestep_vla_ros.faults.process_start import ROWS as START_ROWS
from onestep_vla_ros.faults.row import FAULTS, RowResult
from onestep_vla_ros.files import share_dir
from onestep_vla_ros.processes import Terminated

PROCESS_ROWS: tuple[ProcessRow, ...] = tuple(
    sorted(
        (*JOINT_ROWS, *CHUNK_ROWS, *POLICY_ROWS, *BRIDGE_ROWS, *CLOCK_ROWS, *START_ROWS),
        key=lambda row: row.row,
    )
)
"""Every row that has a twin of real processes, by number."""

_PARTIAL = Path("out") / "faults_process.part.json"
_STALLS = 3
"""So many repetitions, and half of those wanted, may the machine spoil; then it is too busy."""
_SPOILT_S = 0.5  # a repetition is spoilt when a process waits `STALL_S` within this long
_GIVE_UP = 3
"""A case ends after so many repetitions that went wrong."""

OnRow = Callable[[RowResult], None]


@dataclass(slots=True)
class _Outcome:
    """What the repetitions of one case came to."""

    case: Case
    wanted: int
    times_s: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    done: int = 0
    stalls: int = 0
    stall: str = ""
    found: Findings = field(default_factory=Findings)

    @property
    def bound_s(self) -> float | None:
        return _limit_s(self.case)

    @property
    def worst_s(self) -> float | None:
        return max(self.times_s, default=None)

    @property
    def is_met(self) -> bool:
        is_late = self.bound_s is not None and (self.worst_s or 0.0) > self.bound_s
        return not self.errors and not is_late and not self.is_unjudged

    @property
    def is_unjudged(self) -> bool:
        """Did the machine spoil so many repetitions that the rest was left out?"""
        return self.stalls > _STALLS + self.wanted // 2

    def words(self) -> str:
        text = f"{self.case.name}: {self.done} times"
        if self.worst_s is not None and self.case.bound_s is not None:
            text += (
                f", worst {self.worst_s:.3f} s of {self.case.bound_s:.3f} + "
                f"{self.case.allowance_s:.3f} s"
            )
        if self.stalls:
            text += f"; {self.stalls} more were repeated, the last for: {self.stall}"
        if self.is_unjudged:
            text += "; the machine is too busy to judge the rest"
        if self.errors:
            text += f"; {len(self.errors)} went wrong, the first: {self.errors[0]}"
        return text


def run_process_rows(
    rows: Sequence[int] | None,
    repetitions: int,
    seed: int,
    on_row: OnRow,
    partial: Path = _PARTIAL,
) -> list[RowResult]:
    """Run rows of the matrix with real processes; return one result a row, by number.

    Rows whose graph is the same share it. What is done is kept in `partial` until all rows
    are: an interrupted run goes on after its last whole row if nothing of the package changed.

    Args:
        rows: Row numbers; None for all that have a process twin.
        repetitions: Of each case.
        seed: Seed of the moments of injection.
        on_row: Called with each row when it is done.
        partial: Where finished rows are kept meanwhile.

    Raises:
        ConfigError: A row has no process twin, or there is nothing to repeat.
    """
    wanted = _wanted(rows)
    if repetitions < 1:
        raise ConfigError("nothing to repeat", got=repetitions, allowed="1 or more")
    kept = _Kept(partial, f"{_digest()} {repetitions} {seed}")
    for row in wanted:
        if row.row in kept.results:
            on_row(kept.results[row.row])
    todo = [row for row in wanted if row.row not in kept.results]
    todo.sort(key=lambda row: (row.cases[0].setting, row.row))
    with _Graph(seed) as graph:
        for row in todo:
            result = run_row(row, graph, repetitions)
            kept.add(result)
            on_row(result)
    found = [kept.results[row.row] for row in wanted]
    kept.path.unlink(missing_ok=True)
    return found


def run_row(row: ProcessRow, graph: _Graph, repetitions: int) -> RowResult:
    """Run every case of a row; return what came of it."""
    outcomes = [_run_case(case, graph, repetitions) for case in row.cases]
    bounded = [o for o in outcomes if o.bound_s is not None and o.worst_s is not None]
    tightest = min(bounded, key=lambda o: o.bound_s - o.worst_s, default=None)  # type: ignore[operator]
    return RowResult(
        row=row.row,
        fault=FAULTS[row.row],
        bound_s=tightest.bound_s if tightest else None,
        worst_s=tightest.worst_s if tightest else None,
        holds=all(o.is_met for o in outcomes),
        kind="process",
        detail="; ".join(o.words() for o in outcomes),
        violations=sum(sum(o.found.violations.values()) for o in outcomes),
        cases=sum(o.done for o in outcomes),
        is_unjudged=all(o.is_met or (o.is_unjudged and not o.errors) for o in outcomes)
        and any(o.is_unjudged for o in outcomes),
    )


def _run_case(case: Case, graph: _Graph, repetitions: int) -> _Outcome:
    outcome = _Outcome(case, repetitions)
    i = 0
    while i < repetitions and len(outcome.errors) < _GIVE_UP and not outcome.is_unjudged:
        try:
            time_s = _run_once(case, graph, i)
        except Terminated:
            raise
        except Stalled as error:
            outcome.stalls, outcome.stall = outcome.stalls + 1, str(error)
            continue
        except Exception as error:  # noqa: BLE001 - whatever it raises, the row does not hold
            outcome.errors.append(f"repetition {i + 1}: {type(error).__name__}: {error}")
            graph.drop()
        else:
            outcome.done += 1
            if time_s is not None:
                outcome.times_s.append(time_s)
        i += 1
        found = graph.last_found
        outcome.found.violations.update(found.violations)
        outcome.found.messages += found.messages
    return outcome


def _run_once(case: Case, graph: _Graph, i: int) -> float | None:
    """Run one repetition; return its time [s].

    Raises:
        Stalled: It went wrong or took too long, and the machine kept a process from running
            for as long as makes joint states too old. No invariant may break even then.
    """
    rig = graph.rig(case.setting)
    rig.found = Findings()
    begun_s = time.monotonic()
    time_s = error = None
    try:
        time_s = case.run(rig, i)
        rig.take_report()
        _judge(case, rig.found)
    except (Terminated, Stalled):
        raise
    except Exception as caught:  # noqa: BLE001 - what is not there to be read may be late too
        error = caught
    limit_s = _limit_s(case)
    is_late = time_s is not None and limit_s is not None and time_s > limit_s
    if (error or is_late) and not rig.found.violations:
        withheld_s = rig.machine.worst_s(begun_s, _SPOILT_S)
        if withheld_s >= STALL_S:
            if error:
                graph.drop()
            why = error or f"{time_s:.3f} s taken, {limit_s:.3f} s allowed"
            got = f"{withheld_s:.3f} s withheld within {_SPOILT_S} s"
            raise Stalled(f"a process was kept from running; {why}", got=got)
    if error:
        raise error
    return time_s


def _limit_s(case: Case) -> float | None:
    return None if case.bound_s is None else case.bound_s + case.allowance_s


def _judge(case: Case, found: Findings) -> None:
    if found.violations:
        raise RowError("the wire checker found violations", got=str(found.examples))
    if found.lost:
        raise RowError("the wire checker missed messages", got=found.lost, allowed=0)
    if found.publishers > case.publishers:
        got = f"{found.publishers} publishers on a controller's topic"
        raise RowError("more than one publisher", got=got, allowed=case.publishers)


class _Graph:
    """The rig: started when first needed, for another setting, and after something went wrong."""

    def __init__(self, seed: int) -> None:
        self._setting, self._seed = "", seed
        self._stack = contextlib.ExitStack()
        self._rig: Rig | None = None
        self._starts = 0
        self.last_found = Findings()

    def __enter__(self) -> _Graph:
        return self

    def __exit__(self, *error: object) -> None:
        self.drop()

    def rig(self, setting: str) -> Rig:
        """Return the running rig of a setting."""
        if setting != self._setting:
            self.drop()
        self._setting = setting
        if self._rig is None:
            self._starts += 1
            self._rig = self._stack.enter_context(Rig(setting, self._seed + self._starts))
        self.last_found = self._rig.found
        return self._rig

    def drop(self) -> None:
        """End the rig."""
        if self._rig is not None:
            self.last_found = self._rig.found
        self._stack.close()
        self._rig = None


class _Kept:
    """Finished rows in a file, so that an interrupted run can go on."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self._key = path, key
        self.results: dict[int, RowResult] = {}
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["key"] == key:
                self.results = {one["row"]: RowResult(**one) for one in data["rows"]}

    def add(self, result: RowResult) -> None:
        self.results[result.row] = result
        self.path.parent.mkdir(parents=True, exist_ok=True)
        rows = [one.to_json() for one in self.results.values()]
        text = json.dumps({"key": self._key, "rows": rows}, indent=1)
        self.path.write_text(text + "\n", encoding="utf-8")


def _wanted(rows: Sequence[int] | None) -> list[ProcessRow]:
    known = {row.row: row for row in PROCESS_ROWS}
    if rows is None:
        return list(PROCESS_ROWS)
    missing = [row for row in rows if row not in known]
    if missing:
        raise ConfigError("rows without a process twin", got=missing, allowed=sorted(known))
    return [known[row] for row in sorted(set(rows))]


def _digest() -> str:
    """Return a hash of the package's code and configuration."""
    digest = hashlib.sha256()
    for path in sorted(_sources()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    yield from Path(__file__).resolve().parents[1].rglob("*.py")
    yield from (share_dir() / "config").iterdir()
