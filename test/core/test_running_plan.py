# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.running_plan import RunningPlan

RAMP = np.arange(1.0, 31.0)[:, None] * np.ones(14)


@pytest.mark.parametrize(
    ("prefix_s", "longest", "count"),
    [(0.0, 8, 0), (0.1, 8, 1), (0.11, 8, 2), (2.0, 8, 8), (0.3, 0, 0)],
)
def test_count_is_the_waypoints_due_in_time_that_the_policy_knows(prefix_s, longest, count):
    assert RunningPlan(0.1, prefix_s, longest).count == count


@given(st.floats(-1.0, 5.0))
def test_ahead_is_the_plan_where_it_reaches_and_never_beyond(stamp_s):
    plan = RunningPlan(0.1, 0.4, 8)
    plan.take(Chunk(RAMP, 1.0, 0.05))  # q = (t - 1) / 0.05 for t from 1.05 to 2.5
    ahead = plan.ahead(stamp_s)
    times = stamp_s + 0.1 * np.arange(1.0, len(ahead) + 1)
    assert np.allclose(ahead, ((times - 1.0) / 0.05)[:, None] * np.ones(14))
    assert len(ahead) == 0 or (times[0] >= 1.05 and times[-1] <= 2.5)
    if 0.95 <= stamp_s <= 2.09:
        assert len(ahead) == 4


def test_without_a_plan_nothing_is_decided():
    plan = RunningPlan(0.1, 0.4, 8)
    assert plan.ahead(1.0).shape == (0, 14)
    plan.take(Chunk(RAMP, 1.0, 0.05))
    assert len(plan.ahead(1.2)) == 4
    for nothing in (None, Chunk(RAMP[:1], 1.0, 0.05), Chunk(RAMP * np.nan, 1.0, 0.05)):
        plan.take(nothing)
        assert plan.ahead(1.2).shape == (0, 14)
