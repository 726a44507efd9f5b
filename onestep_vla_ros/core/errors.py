# SPDX-License-Identifier: Apache-2.0
"""Errors a user meets: what is wrong, what came, what is allowed, what to do."""

from __future__ import annotations


class OneStepError(Exception):
    """Root of every error this package raises on purpose.

    Args:
        what: What is wrong, naming the thing (file, key, topic, joint).
        got: What came.
        allowed: What would have been accepted.
        do: What the reader can do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        got: object = None,
        allowed: object = None,
        do: str | None = None,
    ) -> None:
        parts = [what]
        if got is not None:
            parts.append(f"got: {got}")
        if allowed is not None:
            parts.append(f"allowed: {allowed}")
        if do is not None:
            parts.append(f"do: {do}")
        super().__init__("; ".join(parts))
        self.what, self.got, self.allowed, self.do = what, got, allowed, do


class ConfigError(OneStepError):
    """A parameter, a file of parameters or a command line that cannot be used."""


class CheckpointError(OneStepError):
    """A checkpoint folder that is missing, damaged or does not fit the robot."""


class JointError(OneStepError):
    """Joint names or values that do not map onto the robot's joint set."""


class ChunkError(OneStepError):
    """An action chunk that cannot be built."""


class ObservationError(OneStepError):
    """An image, a joint state or an instruction that cannot be used."""


class DatasetError(OneStepError):
    """A demonstration file that is missing, damaged or of another robot."""


def raise_all(kind: type[OneStepError], where: str, faults: list[str], do: str) -> None:
    """Raise one `kind` that lists every fault at once; return when there is none.

    Args:
        kind: The error class to raise.
        where: What was being read, for example a file name.
        faults: One line a fault, each naming what, got and allowed.
        do: What the reader can do about it.
    """
    if faults:
        count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        raise kind(f"{where}: {count}:\n  - " + "\n  - ".join(faults), do=do)
