# SPDX-License-Identifier: Apache-2.0
"""What a deployment is made of: documented arguments and the nodes that they give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from onestep_vla_ros.core.errors import ConfigError, raise_all
from onestep_vla_ros.files import PACKAGE

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
