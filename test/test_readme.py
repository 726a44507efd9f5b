# SPDX-License-Identifier: Apache-2.0
"""README and the pages it leads to say what is there."""

import re

import pytest
from readme_tables import PAGE, ROOT, with_tables

from onestep_vla_ros.cli import main

README = ROOT / "README.md"
PAGES = (README, *sorted(PAGE.parent.glob("*.md")))
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def test_parameter_tables_are_the_schemas():
    text = PAGE.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run: python test/readme_tables.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_into_the_repository_leads_somewhere(page):
    links = re.findall(r"\]\((?!http)([^)]+)\)", page.read_text(encoding="utf-8"))
    assert links
    for link in links:
        file, _, heading = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not heading or heading in headings(target), link


def headings(page):
    """Return the anchors that a page's headings get."""
    lines = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in lines}


def test_the_readme_leads_to_every_page():
    text = README.read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if f"resource/pages/{page.name}" not in text] == []


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`onestep-vla (\w+)", TEXT))))
def test_every_command_named_exists(command):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
