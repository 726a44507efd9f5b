# SPDX-License-Identifier: Apache-2.0
"""The file of finished episodes: a line each, whole or absent, whatever kills the writer."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from onestep_vla_ros.core.errors import ConfigError, DatasetError, OneStepError
from onestep_vla_ros.sim.rollout import Episode

NAME = "episodes.jsonl"
LATER = {"evaluations", "more_steps", "seams_rad", "seam_accelerations"}
"""What an episode says that those of older logs do not."""


class AnyCell(Protocol):
    """What every world's cells have in common; they hash by their values."""

    @property
    def policy(self) -> str:
        """Checkpoint folder, or `EXPERT`."""
        ...

    def to_json(self) -> dict[str, object]:
        """Return its attributes as JSON."""
        ...


AnyCellT = TypeVar("AnyCellT", bound=AnyCell)
Read = Callable[[Mapping[str, object]], AnyCellT]
"""Returns the cell that `to_json` wrote."""


@dataclass(frozen=True, slots=True)
class Record(Generic[AnyCellT]):
    """One finished episode.

    Attributes:
        cell: Where it belongs, with steps and noise resolved.
        weights: Fingerprint of what ran it: a folder may be trained anew under its old name.
        episode: What happened.
        wall_s: What it took its process [s].
    """

    cell: AnyCellT
    weights: str
    episode: Episode
    wall_s: float = 0.0

    def to_line(self) -> bytes:
        """Return its line, with the line's end."""
        episode = asdict(self.episode)
        episode["inference_s"] = [round(s, 6) for s in self.episode.inference_s]
        data = {
            "cell": self.cell.to_json(),
            "weights": self.weights,
            "episode": episode,
            "wall_s": round(self.wall_s, 3),
        }
        return json.dumps(data, separators=(",", ":"), allow_nan=False).encode() + b"\n"

    @staticmethod
    def from_line(line: bytes, read: Read[AnyCellT]) -> Record[AnyCellT]:
        """Return the record of a line, its cell by `read`.

        Raises:
            ValueError, KeyError, TypeError, OneStepError: It is none.
        """
        data = json.loads(line)
        episode = data["episode"]
        known = {f.name for f in fields(Episode)}
        if not known - LATER <= set(episode) <= known:
            raise ValueError(f"episode has other keys: {sorted(episode)}")
        return Record(
            cell=read(data["cell"]),
            weights=str(data["weights"]),
            episode=Episode(**episode),
            wall_s=float(data["wall_s"]),
        )


class EpisodeLog(Generic[AnyCellT]):
    """Appends to the file and reads it back; one writer at a time.

    Only whole lines count: what a kill left of the last one is cut off when the file is opened
    for the next run.

    Args:
        folder: Where the file lies; it is made.
        read: Of the world whose episodes these are.

    Raises:
        ConfigError: Another process is writing there.
    """

    def __init__(self, folder: Path, read: Read[AnyCellT]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path, self._read = folder / NAME, read
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise ConfigError(
                f"another evaluation is writing {self._path}", do="wait, or name another --out"
            ) from None
        whole = self._path.read_bytes().rpartition(b"\n")
        os.truncate(self._file, len(whole[0]) + len(whole[1]))

    def append(self, record: Record[AnyCellT]) -> None:
        """Write one line, and have it on the disk on return."""
        os.write(self._file, record.to_line())
        os.fsync(self._file)

    def records(self) -> dict[tuple[AnyCellT, int], Record[AnyCellT]]:
        """Return the episodes there are by cell and seed."""
        return read_records(self._path, self._read)

    def close(self) -> None:
        """Let another writer in."""
        os.close(self._file)

    def __enter__(self) -> EpisodeLog[AnyCellT]:
        """Return this log."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let another writer in."""
        self.close()


def read_records(path: Path, read: Read[AnyCellT]) -> dict[tuple[AnyCellT, int], Record[AnyCellT]]:
    """Return the episodes in a file by cell and seed; a cut last line does not count.

    Raises:
        DatasetError: A line in it is damaged.
    """
    found: dict[tuple[AnyCellT, int], Record[AnyCellT]] = {}
    content = path.read_bytes() if path.is_file() else b""
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            record = Record.from_line(line, read)
        except (ValueError, KeyError, TypeError, OneStepError) as error:
            raise DatasetError(
                f"{path}, line {number} is damaged",
                got=str(error).replace("\n", " "),
                do="delete that line, or name another --out",
            ) from None
        found.setdefault((record.cell, record.episode.seed), record)
    return found


def check_weights(
    records: Mapping[tuple[AnyCellT, int], Record[AnyCellT]],
    weights: Mapping[str, str],
    where: Path,
) -> None:
    """Refuse to mix episodes of a checkpoint with those of an older one in the same folder.

    Args:
        records: What there is.
        weights: Policy to its fingerprint now.
        where: The folder, for the message.

    Raises:
        ConfigError: They differ.
    """
    changed = {
        record.cell.policy
        for record in records.values()
        if weights.get(record.cell.policy, record.weights) != record.weights
    }
    if changed:
        raise ConfigError(
            f"{where} holds episodes of other weights",
            got=", ".join(sorted(changed)),
            do="name another --out for the newly trained checkpoint",
        )
