# SPDX-License-Identifier: Apache-2.0
"""Limits: read-only, with the margin taken off, refused when they leave no room."""

from __future__ import annotations

import numpy as np
import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.core.limits import Limits

GOOD = {"low": [-1.0], "high": [1.0], "velocity": [2.0], "acceleration": [10.0], "jerk": [500.0]}


def test_margin_is_taken_off_both_sides(bridge_config):
    limits = Limits.from_config(bridge_config)
    assert limits.low[0] == pytest.approx(-2.618 + 0.01)
    assert limits.high[0] == pytest.approx(3.1416 - 0.01)
    assert (limits.low[6], limits.high[6]) == (0.0, 1.0)
    assert limits.stop_time_s == pytest.approx(0.24)


def test_arrays_are_copies_that_nobody_can_change():
    low = np.array([-1.0])
    limits = Limits(**{**GOOD, "low": low})
    low[0] = 5.0
    assert limits.low[0] == -1.0
    with pytest.raises(ValueError, match="read-only"):
        limits.jerk[0] = 1.0


@pytest.mark.parametrize(
    "change",
    [
        {"low": [1.0]},
        {"high": [np.nan]},
        {"velocity": [0.0]},
        {"acceleration": [-1.0]},
        {"jerk": [np.nan]},
    ],
)
def test_limits_that_leave_no_room_are_refused(change):
    with pytest.raises(ConfigError, match="leave no room"):
        Limits(**{**GOOD, **change})


def test_limits_of_different_joints_are_refused():
    with pytest.raises(ConfigError, match="differ in shape"):
        Limits(**{**GOOD, "jerk": [500.0, 500.0]})
