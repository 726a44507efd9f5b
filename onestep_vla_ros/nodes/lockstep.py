# SPDX-License-Identifier: Apache-2.0
"""Lockstep: simulated time stands until what is due has come, or fails loudly."""

from __future__ import annotations

import time
from collections.abc import Callable

from onestep_vla_ros.core.errors import OneStepError
from onestep_vla_ros.nodes.sim_wire import SimWire

_AGAIN_S = 1.0
"""After this long without an answer the messages go out once more [s of wall time]."""


class LockstepError(OneStepError):
    """A message that lockstep waits for did not come."""


class Lockstep:
    """Blocks a world's thread.

    Args:
        wire: Where messages come in.
        timeout_s: How long to wait for them [s of wall time].
    """

    def __init__(self, wire: SimWire, timeout_s: float) -> None:
        self._wire, self._timeout_s = wire, timeout_s

    def wait(
        self,
        now_s: float,
        missing: Callable[[], str],
        again: Callable[[], None],
        is_wanted: Callable[[], bool],
    ) -> None:
        """Block until nothing is missing, a reset is wanted, or the loop is not.

        Args:
            now_s: Simulated time, for the error [s].
            missing: Says which topic is silent, "" when all has come; asked at each arrival.
            again: Publishes once more what is to be answered: a message can be lost.
            is_wanted: Of the loop.

        Raises:
            LockstepError: It did not come in time.
        """
        started = repeated = time.monotonic()
        with self._wire.arrived:
            while is_wanted() and not self._wire.is_reset_wanted() and (what := missing()):
                wall = time.monotonic()
                if wall - started > self._timeout_s:
                    raise LockstepError(
                        f"lockstep: nothing came on {what}",
                        got=f"silence for {wall - started:.1f} s at simulated time {now_s:.2f} s",
                        do="see whether that node runs and what its log says",
                    )
                if wall - repeated > _AGAIN_S:
                    repeated = wall
                    again()
                self._wire.arrived.wait(timeout=0.1)
