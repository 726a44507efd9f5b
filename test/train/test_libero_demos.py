# SPDX-License-Identifier: Apache-2.0
"""LIBERO's demonstrations are LeRobot datasets of its arm; a policy trained on them acts there."""

import numpy as np
import pytest
from tiny_demos import make_config

from onestep_vla_ros.core.embodiment import LIBERO_PANDA
from onestep_vla_ros.core.errors import ConfigError, DatasetError
from onestep_vla_ros.train.dataset import open_dataset
from onestep_vla_ros.train.libero_cells import Decodings, LiberoCell, cells_of, resolve
from onestep_vla_ros.train.libero_demos import PICTURE_EVERY, LiberoScene, write_libero_demos
from onestep_vla_ros.train.libero_runner import LiberoRunner
from onestep_vla_ros.train.trainer import train

pytest.importorskip("libero", reason="needs the pip extra libero (make test-libero)")
pytestmark = [pytest.mark.libero, pytest.mark.slow]

SIZES = {"agentview": (32, 32), "eye_in_hand": (16, 16)}
TASK = 2


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("libero") / "demos"
    summary = write_libero_demos(
        folder, LiberoScene("libero_object", TASK), 2, 100_000, progress=False
    )
    assert summary.written == 2
    return folder


@pytest.fixture(scope="module")
def checkpoint(demos, tmp_path_factory):
    images = {name: list(size) for name, size in SIZES.items()}
    head = {**make_config().head, "horizon": 8}
    config = make_config(
        images=images, frame_stride=PICTURE_EVERY, max_steps=3, surprise_repeat=1, head=head
    )
    return train(config, [demos], tmp_path_factory.mktemp("run") / "run").checkpoint


def test_frames_are_what_the_expert_wanted_from_where_an_unsteady_hand_got_to(demos):
    data = open_dataset([demos], 8, SIZES, PICTURE_EVERY)
    assert data.meta.robot is LIBERO_PANDA
    assert data.meta.expert.startswith("scripted privileged-state")
    assert data.instructions == ("pick up the salad dressing and place it in the basket",)
    assert len(data.start_q) == 2
    assert np.abs(data.action).max() <= 1.0
    assert set(np.unique(data.action[..., 6])) == {-1.0, 1.0}
    # the hand of the second episode was shaken otherwise, in a scene of its own
    first, second = (data.q[data.episode == i][:20] for i in (0, 1))
    assert np.abs(first - second).max() > 0.01


def test_cameras_at_half_the_rate_show_each_picture_twice(demos):
    every = open_dataset([demos], 8, SIZES)
    pictures = every.images["agentview"][np.flatnonzero(every.episode == 0)]
    even, odd = pictures[0:-1:2].astype(float), pictures[1::2].astype(float)
    assert np.abs(even - odd[: len(even)]).mean() < 2.0  # of 255: what the video code leaves
    assert np.abs(even[10] - even[20]).mean() > np.abs(even[10] - odd[10]).mean()


def test_the_same_request_adds_nothing_and_another_rendering_is_refused(demos):
    again = write_libero_demos(
        demos, LiberoScene("libero_object", TASK), 2, 100_000, progress=False
    )
    assert again.written == 2
    with pytest.raises(ConfigError, match="always"):
        LiberoScene("libero_object", TASK, unsteady="never")
    with pytest.raises(DatasetError, match="rendering"):
        write_libero_demos(
            demos, LiberoScene("libero_object", TASK, "full"), 2, 100_000, progress=False
        )


def test_a_policy_acts_chunk_by_chunk_and_the_same_from_the_same_state(checkpoint):
    cell = resolve(
        LiberoCell("libero_object", TASK, str(checkpoint), rendering="fast", noise="sampled")
    )
    runner = LiberoRunner()
    try:
        episodes = []
        for _ in range(2):
            told = []
            episode = runner.run(cell, 3, lambda world, told=told: told.append(world.last_action))
            episodes.append((episode, np.array(told)))
    finally:
        runner.close()
    (first, told), (second, again) = episodes
    assert np.array_equal(told, again)
    assert first.ticks == second.ticks
    assert first.chunks == len(first.inference_s) == -(-first.ticks // cell.replan)
    assert first.evaluations == first.chunks


def test_steps_are_cells_of_their_own_and_a_chunk_has_an_end(checkpoint):
    cells = cells_of("libero_object", (0, 4), Decodings(str(checkpoint), (1, 10)), "fast")
    assert [(c.steps, c.task) for c in cells] == [(1, 0), (1, 4), (10, 0), (10, 4)]
    with pytest.raises(ConfigError, match="1 to 8"):
        cells_of("libero_object", (0,), Decodings(str(checkpoint), replan=9), "fast")
