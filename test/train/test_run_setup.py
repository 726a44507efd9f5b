# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest
from tiny_demos import make_config, write_dataset

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.train.run_setup import open_data, prepare
from onestep_vla_ros.train.trainer import train


@pytest.fixture(scope="module")
def two_tasks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    write_dataset(folder / "circle", 4, task="circle")
    write_dataset(folder / "square", 8, task="square")
    return [folder / "circle", folder / "square"]


def _share(setup, task):
    drawn = setup.sampler.draw(setup.sampler.length, 0)
    names = np.array(setup.dataset.tasks)[setup.dataset.task[drawn]]
    return (names == task).mean()


def test_tasks_are_drawn_alike_unless_the_configuration_says_otherwise(two_tasks):
    assert _share(prepare(make_config(), two_tasks), "circle") == pytest.approx(0.5, abs=0.02)
    setup = prepare(make_config(task_share={"circle": 3.0}), two_tasks)
    assert _share(setup, "circle") == pytest.approx(0.75, abs=0.02)


def test_surprise_repeats_frames_within_their_task(two_tasks):
    setup = prepare(make_config(surprise_repeat=30), two_tasks)
    drawn = setup.sampler.draw(setup.sampler.length, 0)
    times = np.bincount(drawn, minlength=len(setup.dataset.q))
    assert times.max() > 2 * np.median(times[times > 0])
    assert _share(setup, "circle") == pytest.approx(0.5, abs=0.02)


def test_a_share_for_a_task_without_demonstrations_is_refused(two_tasks):
    with pytest.raises(ConfigError, match=r"(?s)rings.*circle"):
        open_data(make_config(task_share={"rings": 1.0}), two_tasks)


def test_rollouts_play_the_averaged_weights_and_stand_in_the_log(two_tasks, tmp_path):
    played = []

    def rollout(folder, episodes):
        facts = json.loads((folder / "config.json").read_text())["training"]
        played.append((facts["steps"], episodes, sorted(facts["tasks"])))
        return {"circle": 0.5, "square": 0.75}

    config = make_config(rollout_every=4, rollout_episodes=3, max_steps=8, validate_every=100)
    result = train(config, two_tasks, tmp_path / "out", rollout=rollout)
    assert played == [(4, 3, ["circle", "square"]), (8, 3, ["circle", "square"])]
    header, *rows = (tmp_path / "out" / "log.csv").read_text().splitlines()
    assert header.endswith("held_out_circle,held_out_square,success_circle,success_square")
    assert [row.split(",")[-2:] for row in rows] == [["0.5", "0.75"]] * 2
    facts = json.loads((result.checkpoint / "config.json").read_text())["training"]
    assert facts["tasks"]["circle"] == {"episodes": 4, "frames": 48}
    whole = train(make_config(max_steps=8), two_tasks, tmp_path / "plain")
    weights = [r.checkpoint / "model.safetensors" for r in (result, whole)]
    assert weights[0].read_bytes() == weights[1].read_bytes()  # rollouts change nothing


def test_rollouts_that_nobody_plays_are_refused(two_tasks, tmp_path):
    with pytest.raises(ConfigError, match="nobody plays"):
        train(make_config(rollout_every=4), two_tasks, tmp_path)
