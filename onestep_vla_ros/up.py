# SPDX-License-Identifier: Apache-2.0
"""Run a graph as plain processes, as `ros2 launch` does where launch_ros exists."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.deployment import Node
from onestep_vla_ros.files import PACKAGE, share_dir
from onestep_vla_ros.graph import GRAPHS, find_graph
from onestep_vla_ros.processes import Processes, Sink, Terminated
from onestep_vla_ros.transport import environment

_POLL_S = 0.1


def describe_graphs() -> str:
    """Return every graph with its arguments, defaults and choices, for reading."""
    lines: list[str] = []
    for graph in GRAPHS:
        lines += [f"{graph.name}: {graph.description}"]
        for argument in graph.arguments:
            choices = f" {list(argument.choices)}" if argument.choices else ""
            lines += [f"  {argument.name}:={argument.default!r}{choices}  {argument.description}"]
        lines += [""]
    return "\n".join(lines).rstrip()


def command(node: Node) -> list[str]:
    """Return the command line that runs one node of ours in this interpreter.

    Raises:
        ConfigError: The node comes from a package that only a ROS 2 installation has.
    """
    if node.package != PACKAGE:
        raise ConfigError(
            f"node {node.name!r} is not ours to start",
            got=f"package {node.package}",
            do="use ros2 launch on a machine with a ROS 2 installation",
        )
    module = f"onestep_vla_ros.nodes.{node.executable}"
    words = [sys.executable, "-m", module, *node.arguments]
    words += ["--ros-args", "-r", f"__node:={node.name}"]
    for name in node.config:
        words += ["--params-file", str(share_dir() / "config" / name)]
    for name, value in node.parameters.items():
        words += ["-p", f"{name}:={json.dumps(value)}"]  # JSON is YAML, with types kept
    for old, new in node.remaps:
        words += ["-r", f"{old}:={new}"]
    return words


def run_graph(
    name: str, arguments: Mapping[str, str], variables: Mapping[str, str] | None = None
) -> int:
    """Run the graph called `name` until a signal or a required process ends it.

    Args:
        name: One of `graph.GRAPHS`.
        arguments: Argument name to value; the rest take their defaults.
        variables: Set for every process, above those that each graph needs.

    Returns:
        0 after a signal or when the process that ended succeeded, else 1.

    Raises:
        ConfigError: Unknown graph, unknown argument or value, or a node that is not ours.
    """
    nodes = find_graph(name).nodes(arguments)
    commands = {node.name: command(node) for node in nodes}
    with Processes(_prefixed(nodes), {**environment(), **(variables or {})}) as processes:
        try:
            for node_name, words in commands.items():
                processes.start(node_name, words)
            return wait_for_end(nodes, processes)
        except (KeyboardInterrupt, Terminated):
            return 0


def wait_for_end(nodes: tuple[Node, ...], processes: Processes) -> int:
    """Block until a required process has ended; return 0 when it succeeded, else 1."""
    required = {node.name for node in nodes if node.is_required}
    while True:
        ended = {n: status for n, status in processes.ended().items() if n in required}
        if ended:
            failed = {n: status for n, status in ended.items() if status != 0}
            for node_name, status in failed.items():
                print(
                    f"onestep-vla: process {node_name!r} ended with status {status}; "
                    "the graph stops; do: read its last lines above",
                    file=sys.stderr,
                )
            return 1 if failed else 0
        time.sleep(_POLL_S)


def _prefixed(nodes: tuple[Node, ...]) -> Sink:
    width = max(len(node.name) for node in nodes)
    lock = threading.Lock()

    def write(name: str, line: str) -> None:
        with lock:
            sys.stdout.write(f"[{name:<{width}}] {line}\n")
            sys.stdout.flush()

    return write
