# SPDX-License-Identifier: Apache-2.0
"""What stands in the way: obstacles to enabling, and a policy that says it cannot see."""

from __future__ import annotations

import math

_TROUBLE_LASTS_S = 3.0
"""Trouble that is not told again ends: whoever told it has gone [s]."""


class Impediments:
    """Reasons, in words and by name, why the arms may not move."""

    def __init__(self) -> None:
        self._obstacles: dict[str, str] = {}
        self._trouble = ""
        self._told_s = -math.inf

    def set_obstacle(self, name: str, why: str) -> None:
        """Note what is about `name`; "" removes it."""
        self._obstacles[name] = why
        if not why:
            del self._obstacles[name]

    def obstacle(self, name: str) -> str:
        """Return what is about `name`, "" for nothing."""
        return self._obstacles.get(name, "")

    @property
    def obstacles(self) -> str:
        """All obstacles in words, "" for none."""
        return "; ".join(f"{name}: {why}" for name, why in self._obstacles.items())

    def set_trouble(self, words: str, now_s: float) -> None:
        """Note why the policy sees nothing fit to act on, "" when it does."""
        self._trouble, self._told_s = words, now_s

    def trouble(self, now_s: float) -> str:
        """Return that trouble in words, "" for none, or when nobody repeats it any more."""
        is_told = now_s - self._told_s <= _TROUBLE_LASTS_S
        return f"the policy cannot act: {self._trouble}" if self._trouble and is_told else ""
