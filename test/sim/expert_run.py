# SPDX-License-Identifier: Apache-2.0
"""Executes an expert's plan in its world, without noise."""

from __future__ import annotations

import numpy as np

from onestep_vla_ros.sim.motion import PERIOD_S

_TICKS = 5


def run_expert(world, expert, watch=lambda: None, limit_s=30.0):
    """Step `world` until the expert is done, with the drift it asks for; return the plan (M, 14).

    `watch` is called once a planned target, after it was executed.
    """
    plan = [world.joint_state()[0]]
    before = plan[0]
    while not expert.is_done and world.time_s < limit_s:
        target = expert.next()
        after = target + expert.drift
        for k in range(1, _TICKS + 1):
            world.step(before + (after - before) * k / _TICKS, PERIOD_S / _TICKS)
        before = after
        plan.append(target)
        watch()
    return np.array(plan)
