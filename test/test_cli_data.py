# SPDX-License-Identifier: Apache-2.0
import argparse
import sys
from types import SimpleNamespace

import pytest

from onestep_vla_ros import cli_data
from onestep_vla_ros.core.errors import ConfigError


def _parse(add, *arguments):
    parser = argparse.ArgumentParser()
    add(parser)
    return parser.parse_args(arguments)


@pytest.fixture
def calls(monkeypatch):
    """What `demos` and `look` ask for, without a simulator."""
    made = []

    def write_demos(folder, **request):
        made.append((folder.as_posix(), request))
        return SimpleNamespace(folder=folder, written=len(made) - 1, failed=1, frames=0)

    def write_contact_sheet(*arguments):
        made.append(arguments)

    for name, module in (
        ("demos", SimpleNamespace(write_demos=write_demos)),
        ("contact_sheet", SimpleNamespace(write_contact_sheet=write_contact_sheet)),
    ):
        monkeypatch.setitem(sys.modules, f"onestep_vla_ros.train.{name}", module)
    return made


def test_demos_makes_a_folder_a_task_and_misses_the_bar_when_one_is_empty(calls, capsys):
    options = _parse(
        cli_data.add_demos, "--task", "place", "place", "--episodes", "3", "--jobs", "1"
    )
    assert cli_data.run_demos(options) == 1
    request = {"task": "place", "episodes": 3, "seed": 100_000, "lead": "", "jobs": 1}
    assert calls == [("data/place", request)]
    assert cli_data.run_demos(options) == 0
    assert "data/place: 1 episodes" in capsys.readouterr().out


def test_demos_refuses_a_misspelt_task_before_it_starts_any(calls):
    with pytest.raises(ConfigError, match="dance"):
        cli_data.run_demos(_parse(cli_data.add_demos, "--task", "place", "dance"))
    assert calls == []


def test_look_draws_the_episode_that_was_asked_for(calls, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    options = _parse(cli_data.add_look, "data/place", "--episode", "7", "--out", str(out))
    assert cli_data.run_look(options) == 0
    assert calls == [(options.folder, 7, out)]
    assert str(out) in capsys.readouterr().out
