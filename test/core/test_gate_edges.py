# SPDX-License-Identifier: Apache-2.0
"""The gate's last number that passes, the first that does not, and its words for that."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.gate import ChunkGate
from onestep_vla_ros.core.verdict import Accepted, Reason, Rejected

NOW = 16.0
TINY = np.finfo(np.float64).tiny


@pytest.fixture
def config(bridge_config):
    """Numbers that a double holds exactly, so that an edge is an edge."""
    return replace(
        bridge_config,
        min_period_s=0.03125,
        max_period_s=0.25,
        max_horizon_s=2.0,
        max_waypoints=32,
        future_tolerance_s=0.125,
        max_observation_age_s=0.5,
        jump_limit=(0.25,) * 14,
        position_low=(-2.0,) * 14,
        position_high=(3.0,) * 14,
    )


def _judge(config, *, points=4, joints=14, stamp=NOW, period=0.0625, value=0.5):
    q = np.full((points, joints), 0.5)
    if points > 1 and joints > 8:
        q[1, 8] = value
    return ChunkGate(config).check(Chunk(q, stamp, period), NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"points": 2},
        {"points": 32},
        {"period": 0.03125},
        {"period": 0.25},
        {"points": 8, "period": 0.25},
        {"stamp": NOW + 0.125},
        {"stamp": NOW - 0.5},
        {"value": -2.25},
        {"value": 3.25},
        {"value": TINY},
        {"value": -TINY},
        {"value": 0.0},
    ],
    ids=str,
)
def test_last_one_that_passes(config, change):
    assert _judge(config, **change) == Accepted()


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"joints": 13}, Reason.WRONG_JOINTS, "13 joints, allowed 14"),
        ({"joints": 15}, Reason.WRONG_JOINTS, "15 joints, allowed 14"),
        ({"points": 1}, Reason.WRONG_LENGTH, "1 waypoints, allowed 2 to 32"),
        ({"points": 33}, Reason.WRONG_LENGTH, "33 waypoints, allowed 2 to 32"),
        ({"stamp": math.inf}, Reason.NOT_FINITE, "stamp inf is not finite"),
        ({"period": 0.03}, Reason.WRONG_PERIOD, "period 0.03 s, allowed 0.03125 to 0.25 s"),
        ({"period": 0.26}, Reason.WRONG_PERIOD, "period 0.26 s, allowed 0.03125 to 0.25 s"),
        ({"points": 9, "period": 0.25}, Reason.HORIZON, "2.250 s long, allowed 2.0 s"),
        ({"value": math.nan}, Reason.NOT_FINITE, "waypoint 1 of right_joint2 is nan"),
        ({"value": 5e-324}, Reason.DENORMAL, "waypoint 1 of right_joint2 is 5e-324"),
        (
            {"value": 3.2501},
            Reason.OUT_OF_RANGE,
            "waypoint 1 of right_joint2 is 3.250, allowed -2.250 to 3.250",
        ),
        (
            {"value": -2.3},
            Reason.OUT_OF_RANGE,
            "waypoint 1 of right_joint2 is -2.300, allowed -2.250 to 3.250",
        ),
        ({"stamp": NOW + 0.25}, Reason.FUTURE, "stamp is 0.250 s ahead, allowed 0.125 s"),
        ({"stamp": NOW - 0.75}, Reason.TOO_OLD, "observation is 0.750 s old, allowed 0.5 s"),
    ],
    ids=str,
)
def test_first_one_that_does_not_pass_and_its_words(config, change, reason, words):
    assert _judge(config, **change) == Rejected(reason, words)


def test_words_for_what_is_not_new(config):
    gate = ChunkGate(config)
    newest, older = (Chunk(np.zeros((4, 14)), stamp, 0.0625) for stamp in (NOW, NOW - 0.25))
    gate.let_in(newest)
    assert gate.check(newest, NOW) == Rejected(Reason.DUPLICATE, "chunk of 16.000 s is already in")
    assert gate.check(older, NOW) == Rejected(Reason.OLDER, "0.250 s older than the newest chunk")
    gate.forget()
    assert gate.check(older, NOW) == Accepted()


def test_older_one_is_called_older_even_when_it_is_too_old(config):
    gate = ChunkGate(config)
    gate.let_in(Chunk(np.zeros((4, 14)), NOW, 0.0625))
    old = Chunk(np.zeros((4, 14)), NOW - 5.0, 0.0625)
    assert gate.check(old, NOW).reason is Reason.OLDER
