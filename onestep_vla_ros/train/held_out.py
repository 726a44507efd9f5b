# SPDX-License-Identifier: Apache-2.0
"""Held-out figures: loss of every task, action error by decoder steps, ambiguity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from onestep_vla_ros.core.embodiment import BIMANUAL_YAM, Embodiment
from onestep_vla_ros.policy.ambiguity import gap
from onestep_vla_ros.policy.decoder import euler
from onestep_vla_ros.policy.model import OneStepModel
from onestep_vla_ros.policy.normalizer import Normalizer
from onestep_vla_ros.train.batches import Batch, Batches
from onestep_vla_ros.train.learner import Learner

TABLE_STEPS = (1, 2, 5, 10)
"""Decoder steps K of the table every checkpoint carries."""
TABLE_FRAMES = 1024
"""Held-out frames of that table, and of the calibration of `steps: auto`."""
CHUNK = 64
"""Frames a forward pass."""


def spread(pool: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return at most `count` entries of `pool`, evenly spread."""
    if len(pool) <= count:
        return pool
    return pool[np.linspace(0, len(pool) - 1, count).astype(np.int64)]


def spread_alike(
    pools: Mapping[str, NDArray[np.int64]], count: int = TABLE_FRAMES
) -> NDArray[np.int64]:
    """Return about `count` frames, as many of each task, evenly spread."""
    return np.concatenate([spread(pool, count // len(pools)) for pool in pools.values()])


def _parts(batches: Batches, indices: NDArray[np.int64]) -> Iterator[Batch]:
    for first in range(0, len(indices), CHUNK):
        yield batches.read(indices[first : first + CHUNK])


@torch.no_grad()
def held_out_loss(learner: Learner, batches: Batches, indices: NDArray[np.int64]) -> float:
    """Return the loss of the averaged weights, with the same noise at every call."""
    with learner.averaged():
        total = 0.0
        generator = torch.Generator(batches.device).manual_seed(0)
        for batch in _parts(batches, indices):
            total += float(learner.loss(batch, generator)) * len(batch.q)
    return total / len(indices)


@torch.inference_mode()
def held_out_rows(
    model: OneStepModel,
    normalizer: Normalizer,
    batches: Batches,
    indices: NDArray[np.int64],
    robot: Embodiment = BIMANUAL_YAM,
) -> list[dict[str, object]]:
    """Return the K table: one row for each K and noise.

    `arm_rad` and `gripper` are mean absolute errors over waypoints and joints against the
    demonstrated chunk; `arm_rad` of an arm that takes increments is in their unit.
    `noise_leak` = E‖â(ε) − â(ε′)‖² a dimension, in normalised units, between two draws; 0 for a
    head whose answer does not depend on its noise.
    """
    sums: dict[tuple[int, str], NDArray[np.float64]] = {}
    generator = torch.Generator().manual_seed(0)
    for batch in _parts(batches, indices):
        context = batch.context(model)
        flow = model.head.flow(model.head.prepare(context))
        truth = normalizer.decode_action(batch.action, batch.q)
        noise = torch.randn((len(truth), 2, *truth.shape[1:]), generator=generator).to(truth)
        starts = {"zero": torch.zeros_like(noise[:, :1]), "sampled": noise}
        for steps in TABLE_STEPS:
            for name, start in starts.items():
                x = euler(flow, start, steps)
                chunk = normalizer.decode_action(
                    x.flatten(0, 1), batch.q.repeat_interleave(x.shape[1], 0)
                ).view_as(x)
                error = (chunk - truth.unsqueeze(1)).abs()
                leak = (x[:, 0] - x[:, -1]).square().mean()
                figures = [
                    error[..., list(robot.others)].mean(),
                    error[..., list(robot.grippers)].mean(),
                    leak,
                ]
                row = np.array([float(f) for f in figures]) * len(truth)
                sums[steps, name] = sums.get((steps, name), 0.0) + row
    names = ("arm_rad", "gripper", "noise_leak")
    return [
        {
            "steps": steps,
            "noise": noise_name,
            **dict(zip(names, (total / len(indices)).tolist(), strict=True)),
        }
        for (steps, noise_name), total in sums.items()
    ]


@torch.inference_mode()
def held_out_gaps(
    model: OneStepModel, batches: Batches, indices: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return `ambiguity.gap` of every frame, (n,): what `steps: auto` is calibrated on."""
    found = []
    for batch in _parts(batches, indices):
        flow = model.head.flow(model.head.prepare(batch.context(model)))
        # as wide as the head decodes, which for a padded one is wider than the actions
        size = (len(batch.action), 1, model.config.head.horizon, model.config.head.dof)
        one = euler(flow, batch.action.new_zeros(size), 1).squeeze(1)
        found.append(gap(flow, one).double().cpu().numpy())
    return np.concatenate(found)
