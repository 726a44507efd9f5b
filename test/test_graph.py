# SPDX-License-Identifier: Apache-2.0
"""The deployments: arguments, nodes and the command lines they become."""

from __future__ import annotations

import sys

import pytest

from onestep_vla_ros import up
from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.files import share_dir
from onestep_vla_ros.graph import GRAPHS, find_graph


def names(graph, **arguments):
    return [node.name for node in find_graph(graph).nodes(arguments)]


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda g: g.name)
def test_every_argument_is_described_and_its_default_is_a_choice(graph):
    for argument in graph.arguments:
        assert argument.description
        assert not argument.choices or argument.default in argument.choices
    assert graph.nodes({})


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda g: g.name)
def test_every_config_file_exists(graph):
    for node in graph.nodes({}):
        for name in node.config:
            assert (share_dir() / "config" / name).is_file()


def test_unknown_arguments_and_values_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        find_graph("sim").nodes({"mode": "fast", "speed": "2"})
    for words in ("'mode'", "'fast'", "lockstep", "'speed'"):
        assert words in str(caught.value)


def test_unknown_graph_names_the_known_ones():
    with pytest.raises(ConfigError, match="sim.*robot"):
        find_graph("moon")


@pytest.mark.parametrize(("name", "value"), [("seed", "one"), ("replan", "soon"), ("steps", "x")])
def test_argument_that_is_no_number_is_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        find_graph("sim").nodes({name: value})


@pytest.mark.parametrize(("given", "parameter"), [("auto", 0), ("-1", -1), ("10", 10)])
def test_steps_are_a_number_or_auto(given, parameter):
    policy = find_graph("sim").nodes({"steps": given})[2]
    assert policy.parameters["steps"] == parameter


def test_demo_is_the_sim_graph_and_two_more():
    assert names("demo") == [*names("sim"), "recorder", "conductor"]


def test_robot_needs_a_ros_installation_and_says_so():
    with pytest.raises(ConfigError, match="ros2 launch"):
        up.run_graph("robot", {})
    with pytest.raises(ConfigError, match="plugin"):
        names("robot", hardware="real")


def test_libero_is_the_other_profile_and_a_conductor_for_episodes():
    sim, bridge, policy = find_graph("libero").nodes({"replan": "0.2", "task": "3"})
    assert bridge.config == ("bridge_libero.yaml",)
    assert policy.config == ("policy.yaml", "policy_libero.yaml")
    assert sim.parameters["task"] == "3"
    periods = [sim.parameters["camera_period_s"], sim.parameters["replan_period_s"]]
    assert periods == [0.2, 0.2] == [policy.parameters["replan_period_s"]] * 2
    assert names("libero", episodes="2")[-1] == "conductor"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"suite": "libero_moon"}, "unknown suite of LIBERO; got: 'libero_moon'.*libero_spatial"),
        ({"task": "milk"}, "argument 'task' is no integer; got: 'milk'"),
        ({"episodes": "-1"}, "argument 'episodes'; got: -1"),
        ({"mode": "fast"}, "'mode'.*lockstep"),
    ],
)
def test_libero_refuses_a_wrong_argument_before_anything_starts(given, words):
    with pytest.raises(ConfigError, match=words):
        up.run_graph("libero", given)


@pytest.mark.parametrize("backend", ["glfw", "nonsense"])
def test_libero_refuses_a_backend_that_needs_a_display(monkeypatch, backend):
    monkeypatch.setenv("MUJOCO_GL", backend)
    with pytest.raises(ConfigError, match=f"MUJOCO_GL; got: '{backend}'; allowed: .*egl"):
        up.run_graph("libero", {})


def test_only_the_robot_takes_the_stricter_bridge():
    for graph, count in (("sim", 1), ("robot", 2)):
        bridge = next(n for n in find_graph(graph).nodes({}) if n.name == "bridge")
        assert len(bridge.config) == count


def test_command_line_keeps_types():
    sim, bridge, policy = find_graph("sim").nodes({"seed": "7", "checkpoint": "here"})
    words = up.command(sim)
    assert words[:3] == [sys.executable, "-m", "onestep_vla_ros.nodes.sim_node"]
    assert "seed:=7" in words
    assert 'mode:="realtime"' in words
    assert "use_sim_time:=true" in up.command(bridge)
    assert any(w.startswith('checkpoint:="/') and w.endswith('here"') for w in up.command(policy))


def test_list_shows_every_graph_and_argument():
    text = up.describe_graphs()
    for graph in GRAPHS:
        assert graph.name in text
        for argument in graph.arguments:
            assert f"{argument.name}:=" in text
