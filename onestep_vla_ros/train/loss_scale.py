# SPDX-License-Identifier: Apache-2.0
"""The factor that lifts fp16 gradients out of underflow, the same in every process."""

from __future__ import annotations

START = 2.0**14
GROW_AFTER = 1000
"""Steps without overflow after which the factor doubles."""
MOST = 2.0**24


class LossScale:
    """A power of two: halved on overflow, doubled after a while without one.

    Args:
        is_on: False keeps the factor at 1, for bf16 and fp32.
    """

    def __init__(self, is_on: bool) -> None:
        self._is_on = is_on
        self.factor = START if is_on else 1.0
        self._calm = 0

    def follow(self, is_finite: bool) -> None:
        """Learn whether the gradients of a step were finite."""
        if not self._is_on:
            return
        self._calm = self._calm + 1 if is_finite else 0
        if not is_finite:
            self.factor = max(1.0, 0.5 * self.factor)
        elif self._calm >= GROW_AFTER:
            self.factor, self._calm = min(MOST, 2.0 * self.factor), 0

    @property
    def state(self) -> list[float]:
        """Everything a resumed run needs."""
        return [self.factor, float(self._calm)]

    @state.setter
    def state(self, state: list[float]) -> None:
        self.factor, self._calm = float(state[0]), int(state[1])
