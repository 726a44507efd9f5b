# SPDX-License-Identifier: Apache-2.0
"""sim_node: a simulated station as ROS sees a robot."""

from __future__ import annotations

import contextlib
import sys
import threading

import rclpy
from rclpy.node import Node

from onestep_vla_ros.core.config import SimNodeConfig
from onestep_vla_ros.nodes.entry import run_node
from onestep_vla_ros.nodes.executor import make_executor, spin
from onestep_vla_ros.nodes.lifetime import is_wanted
from onestep_vla_ros.nodes.params import read_parameters
from onestep_vla_ros.nodes.sim_loop import SimLoop
from onestep_vla_ros.nodes.sim_wire import SimWire
from onestep_vla_ros.sim.stations import Stations, task_names


def main(arguments: list[str] | None = None) -> int:
    """Serve the world until shutdown; 1 when a parameter or the lockstep is at fault."""
    return run_node("sim_node", arguments, _run)


def _run() -> int:
    """Run the loop; MuJoCo and its GL context stay in this thread, a second one spins."""
    node = Node("sim")
    executor = make_executor()
    executor.add_node(node)
    spinner = threading.Thread(target=spin, args=(executor,))
    try:
        config = read_parameters(node, SimNodeConfig)
        with contextlib.closing(Stations(task_names(config.task))) as world:
            wire = SimWire(node, config, world.cameras)
            spinner.start()
            SimLoop(world, wire, config).run(is_wanted)
    finally:
        rclpy.try_shutdown()
        if spinner.is_alive():
            spinner.join()
        node.destroy_node()
    return 0


if __name__ == "__main__":
    sys.exit(main())
