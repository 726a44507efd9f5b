# SPDX-License-Identifier: Apache-2.0
"""The chunk gate: every refusal has a reason, and nothing bad passes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.errors import ChunkError
from onestep_vla_ros.core.gate import ChunkGate
from onestep_vla_ros.core.verdict import Reason


def _chunk(home, *, points=16, joints=14, stamp=10.0, period=0.04, at=None) -> Chunk:
    q = np.tile(home, (points, 1))[:, :joints] if points else np.zeros((0, joints))
    if at is not None:
        (i, j), value = at
        q[i, j] = value
    return Chunk(q, stamp, period)


def _reason(verdict) -> Reason | None:
    return None if verdict.is_accepted else verdict.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"joints": 13}, Reason.WRONG_JOINTS),
        ({"points": 0}, Reason.WRONG_LENGTH),
        ({"points": 1}, Reason.WRONG_LENGTH),
        ({"points": 2}, None),
        ({"points": 128, "period": 0.02}, None),
        ({"points": 129, "period": 0.02}, Reason.WRONG_LENGTH),
        ({"points": 100_000}, Reason.WRONG_LENGTH),
        ({"period": 0.0}, Reason.WRONG_PERIOD),
        ({"period": -0.04}, Reason.WRONG_PERIOD),
        ({"period": math.nan}, Reason.WRONG_PERIOD),
        ({"period": 0.0099}, Reason.WRONG_PERIOD),
        ({"period": 0.01}, None),
        ({"period": 0.2001}, Reason.WRONG_PERIOD),
        ({"period": 0.19}, Reason.HORIZON),
        ({"stamp": math.nan}, Reason.NOT_FINITE),
        ({"stamp": math.inf}, Reason.NOT_FINITE),
        ({"stamp": 10.019}, None),
        ({"stamp": 10.021}, Reason.FUTURE),
        ({"stamp": 9.71}, None),
        ({"stamp": 9.69}, Reason.TOO_OLD),
        ({"at": ((15, 13), math.nan)}, Reason.NOT_FINITE),
        ({"at": ((0, 0), -math.inf)}, Reason.NOT_FINITE),
        ({"at": ((3, 1), 3.96)}, None),
        ({"at": ((3, 1), 3.97)}, Reason.OUT_OF_RANGE),
        ({"at": ((3, 1), -0.31)}, Reason.OUT_OF_RANGE),
        ({"at": ((3, 6), 1e300)}, Reason.OUT_OF_RANGE),
        ({"at": ((3, 0), 5e-324)}, Reason.DENORMAL),
        ({"at": ((3, 0), -2.2e-308)}, Reason.DENORMAL),
        ({"at": ((3, 0), -2.3e-308)}, None),
        ({"at": ((3, 0), -0.0)}, None),
    ],
)
def test_chunk_is_judged(bridge_config, home, change, reason):
    verdict = ChunkGate(bridge_config).check(_chunk(home, **change), 10.0)
    assert _reason(verdict) is reason
    assert reason is None or verdict.detail


def test_detail_names_joint_value_and_what_is_allowed(bridge_config, home):
    chunk = _chunk(home, at=((3, 8), 9.0))
    detail = ChunkGate(bridge_config).check(chunk, 10.0).detail
    assert "waypoint 3 of right_joint2 is 9.000, allowed -0.300 to 3.965" in detail


def test_only_newer_stamps_pass(bridge_config, home):
    gate = ChunkGate(bridge_config)
    rng = np.random.default_rng(0)
    newest = -math.inf
    for stamp in rng.permutation(np.linspace(9.8, 10.0, 100)):
        verdict = gate.check(_chunk(home, stamp=float(stamp)), 10.0)
        assert verdict.is_accepted == (stamp > newest)
        if verdict.is_accepted:
            gate.let_in(_chunk(home, stamp=float(stamp)))
            newest = stamp
        else:
            assert verdict.reason is Reason.OLDER
    assert gate.check(_chunk(home, stamp=10.0), 10.0).reason is Reason.DUPLICATE
    gate.forget()
    assert gate.check(_chunk(home, stamp=9.9), 10.0).is_accepted


@pytest.mark.parametrize("q", [[1.0, 2.0], 3.0, [[1.0], [1.0, 2.0]], [["a"]], np.zeros((1, 2, 3))])
def test_what_is_no_table_of_numbers_is_no_chunk(q):
    with pytest.raises(ChunkError):
        Chunk(q, 0.0, 0.04)


def test_chunk_copies_and_is_read_only():
    q = np.zeros((2, 14))
    chunk = Chunk(q, 1.0, 0.04)
    q[0, 0] = 5.0
    assert chunk.q[0, 0] == 0.0
    assert chunk.times_s == pytest.approx([1.04, 1.08])
    with pytest.raises(ValueError, match="read-only"):
        chunk.q[0, 0] = 1.0
