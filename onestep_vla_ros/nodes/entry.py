# SPDX-License-Identifier: Apache-2.0
"""How every node's process begins and ends: no traceback for a fault that a user can mend."""

from __future__ import annotations

import sys
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from onestep_vla_ros.core.errors import OneStepError
from onestep_vla_ros.nodes.executor import make_executor, spin
from onestep_vla_ros.nodes.lifetime import watch_signals
from onestep_vla_ros.transport import share_no_memory


def run_node(
    name: str,
    arguments: list[str] | None,
    body: Callable[[], int],
    *,
    has_pictures: bool = False,
) -> int:
    """Start rclpy, run `body`, shut down; return the exit status.

    Args:
        name: The executable, for messages.
        arguments: Command line with `--ros-args`; None takes the process's own.
        body: Builds the node, spins it, destroys it; returns 0 when all went well.
        has_pictures: Its messages are too large for sockets: let it share memory with others.

    Returns:
        What `body` returns; 0 after a signal; 1 after an error that names its cause on stderr.
    """
    if not has_pictures:
        share_no_memory()
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    watch_signals()
    try:
        return body()
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except (OneStepError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    finally:
        rclpy.try_shutdown()


def spin_node(name: str, build: Callable[[Node], object]) -> int:
    """Spin a node called `name`, filled by `build`, until shutdown: a body for `run_node`."""
    node = Node(name)
    executor = make_executor()
    executor.add_node(node)
    try:
        carrier = build(node)  # kept alive while it spins
        spin(executor)
        del carrier
    finally:
        node.destroy_node()
    return 0
