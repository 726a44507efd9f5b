# SPDX-License-Identifier: Apache-2.0
"""The form of a chunk: (T, J) numbers, copied and read-only; errors in words."""

from __future__ import annotations

import numpy as np
import pytest

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.errors import ChunkError


def test_waypoint_i_is_due_i_plus_one_periods_after_the_stamp():
    chunk = Chunk(np.zeros((4, 14)), 2.0, 0.5)
    assert chunk.times_s.tolist() == [2.5, 3.0, 3.5, 4.0]


def test_waypoints_are_a_copy_that_nobody_can_change():
    q = np.zeros((3, 14), dtype=np.float32)
    chunk = Chunk(q, 0.0, 0.1)
    q[:] = 1.0
    assert chunk.q.dtype == np.float64
    assert not chunk.q.any()
    with pytest.raises(ValueError, match="read-only"):
        chunk.q[0, 0] = 1.0
    same = np.zeros((3, 14))
    assert not np.shares_memory(Chunk(same, 0.0, 0.1).q, same)


def test_numbers_are_not_judged_only_the_form():
    assert np.isnan(Chunk(np.full((2, 3), np.nan), np.nan, -1.0).q).all()


@pytest.mark.parametrize("shape", [(14,), (2, 2, 14), ()])
def test_wrong_shape_is_said_with_what_came(shape):
    with pytest.raises(ChunkError) as error:
        Chunk(np.zeros(shape), 0.0, 0.1)
    assert str(error.value) == f"chunk has the wrong shape; got: {shape}; allowed: (T, J)"


@pytest.mark.parametrize("bad", [[["a"]], [[1.0, 2.0], [3.0]], [[None, object()]]])
def test_what_is_no_number_is_said_with_what_came(bad):
    with pytest.raises((TypeError, ValueError)) as cause:
        np.array(bad, dtype=np.float64)
    with pytest.raises(ChunkError) as error:
        Chunk(bad, 0.0, 0.1)
    words = f"chunk is not numeric; got: {cause.value}; allowed: (T, J) numbers"
    assert str(error.value) == words
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__
