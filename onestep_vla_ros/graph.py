# SPDX-License-Identifier: Apache-2.0
"""The deployments, written once: which nodes, with which parameters and remaps.

`launch/*.launch.py` turns a graph into launch_ros actions, `onestep_vla_ros.up` runs the same
graph as plain processes where launch_ros does not exist.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from onestep_vla_ros.core.errors import ConfigError, raise_all
from onestep_vla_ros.files import PACKAGE, share_dir

Arguments = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a graph: `name:=value` on either command line.

    Attributes:
        choices: Every allowed value; empty for free text.
    """

    name: str
    default: str
    description: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Xacro:
    """A parameter whose value is the text that xacro makes of `urdf/<file>`."""

    file: str
    mappings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One process of a graph.

    Attributes:
        executable: Name of the console script, and of the module in `nodes/` when ours.
        name: ROS node name.
        package: Whose executable it is.
        config: Files of `config/` read as parameter files, first to last.
        parameters: Parameters that override the files.
        remaps: (from, to) names.
        arguments: Plain command-line arguments.
        is_required: The graph ends when this process ends.
        is_renamed: Give the process `name`; a spawner names itself after its controller.
    """

    executable: str
    name: str
    package: str = PACKAGE
    config: tuple[str, ...] = ()
    parameters: Mapping[str, object] = field(default_factory=dict)
    remaps: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] = ()
    is_required: bool = True
    is_renamed: bool = True


@dataclass(frozen=True, slots=True)
class Graph:
    """A deployment: documented arguments and the nodes they give."""

    name: str
    description: str
    arguments: tuple[Argument, ...]
    build: Callable[[Arguments], tuple[Node, ...]]

    def nodes(self, given: Arguments) -> tuple[Node, ...]:
        """Return the nodes for the given arguments; the rest take their defaults.

        Raises:
            ConfigError: Unknown arguments or values outside the choices, all at once.
        """
        known = {argument.name: argument for argument in self.arguments}
        faults = [
            f"unknown argument {name!r}; allowed: {sorted(known)}"
            for name in given
            if name not in known
        ]
        faults += [
            f"argument {name!r}; got: {value!r}; allowed: {list(known[name].choices)}"
            for name, value in given.items()
            if name in known and known[name].choices and value not in known[name].choices
        ]
        where, do = f"graph {self.name!r}", "see onestep-vla up list, or ros2 launch --show-args"
        raise_all(ConfigError, where, faults, do)
        return self.build({name: a.default for name, a in known.items()} | dict(given))


def find_graph(name: str) -> Graph:
    """Return the graph called `name`, or raise `ConfigError` naming all."""
    for graph in GRAPHS:
        if graph.name == name:
            return graph
    raise ConfigError("unknown graph", got=repr(name), allowed=[g.name for g in GRAPHS])


def _integer(arguments: Arguments, name: str) -> int:
    try:
        return int(arguments[name])
    except ValueError:
        raise ConfigError(
            f"argument {name!r} is no integer", got=repr(arguments[name]), allowed="for example 1"
        ) from None


def _number(arguments: Arguments, name: str) -> float:
    try:
        return float(arguments[name])
    except ValueError:
        raise ConfigError(
            f"argument {name!r} is no number", got=repr(arguments[name]), allowed="for example 0.5"
        ) from None


def _checkpoint(arguments: Arguments) -> str:
    given = arguments["checkpoint"]
    return str(Path(given).resolve() if given else share_dir() / "resource" / "nano_place")


def _policy(arguments: Arguments, *, use_sim_time: bool) -> Node:
    return Node(
        "policy_node",
        "policy",
        config=("policy.yaml",),
        parameters={
            "checkpoint": _checkpoint(arguments),
            "steps": _integer(arguments, "steps"),
            "replan_period_s": _number(arguments, "replan"),
            "noise": arguments["noise"],
            "autostart": True,
            "use_sim_time": use_sim_time,
        },
    )


def _bridge(arguments: Arguments, *, use_sim_time: bool) -> Node:
    robot = () if use_sim_time else ("bridge_robot.yaml",)
    return Node(
        "bridge_node",
        "bridge",
        config=("bridge.yaml", *robot),
        parameters={"output_mode": arguments["output"], "use_sim_time": use_sim_time},
    )


def _sim_nodes(arguments: Arguments) -> tuple[Node, ...]:
    sim = Node(
        "sim_node",
        "sim",
        config=("sim.yaml",),
        parameters={
            "task": arguments["task"],
            "seed": _integer(arguments, "seed"),
            "mode": arguments["mode"],
            "command_mode": arguments["output"],
            "replan_period_s": _number(arguments, "replan"),
        },
    )
    return (
        sim,
        _bridge(arguments, use_sim_time=True),
        _policy(arguments, use_sim_time=True),
    )


def _demo_nodes(arguments: Arguments) -> tuple[Node, ...]:
    folder = str(Path(arguments["out"]).resolve())
    return (
        *_sim_nodes(arguments),
        Node(
            "recorder_node",
            "recorder",
            config=("recorder.yaml",),
            parameters={"folder": folder, "use_sim_time": True},
            is_required=False,
        ),
        Node(
            "demo_conductor",
            "conductor",
            config=("conductor.yaml",),
            parameters={
                "folder": folder,
                "episodes": _integer(arguments, "episodes"),
                "timeout_s": _number(arguments, "timeout"),
                "use_sim_time": True,
            },
        ),
    )


def _robot_nodes(arguments: Arguments) -> tuple[Node, ...]:
    if arguments["hardware"] == "real" and not arguments["plugin"]:
        raise ConfigError(
            "argument 'plugin' is missing",
            got="hardware:=real",
            do="add plugin:=CLASS, the ros2_control plugin of your YAM driver",
        )
    mappings = tuple((name, arguments[name]) for name in ("hardware", "plugin") if arguments[name])
    description = Xacro("bimanual_yam.urdf.xacro", mappings)
    manager = Node(
        "ros2_control_node", "controller_manager", "controller_manager", ("controllers.yaml",)
    )
    publisher = Node(
        "robot_state_publisher",
        "robot_state_publisher",
        "robot_state_publisher",
        parameters={"robot_description": description},
    )
    spawners = tuple(
        Node(
            "spawner",
            f"spawn_{controller}",
            "controller_manager",
            arguments=(controller,),
            is_required=False,
            is_renamed=False,
        )
        for controller in (
            "joint_state_broadcaster",
            "left_arm_controller",
            "right_arm_controller",
        )
    )
    return (
        publisher,
        manager,
        *spawners,
        _bridge(arguments, use_sim_time=False),
        _policy(arguments, use_sim_time=False),
    )


_POLICY_ARGUMENTS = (
    Argument("checkpoint", "", "Checkpoint folder; empty: the shipped resource/nano_place"),
    Argument("steps", "-1", "Euler steps K of the decoder; 0: auto, -1: the checkpoint's own"),
    Argument(
        "noise",
        "checkpoint",
        "Starting noise of the decoder; checkpoint: the checkpoint's own",
        ("checkpoint", "zero", "seeded", "sampled", "mean_k"),
    ),
    Argument("replan", "0.24", "Time between the observations that the policy answers [s]"),
    Argument(
        "output",
        "joint_trajectory",
        "What the controllers take: trajectories that end at rest, or bare positions",
        ("joint_trajectory", "forward_position"),
    ),
)

_SIM_ARGUMENTS = (
    Argument("task", "place", "Task of the simulated table", ("place",)),
    Argument("seed", "0", "Seed of the first episode; each sim/reset goes on to the next"),
    Argument(
        "mode",
        "realtime",
        "realtime: paced to the wall clock; lockstep: waits for the bridge and the policy",
        ("realtime", "lockstep"),
    ),
    *_POLICY_ARGUMENTS,
)

GRAPHS: tuple[Graph, ...] = (
    Graph(
        "sim",
        "Two simulated YAM arms at their table, the policy and the bridge. "
        "The arms move once the service bridge/enable is called with data true.",
        _SIM_ARGUMENTS,
        _sim_nodes,
    ),
    Graph(
        "demo",
        "The sim graph with a recorder and a conductor that runs seeded episodes and ends.",
        (
            *_SIM_ARGUMENTS,
            Argument("episodes", "10", "How many episodes to run"),
            Argument("timeout", "15.0", "Simulated time after which an episode has failed [s]"),
            Argument("out", os.path.join("out", "demo"), "Folder for the recording"),
        ),
        _demo_nodes,
    ),
    Graph(
        "robot",
        "Real arms (or ros2_control's mock of them), the policy and the bridge. Needs a ROS 2 "
        "installation with ros2_control and camera drivers that publish <camera>/image_raw.",
        (
            Argument(
                "hardware",
                "mock",
                "mock: ros2_control's mock components, nothing moves; real: your driver's plugin",
                ("mock", "real"),
            ),
            Argument("plugin", "", "Class of the ros2_control plugin of your YAM driver"),
            *_POLICY_ARGUMENTS,
        ),
        _robot_nodes,
    ),
)
