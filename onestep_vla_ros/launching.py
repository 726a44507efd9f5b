# SPDX-License-Identifier: Apache-2.0
"""A graph as launch_ros actions, for the files in launch/; needs a ROS 2 installation."""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.events import Shutdown
from launch.substitutions import Command, LaunchConfiguration
from launch_ros.actions import Node as NodeAction
from launch_ros.parameter_descriptions import ParameterValue

from onestep_vla_ros.deployment import Graph, Node, Xacro
from onestep_vla_ros.files import share_dir
from onestep_vla_ros.graph import find_graph
from onestep_vla_ros.transport import environment


def describe(name: str, *beside: Action) -> LaunchDescription:
    """Return the launch description of the graph called `name`, with the actions `beside` it."""
    graph = find_graph(name)
    variables = [SetEnvironmentVariable(key, value) for key, value in environment().items()]
    arguments = [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            choices=list(argument.choices) or None,
        )
        for argument in graph.arguments
    ]
    return LaunchDescription(
        [
            *variables,
            *arguments,
            *beside,
            OpaqueFunction(function=_start, kwargs={"graph": graph}),
        ]
    )


def _start(context: LaunchContext, graph: Graph) -> list[Action]:
    """Build the nodes once the arguments have their values."""
    given = {a.name: LaunchConfiguration(a.name).perform(context) for a in graph.arguments}
    return [_action(node) for node in graph.nodes(given)]


def _action(node: Node) -> Action:
    files = [str(share_dir() / "config" / name) for name in node.config]
    values = {key: _value(value) for key, value in node.parameters.items()}
    return NodeAction(
        package=node.package,
        executable=node.executable,
        name=node.name if node.is_renamed else None,
        parameters=[*files, values] if values else files,
        remappings=list(node.remaps),
        arguments=list(node.arguments),
        output="both",
        emulate_tty=False,
        on_exit=[EmitEvent(event=Shutdown(reason=f"{node.name} ended"))]
        if node.is_required
        else None,
    )


def _value(value: object) -> object:
    if not isinstance(value, Xacro):
        return value
    words = ["xacro ", str(share_dir() / "urdf" / value.file)]
    for name, text in value.mappings:
        words += [f" {name}:={text}"]
    return ParameterValue(Command(words), value_type=str)
