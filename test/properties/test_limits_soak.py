# SPDX-License-Identifier: Apache-2.0
"""The vector soak: ten million joint-samples of an adversary, and a check that has teeth."""

from __future__ import annotations

import json

import numpy as np
import pytest

from onestep_vla_ros.bench.limits import run_block, run_limits
from onestep_vla_ros.bench.motion_check import KINDS, MotionCheck
from onestep_vla_ros.core.limits import Limits

TC = 0.01


def test_ten_million_joint_samples_keep_every_limit(tmp_path):
    path = tmp_path / "limits.json"
    assert run_limits(10_000_000, seed=0, jobs=2, json=path) == 0
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["joint_samples"] >= 10_000_000
    assert result["by_kind"] == dict.fromkeys(KINDS, 0)
    assert result["rate_upper_bound_95"] <= 3e-7
    worst = result["worst_share_of_limit"]
    assert min(worst.values()) > 0.999, "the adversary never came near a limit"


def test_block_can_be_run_alone_from_its_key():
    a, b = run_block((3, 1)), run_block((3, 1))
    assert (a.samples, a.worst) == (b.samples, b.worst)
    assert run_block((3, 2)).worst != a.worst


@pytest.fixture
def check() -> MotionCheck:
    one = np.ones(2)
    limits = Limits(-one, one, 2 * one, 10 * one, 500 * one)
    return MotionCheck(limits, TC, 0.5 * one)


def _motion(jerk: float, periods: int) -> np.ndarray:
    """Return states (periods, 3, 2) of both joints from rest at 0.5 under a constant jerk."""
    t = TC * np.arange(1.0, periods + 1)[:, None] * np.ones(2)
    return np.stack([0.5 + jerk * t**3 / 6, jerk * t**2 / 2, jerk * t], axis=1)


def test_what_keeps_the_limits_is_not_counted(check):
    check.take(_motion(499.0, 2))
    assert not any(check.violations.values())
    assert check.worst["jerk"] <= 1.0


@pytest.mark.parametrize(
    ("kind", "jerk", "periods"), [("jerk", 501.0, 3), ("acceleration", 400.0, 4)]
)
def test_too_much_jerk_or_acceleration_is_counted(check, kind, jerk, periods):
    check.take(_motion(jerk, periods))
    assert check.violations[kind] > 0
    assert check.violations["velocity"] == check.violations["position"] == 0


def test_too_fast_and_too_far_is_counted(check):
    check.take(_motion(80.0, 40))
    assert check.violations["velocity"] > 0
    assert check.violations["position"] > 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_number_that_is_none_is_counted(check, bad):
    states = _motion(100.0, 2)
    states[1, 2, 0] = bad
    check.take(states)
    assert check.violations["finite"] == 1


@pytest.mark.parametrize("row", [1, 2])
def test_velocity_that_is_not_the_positions_own_is_counted(check, row):
    states = _motion(400.0, 2)
    states[1, row, 1] *= -1.0
    check.take(states)
    assert check.violations["rates"] == 1
    assert check.violations["jerk"] == 0


@pytest.mark.parametrize("row", [0, 1, 2])
def test_tail_that_leaves_the_limits_or_does_not_rest_is_counted(check, row):
    tail = np.zeros((3, 5, 2))
    check.take_tail(tail)
    assert check.violations["tail"] == 0
    tail[row, 2, 0] = (1.1, 2.1, 10.1)[row]
    check.take_tail(tail)
    assert check.violations["tail"] == 1
    tail[:] = 0.0
    tail[row, -1, 0] = 1e-9
    check.take_tail(tail)
    assert check.violations["tail"] == (1 if row == 0 else 2)
