# SPDX-License-Identifier: Apache-2.0
"""LIBERO through ROS in lockstep is LIBERO in-process, to the bit."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from onestep_vla_ros.bench.libero_ros import Played, compare, read_episode
from onestep_vla_ros.cli import main

ACTIONS = np.random.default_rng(0).uniform(-1.0, 1.0, (20, 7))


def test_the_same_episodes_are_the_same_and_the_tax_is_the_difference():
    wired = Played(ACTIONS, True, (0.030, 0.034))
    here = Played(ACTIONS.copy(), True, (0.010, 0.012, 0.011))
    figures = compare([wired], [here])
    assert figures["is_same"] is True
    assert figures["ros_tax_ms"]["p50"] == pytest.approx(21.0)
    assert figures["episodes"][0]["chunks"] == 2


@pytest.mark.parametrize(
    ("other", "first"),
    [
        (Played(np.nextafter(ACTIONS, 2.0), True, ()), 0),
        (Played(np.concatenate([ACTIONS[:7], -ACTIONS[7:]]), True, ()), 7),
        (Played(ACTIONS[:15], True, ()), 15),
        (Played(ACTIONS, False, ()), None),
    ],
)
def test_any_bit_step_or_outcome_makes_them_differ(other, first):
    figures = compare([Played(ACTIONS, True, ())], [other])
    assert figures["is_same"] is False
    assert figures["episodes"][0]["first_difference"] == first


def test_actions_after_the_end_and_chunks_cut_short_do_not_count():
    heard = {"actions": ACTIONS.tolist(), "exchanges": [[0.01, 0.02, 8], [0.5, 0.5, 2]]}
    played = read_episode(heard, {"time_s": 0.75, "success": True})
    assert np.array_equal(played.actions, ACTIONS[:15])
    assert played.chunks_s == pytest.approx((0.03,))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no policy"),
        (("--policy", "x", "--suite", "libero_moon"), "unknown suite of LIBERO"),
        (("--policy", "x", "--rendering", "sketch"), "rendering: got: 'sketch'"),
        (("--policy", "x", "--episodes", "0"), "episodes; got: 0"),
    ],
)
def test_wrong_calls_are_named(capsys, words, said):
    assert main(["bench", "libero-ros", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.libero
@pytest.mark.ros
@pytest.mark.slow
def test_an_episode_in_real_processes_is_the_in_process_one_to_the_bit(tmp_path):
    pytest.importorskip("libero", reason="needs the pip extra libero (make test-libero)")
    pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "nodes"))
    from delta_robot import write_delta_checkpoint

    policy, result = write_delta_checkpoint(tmp_path / "policy", 128), tmp_path / "result.json"
    words = ["--policy", str(policy), "--episodes", "1", "--seed", "2", "--rendering", "fast"]
    assert main(["bench", "libero-ros", *words, "--json", str(result)]) == 0
    figures = json.loads(result.read_text())
    assert figures["episodes"][0]["steps"] == 280
    assert figures["episodes"][0]["chunks"] >= 33
