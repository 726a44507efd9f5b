# SPDX-License-Identifier: Apache-2.0
"""One cell of one training."""

from __future__ import annotations

from dataclasses import dataclass

from onestep_vla_ros.study.studies import Variant
from onestep_vla_ros.train.cells import Cell


@dataclass(frozen=True, slots=True)
class Entry:
    """One cell of one training.

    Attributes:
        variant: What was trained; None for a given checkpoint.
        seed: Seed of the training.
    """

    variant: Variant | None
    seed: int
    cell: Cell
