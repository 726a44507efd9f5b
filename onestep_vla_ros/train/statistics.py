# SPDX-License-Identifier: Apache-2.0
"""Do the statistics that a run takes over from a checkpoint fit its own demonstrations?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.policy.normalizer import Normalizer
from onestep_vla_ros.train.dataset import Dataset

NOTABLE = 2.0
"""Normalised root mean square from which on a number is told; 1 on what was fitted.

Demonstrations of one task of ours lie at up to 2.1 in the statistics of all four; LIBERO's with a
hand that turns at 2.3 to 3.0 in those of demonstrations in which it does not.
"""
FAR = 10.0
"""What no number may exceed. Degrees in the place of radians are at 57."""


def check_statistics(
    key: str,
    old: Normalizer,
    dataset: Dataset,
    frames: NDArray[np.int64],
    *,
    has_actions: bool = True,
) -> str:
    """Hold statistics that are taken over against those of the run's own demonstrations.

    Args:
        key: Of the configuration that names the checkpoint.
        old: The checkpoint's.
        dataset: All demonstrations.
        frames: Those that are trained on, (n,).
        has_actions: The run takes over those of actions as well as those of states.

    Returns:
        What lies beyond `NOTABLE`, in words; "" where nothing does.

    Raises:
        ConfigError: Some number is beyond `FAR`; lists every one.
    """
    robot = dataset.meta.robot
    new = Normalizer.fit(dataset.q[frames], dataset.action[frames], old.relative)
    found = {
        f"state {name}": far
        for name, far in zip(
            robot.state_names,
            _far(old.state_mean, old.state_std, new.state_mean, new.state_std),
            strict=True,
        )
    }
    if has_actions:
        away = _far(old.action_mean, old.action_std, new.action_mean, new.action_std)
        found |= {
            f"action {name}": far
            for name, far in zip(robot.action_names, away.amax(dim=0), strict=True)
        }
    if not (strange := _beyond(found, FAR)):
        notable = _beyond(found, NOTABLE)
        return notable and (
            f"the statistics of the {key} are kept, and these demonstrations are wider: root mean "
            f"square in its standard deviations {notable}"
        )
    raise ConfigError(
        f"these demonstrations are far outside the statistics of the {key}",
        got=f"root mean square in its standard deviations: {strange}",
        allowed=f"<= {FAR:g} each",
        do="look for other units or another order; of a robot that moves otherwise, take over "
        "the encoder alone (pretrained_backbone), or start at random",
    )


def _beyond(found: Mapping[str, torch.Tensor], limit: float) -> str:
    """Return what lies beyond a limit, farthest first."""
    names = sorted((name for name in found if found[name] > limit), key=lambda n: -found[n])
    return ", ".join(f"{name} {float(found[name]):.1f}" for name in names)


def _far(
    old_mean: torch.Tensor, old_std: torch.Tensor, new_mean: torch.Tensor, new_std: torch.Tensor
) -> torch.Tensor:
    """Return the root mean square of new numbers in the old normalisation."""
    return ((new_mean - old_mean).square() + new_std.square()).sqrt() / old_std
