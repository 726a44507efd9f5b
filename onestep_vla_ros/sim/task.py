# SPDX-License-Identifier: Apache-2.0
"""What a task is: objects, scenes, a judge and a demonstrator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import mujoco
import numpy as np

from onestep_vla_ros.sim.contacts import Touches
from onestep_vla_ros.sim.expert import Expert
from onestep_vla_ros.sim.objects import COLOURS
from onestep_vla_ros.sim.perturbation import Variation
from onestep_vla_ros.sim.scene import Scene
from onestep_vla_ros.sim.stage import Stage


class Judge(Protocol):
    """Decides from poses and contacts alone, never from what the robot intends."""

    def reset(self, scene: Any) -> None:  # noqa: ANN401 - the scene of the judge's own task
        """Forget everything: the episode of `scene` starts."""
        ...

    def update(self, data: mujoco.MjData, touches: Touches) -> None:
        """Take in the state after a physics step; called every 0.01 s."""
        ...

    def success(self) -> bool:
        """Has the task been done?"""
        ...

    def wrong_object(self) -> bool:
        """Was something done that the sentence did not ask for?"""
        ...


class Task(Protocol):
    """One task of the station.

    Attributes:
        name: As in `onestep-vla eval --task`.
        bodies: Movable bodies and fixtures that it adds; contacts are read for them.
        timeout_s: Time a policy has for an episode [s].
    """

    name: str
    bodies: tuple[str, ...]
    timeout_s: float

    def sentences(self) -> tuple[str, ...]:
        """Return every sentence of the demonstrations."""
        ...

    def rewrites(self) -> tuple[str, ...]:
        """Return sentences that ask for the same and that no demonstration has."""
        ...

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """Add the task's bodies to the station."""
        ...

    def draw(self, seed: int, variation: Variation) -> Scene:
        """Draw the episode that `seed` (>= 0) names."""
        ...

    def judge(self, model: mujoco.MjModel) -> Judge:
        """Return a judge for a compiled model."""
        ...

    def expert(
        self,
        stage: Stage,
        scene: Any,  # noqa: ANN401 - a scene this task drew
        rng: np.random.Generator | None = None,
    ) -> Expert:
        """Return a demonstrator that starts from where the arms are.

        Args:
            stage: Read; with `rng` also used to move the arms, at once, to where it starts.
            scene: The present episode.
            rng: None for the clean expert. Else a demonstration is drawn from it: where the
                arms start, and which mistakes are made and recovered from.
        """
        ...


def in_every_colour(templates: Sequence[str]) -> tuple[str, ...]:
    """Return every template with every colour of `objects.COLOURS` in its braces."""
    return tuple(t.format(colour) for t in templates for colour in COLOURS)


def draw_between(
    rng: np.random.Generator, low_high: tuple[float, float], spread: float = 1.0
) -> float:
    """Return a draw from a range that is stretched about its middle by `spread`."""
    middle, half = sum(low_high) / 2, (low_high[1] - low_high[0]) / 2
    return float(rng.uniform(middle - spread * half, middle + spread * half))


def pick(rng: np.random.Generator, sentences: Sequence[str]) -> str:
    """Return one of `sentences`."""
    return sentences[int(rng.integers(len(sentences)))]
