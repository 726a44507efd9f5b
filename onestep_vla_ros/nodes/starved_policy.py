# SPDX-License-Identifier: Apache-2.0
"""starved_policy: the real policy_node whose allocator gives out, for the fault rig; no product.

SIGUSR1 makes the next inference ask torch for more memory than there is, SIGUSR2 every one from
then on: the error is torch's own, raised where an inference raises it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import ParamSpec

import torch

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.nodes import policy_node
from onestep_vla_ros.policy.policy import OneStepPolicy

_TOO_MUCH = 2**60
_FOR_EVER = 1_000_000
_Given = ParamSpec("_Given")


class Famine:
    """How many inferences are still to run out of memory."""

    def __init__(self) -> None:
        self.left = 0

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """SIGUSR1: one; SIGUSR2: all."""
        self.left = 1 if number == signal.SIGUSR1 else _FOR_EVER

    def around(self, infer: Callable[_Given, Chunk]) -> Callable[_Given, Chunk]:
        """Return `infer` as it is while memory lasts."""

        def starved(*values: _Given.args, **named: _Given.kwargs) -> Chunk:
            if self.left > 0:
                self.left -= 1
                torch.empty(_TOO_MUCH, dtype=torch.uint8)
            return infer(*values, **named)

        return starved


def main(arguments: list[str] | None = None) -> int:
    """Run the policy until shutdown, or until it gives up for want of memory."""
    famine = Famine()
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, famine.on_signal)
    starved = famine.around(OneStepPolicy.infer)
    OneStepPolicy.infer = starved  # type: ignore[method-assign]
    return policy_node.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
