# SPDX-License-Identifier: Apache-2.0
"""An imported policy, whose head decodes more than the robot has, is calibrated as any other."""

from pi0_peers import random_pi0, write_transformers
from tiny_demos import SIZES, write_dataset

from onestep_vla_ros.policy.checkpoint import save_checkpoint
from onestep_vla_ros.policy.foreign.conversion import converted
from onestep_vla_ros.policy.foreign.opening import open_source
from onestep_vla_ros.policy.foreign.sheet import read_sheet
from onestep_vla_ros.policy.policy import load_policy
from onestep_vla_ros.train.calibrate import calibrate


def test_auto_is_offered_after_calibration(tmp_path):
    write_dataset(tmp_path / "data", 2)
    write_transformers(tmp_path / "theirs", random_pi0(), 14, 14)
    robot = read_sheet(
        {
            "embodiment": "bimanual_yam",
            "cameras": {
                name: {"image": name, "height": 2 * h, "width": 2 * w}
                for name, (h, w) in SIZES.items()
            },
            "period_s": 0.1,
            "instruction_examples": ["go to the red square"],
            "start_low": [0.0] * 14,
            "start_high": [1.0] * 14,
        }
    )
    checkpoint = converted(open_source(tmp_path / "theirs", robot), robot)
    save_checkpoint(tmp_path / "ours", checkpoint)
    found, words = calibrate(tmp_path / "ours", [tmp_path / "data"], 0.5)
    assert "all 2 episodes" in words
    assert found.threshold > 0.0
    assert load_policy(tmp_path / "ours", steps="auto").checkpoint.decoding.calibration == found
