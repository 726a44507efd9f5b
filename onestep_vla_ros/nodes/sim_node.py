# SPDX-License-Identifier: Apache-2.0
"""sim_node: a simulated station as ROS sees a robot."""

from __future__ import annotations

import sys
import threading
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from onestep_vla_ros.core.config import SimNodeConfig
from onestep_vla_ros.core.errors import OneStepError
from onestep_vla_ros.nodes.executor import make_executor
from onestep_vla_ros.nodes.params import read_parameters
from onestep_vla_ros.nodes.sim_loop import SimLoop
from onestep_vla_ros.nodes.sim_wire import SimWire
from onestep_vla_ros.sim.yam_station import YamStation


def main(arguments: list[str] | None = None) -> int:
    """Serve the world until shutdown; 1 when a parameter or the lockstep is at fault.

    Thread: MuJoCo and its GL context stay in this, the main, thread; a second one spins.
    """
    rclpy.init(args=arguments)
    node = Node("sim")
    executor = make_executor()
    executor.add_node(node)
    spinner = threading.Thread(target=_spin, args=(executor,))
    try:
        config = read_parameters(node, SimNodeConfig)
        world = YamStation(config.task)
        wire = SimWire(node, config, world.cameras)
        spinner.start()
        SimLoop(world, wire, config).run(rclpy.ok)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except OneStepError as error:
        print(f"sim_node: {error}", file=sys.stderr)
        return 1
    finally:
        rclpy.try_shutdown()
        if spinner.is_alive():
            spinner.join()
        node.destroy_node()
    return 0


def _spin(executor: Any) -> None:  # noqa: ANN401 - see make_executor
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        return


if __name__ == "__main__":
    sys.exit(main())
