# SPDX-License-Identifier: Apache-2.0
"""Made-up episodes of cells whose success rates are known."""

import numpy as np

from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.train.cells import Cell


def make_cell(**changes):
    return Cell(**({"policy": "runs/a/checkpoint", "task": "place", "steps": 1} | changes))


def make_episodes(rate, count=100, salt=0, first=0):
    """`count` episodes of which about `rate` succeed; the same seeds succeed at higher rates."""
    rng = np.random.default_rng(salt)
    luck = rng.permutation(count) / count
    return [
        Episode(
            seed=first + i,
            instruction=f"put the {('red', 'blue')[i % 2]} cube on the plate",
            success=bool(luck[i] < rate),
            wrong_object=bool(luck[i] > 0.98),
            time_s=5.0 + 0.01 * i,
            chunks=20,
            ticks=500,
            inference_s=[0.01] * 20,
            rejected={"late": 1} if i == 0 else {},
        )
        for i in range(count)
    ]
