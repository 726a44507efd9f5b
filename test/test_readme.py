# SPDX-License-Identifier: Apache-2.0
import re

import pytest
from readme_tables import README, with_tables

from onestep_vla_ros.cli import main

TEXT = README.read_text(encoding="utf-8")


def test_parameter_tables_are_the_schemas():
    assert with_tables(TEXT) == TEXT, "run: python test/readme_tables.py"


def test_every_link_into_the_repository_leads_somewhere():
    links = re.findall(r"\]\((?!http|#)([^)#]+)", TEXT)
    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`onestep-vla (\w+)", TEXT))))
def test_every_command_named_exists(command):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
