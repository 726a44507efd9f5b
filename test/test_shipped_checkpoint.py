# SPDX-License-Identifier: Apache-2.0
"""What the repository ships is what the README speaks of."""

import json

import pytest
import yaml

from onestep_vla_ros.core.embodiment import LIBERO_PANDA
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.files import read_parameters, share_dir, shipped_checkpoint
from onestep_vla_ros.policy.policy import load_policy
from onestep_vla_ros.sim.tasks import TASKS, instructions
from onestep_vla_ros.train.evaluate import Evaluation, evaluate

FOLDER = shipped_checkpoint()
LARGEST_BYTES = 25_000_000


def test_it_fits_the_shipped_parameters_and_the_task():
    policy = load_policy(FOLDER)
    parameters = read_parameters("policy.yaml")
    cameras = []
    for text in parameters["cameras"]:
        name, size = text.split(":")
        width, height = map(int, size.split("x"))
        cameras.append(CameraSpec(name, height, width))
    policy.contract.check(parameters["joint_names"], cameras, parameters["waypoint_period_s"])
    known = {sentence for task in TASKS for sentence in instructions(task)}
    assert set(policy.contract.instruction_examples) == known
    assert policy.checkpoint.decoding.steps == 1


def test_it_is_small_and_carries_its_own_k_table():
    assert sum(p.stat().st_size for p in FOLDER.rglob("*")) < LARGEST_BYTES
    held_out = load_policy(FOLDER).checkpoint.held_out
    assert {row["steps"] for row in held_out["rows"]} == {1, 2, 5, 10}
    assert held_out["is_held_out"]


def test_its_last_leg_is_the_configuration_that_comes_with_it():
    written = json.loads((FOLDER / "config.json").read_text())["training"]["config"]
    shipped = yaml.safe_load((share_dir() / "config" / "train_head.yaml").read_text())
    assert written == shipped


def test_that_of_libero_is_for_its_arm_and_trained_as_its_configuration_says():
    folder = share_dir() / "resource" / "libero"
    policy = load_policy(folder)
    assert policy.contract.embodiment is LIBERO_PANDA
    assert [(c.name, c.height, c.width) for c in policy.contract.cameras] == [
        ("agentview", 128, 128),
        ("eye_in_hand", 128, 128),
    ]
    assert len(policy.contract.instruction_examples) == 10
    assert sum(p.stat().st_size for p in folder.rglob("*")) < LARGEST_BYTES
    training = policy.checkpoint.training
    for name, written in (
        ("train_libero_head.yaml", training["config"]),
        ("train_libero.yaml", training["backbone"]["config"]),
    ):
        assert written == yaml.safe_load((share_dir() / "config" / name).read_text()), name


@pytest.mark.sim
@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "steps"), [("place", 1), ("place", 10), ("lift", 1), ("handover", 1)]
)
def test_it_does_tasks_on_seeds_it_never_saw(task, steps):
    request = Evaluation(
        world="yam", task=task, policy=str(FOLDER), steps=steps, episodes=6, seed=2000
    )
    episodes, figures = evaluate(request)
    assert figures["successes"] >= 4, [(e.seed, e.fault, e.rejected) for e in episodes]
    assert not figures["faults"]
