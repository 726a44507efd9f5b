# SPDX-License-Identifier: Apache-2.0
"""sim_node: a simulated station as ROS sees a robot."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable

import rclpy
from rclpy.node import Node

from onestep_vla_ros.core.config import LIBERO, SimNodeConfig
from onestep_vla_ros.nodes.action_driver import ActionDriver
from onestep_vla_ros.nodes.entry import run_node
from onestep_vla_ros.nodes.executor import make_executor, spin
from onestep_vla_ros.nodes.lifetime import is_wanted
from onestep_vla_ros.nodes.params import read_parameters
from onestep_vla_ros.nodes.sim_loop import SimLoop
from onestep_vla_ros.nodes.sim_wire import SimWire
from onestep_vla_ros.nodes.step_loop import StepLoop
from onestep_vla_ros.sim.libero_suites import open_task
from onestep_vla_ros.sim.libero_world import ACTION_NAMES, STATE_NAMES, LiberoWorld
from onestep_vla_ros.sim.stations import Stations, task_names

Run = Callable[[Callable[[], bool]], None]


def main(arguments: list[str] | None = None) -> int:
    """Serve the world until shutdown; 1 when a parameter or the lockstep is at fault."""
    return run_node("sim_node", arguments, _run, has_pictures=True)


def _run() -> int:
    """Run the loop; MuJoCo and its GL context stay in this thread, a second one spins."""
    node = Node("sim")
    executor = make_executor()
    executor.add_node(node)
    spinner = threading.Thread(target=spin, args=(executor,))
    try:
        config = read_parameters(node, SimNodeConfig)
        loop = _libero_loop if config.world == LIBERO else _yam_loop
        with contextlib.ExitStack() as stack:
            run = loop(stack, node, config)
            spinner.start()
            run(is_wanted)
    finally:
        rclpy.try_shutdown()
        if spinner.is_alive():
            spinner.join()
        node.destroy_node()
    return 0


def _yam_loop(stack: contextlib.ExitStack, node: Node, config: SimNodeConfig) -> Run:
    world = stack.enter_context(contextlib.closing(Stations(task_names(config.task))))
    return SimLoop(world, SimWire(node, config, world.cameras), config).run


def _libero_loop(stack: contextlib.ExitStack, node: Node, config: SimNodeConfig) -> Run:
    task = open_task(config.suite, int(config.task))
    world = stack.enter_context(contextlib.closing(LiberoWorld(task, rendering=config.rendering)))
    wire = SimWire(node, config, world.cameras, STATE_NAMES)
    driver = ActionDriver(ACTION_NAMES, ACTION_NAMES[-1:], config.control_period_s)
    return StepLoop(world, wire, driver, config).run


if __name__ == "__main__":
    sys.exit(main())
