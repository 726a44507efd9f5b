# SPDX-License-Identifier: Apache-2.0
"""A tiny dataset for each test: made once, then copied."""

from __future__ import annotations

import shutil

import pytest
from tiny_demos import write_dataset


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory):
    """Ten episodes of twelve frames; read, never changed."""
    folder = tmp_path_factory.mktemp("tiny") / "square"
    write_dataset(folder)
    return folder


@pytest.fixture
def demos(tiny_dataset, tmp_path):
    """A copy of the tiny dataset that a test may damage."""
    return shutil.copytree(
        tiny_dataset, tmp_path / "demos", ignore=shutil.ignore_patterns(".cache")
    )
