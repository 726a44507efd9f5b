# SPDX-License-Identifier: Apache-2.0
"""Every row of the fault matrix, on an injected clock, within its bound and without violation."""

from __future__ import annotations

import pytest

from onestep_vla_ros.faults.pure_rows import run_pure_row
from onestep_vla_ros.faults.row import FAULTS

CASES = 6
BOUNDED = {1, 2, 3, 4, 6, 9, 10, 11, 12, 13, 14, 15, 16, 21, 22, 23, 24, 25, 26, 27, 32, 33}


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: f"{row} {FAULTS[row]}")
def test_row_holds(row):
    result = run_pure_row(row, CASES, seed=100, long_s=10.0)
    assert result.holds, result.detail
    assert result.violations == 0
    assert (result.bound_s is not None) == (row in BOUNDED)
    assert result.cases >= 1
