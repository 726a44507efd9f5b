# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.report import percentiles_ms, write_json, write_marked


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


def test_marks_of_a_file_are_replaced_and_nothing_else(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("a\n<!-- faults: pure -->\nold\n<!-- end -->\nb\n<!-- end -->\n")
    write_marked(path, "faults", {"pure": "| new |"})
    write_marked(path, "faults", {"pure": "| newer |"})
    assert path.read_text() == (
        "a\n<!-- faults: pure -->\n| newer |\n<!-- end -->\nb\n<!-- end -->\n"
    )
    with pytest.raises(ConfigError, match="no mark"):
        write_marked(path, "faults", {"process": "x"})
