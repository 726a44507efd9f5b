# SPDX-License-Identifier: Apache-2.0
"""Stamps of a wall clock that jumps, on a steady one that does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onestep_vla_ros.core.stamp_offset import StampOffset


@given(st.floats(-1e9, 1e9), st.lists(st.floats(-0.004, 0.004), max_size=20))
def test_one_stamp_gives_one_time_while_the_clocks_only_jitter(offset, noise):
    stamps = StampOffset(100.0 + offset, 100.0)
    first = stamps.local_s(50.0 + offset)
    for jitter in noise:
        stamps.follow(200.0 + offset + jitter, 200.0)
        assert stamps.local_s(50.0 + offset) == first
    assert stamps.jumps == 0


@pytest.mark.parametrize("jump", [10.0, -10.0, 0.006])
def test_a_jump_of_the_wall_clock_is_followed_at_once(jump):
    stamps = StampOffset(1000.0, 7.0)
    stamps.follow(1001.0 + jump, 8.0)
    assert stamps.jumps == 1
    assert stamps.local_s(1001.0 + jump) == pytest.approx(8.0)
    assert stamps.wire_s(8.0) == pytest.approx(1001.0 + jump)
