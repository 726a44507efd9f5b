# SPDX-License-Identifier: Apache-2.0
"""An observation says what is wrong with its parts, and knows its oldest one."""

from __future__ import annotations

import numpy as np
import pytest

from onestep_vla_ros.core.errors import ObservationError
from onestep_vla_ros.core.observation import Observation, check_instruction


def _observation(**change) -> Observation:
    parts = {
        "images": {"top": np.zeros((4, 6, 3), np.uint8)},
        "image_stamps_s": {"top": 2.0},
        "q": np.zeros(14),
        "qd": np.zeros(14),
        "joint_stamp_s": 2.25,
        "instruction": " lift it ",
    }
    return Observation(**{**parts, **change})


def test_stamp_is_the_oldest_and_skew_the_spread():
    observation = _observation()
    assert (observation.stamp_s, observation.skew_s) == (2.0, 0.25)
    assert observation.instruction == "lift it"
    with pytest.raises(ValueError, match="read-only"):
        observation.images["top"][0, 0, 0] = 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_stamps_s": {"wrist": 2.0}}, "name different cameras"),
        ({"images": {"top": np.zeros((4, 6, 3))}}, "'top' has the wrong form; got: float64"),
        ({"images": {"top": np.zeros((4, 6), np.uint8)}}, r"uint8 \(4, 6\)"),
        ({"images": {"top": np.zeros((4, 6, 4), np.uint8)}}, r"uint8 \(4, 6, 4\)"),
        ({"q": np.zeros((14, 1))}, r"'q' has the wrong form; got: shape \(14, 1\)"),
        ({"q": np.zeros(0)}, r"'q' has the wrong form; got: shape \(0,\)"),
        ({"q": np.zeros(13)}, r"'q' and 'qd' differ in length; got: 13 and 14"),
        ({"qd": np.full(14, np.inf)}, "'qd' has the wrong form; .* finite False"),
        ({"instruction": "  "}, "instruction is empty"),
        ({"instruction": "x" * 513}, "too long; got: 513 characters"),
    ],
)
def test_wrong_part_is_named(change, words):
    with pytest.raises(ObservationError, match=words):
        _observation(**change)


def test_longest_instruction_passes():
    assert len(check_instruction("x" * 512)) == 512
