# SPDX-License-Identifier: Apache-2.0
"""The file of finished episodes: a line each, whole or absent, whatever kills the writer."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType

from onestep_vla_ros.core.errors import ConfigError, DatasetError, OneStepError
from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.train.cells import Cell

NAME = "episodes.jsonl"
LATER = {"evaluations", "more_steps", "seams_rad", "seam_accelerations"}
"""What an episode says that those of older logs do not."""


@dataclass(frozen=True, slots=True)
class Record:
    """One finished episode.

    Attributes:
        cell: Where it belongs, with steps and noise resolved.
        weights: Fingerprint of what ran it: a folder may be trained anew under its old name.
        episode: What happened.
        wall_s: What it took its process [s].
    """

    cell: Cell
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
    def from_line(line: bytes) -> Record:
        """Return the record of a line; raise `ValueError`, `KeyError`, ... on another."""
        data = json.loads(line)
        episode = data["episode"]
        known = {f.name for f in fields(Episode)}
        if not known - LATER <= set(episode) <= known:
            raise ValueError(f"episode has other keys: {sorted(episode)}")
        return Record(
            cell=Cell.from_json(data["cell"]),
            weights=str(data["weights"]),
            episode=Episode(**episode),
            wall_s=float(data["wall_s"]),
        )


class EpisodeLog:
    """Appends to the file and reads it back; one writer at a time.

    Only whole lines count: what a kill left of the last one is cut off when the file is opened
    for the next run.

    Args:
        folder: Where the file lies; it is made.

    Raises:
        ConfigError: Another process is writing there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / NAME
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

    def append(self, record: Record) -> None:
        """Write one line, and have it on the disk on return."""
        os.write(self._file, record.to_line())
        os.fsync(self._file)

    def records(self) -> dict[tuple[Cell, int], Record]:
        """Return the episodes there are by cell and seed."""
        return read_records(self._path)

    def close(self) -> None:
        """Let another writer in."""
        os.close(self._file)

    def __enter__(self) -> EpisodeLog:
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


def read_records(path: Path) -> dict[tuple[Cell, int], Record]:
    """Return the episodes in a file by cell and seed; a cut last line does not count.

    Raises:
        DatasetError: A line in it is damaged.
    """
    found: dict[tuple[Cell, int], Record] = {}
    content = path.read_bytes() if path.is_file() else b""
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            record = Record.from_line(line)
        except (ValueError, KeyError, TypeError, OneStepError) as error:
            raise DatasetError(
                f"{path}, line {number} is damaged",
                got=str(error).replace("\n", " "),
                do="delete that line, or name another --out",
            ) from None
        found.setdefault((record.cell, record.episode.seed), record)
    return found


def check_weights(
    records: Mapping[tuple[Cell, int], Record], weights: Mapping[str, str], where: Path
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
