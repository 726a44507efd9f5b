# SPDX-License-Identifier: Apache-2.0
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from onestep_vla_ros.report import percentiles_ms, wilson, write_json


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_equals_scipys(counts):
    successes, trials = counts
    low, high = wilson(successes, trials)
    theirs = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert math.isclose(low, theirs.low, abs_tol=1e-6)
    assert math.isclose(high, theirs.high, abs_tol=1e-6)
    assert low <= successes / trials <= high


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(successes, trials):
    with pytest.raises(ValueError, match="successes"):
        wilson(successes, trials)


def test_percentiles_are_in_milliseconds_and_none_without_samples():
    assert percentiles_ms([0.001] * 99 + [0.002]) == {"p50": 1.0, "p99": pytest.approx(1.01)}
    assert percentiles_ms([]) is None


def test_result_names_command_machine_seed_and_time(tmp_path):
    path = tmp_path / "deep" / "result.json"
    write_json(path, "eval", 7, {"success_rate": 0.5})
    result = json.loads(path.read_text())
    assert result["command"] == "eval"
    assert result["seed"] == 7
    assert result["success_rate"] == 0.5
    assert {"cpu", "cores", "gpu", "versions"} <= set(result["machine"])
    assert "T" in result["when"]
    assert list(path.parent.iterdir()) == [path]  # no half-written file is left


def test_result_with_nan_is_refused_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "result.json"
    write_json(path, "eval", 0, {"success_rate": 1.0})
    before = path.read_text()
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, "eval", 0, {"success_rate": float("nan")})
    assert path.read_text() == before
