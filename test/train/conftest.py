# SPDX-License-Identifier: Apache-2.0
"""A tiny folder of demonstrations."""

from __future__ import annotations

import pytest
from tiny_demos import write_episode, write_meta


@pytest.fixture
def demos(tmp_path):
    folder = tmp_path / "demos"
    folder.mkdir()
    write_meta(folder)
    for index in range(10):
        write_episode(folder, index)
    return folder
