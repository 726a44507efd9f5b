# SPDX-License-Identifier: Apache-2.0
"""The deployments, written once: which nodes, with which parameters and remaps.

`launch/*.launch.py` turns a graph into launch_ros actions, `onestep_vla_ros.up` runs the same
graph as plain processes where launch_ros does not exist.
"""

from __future__ import annotations

import os
from pathlib import Path

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.deployment import Argument, Arguments, Graph, Node, Xacro
from onestep_vla_ros.files import share_dir
from onestep_vla_ros.libero_graph import LIBERO
from onestep_vla_ros.policy_deployment import NOISE, STEPS, integer, number, policy


def find_graph(name: str) -> Graph:
    """Return the graph called `name`, or raise `ConfigError` naming all."""
    for graph in GRAPHS:
        if graph.name == name:
            return graph
    raise ConfigError("unknown graph", got=repr(name), allowed=[g.name for g in GRAPHS])


def _bridge(arguments: Arguments, *, use_sim_time: bool) -> Node:
    robot = () if use_sim_time else ("bridge_robot.yaml",)
    rate = ("bridge_250hz.yaml",) if arguments.get("rate") == "250" else ()
    return Node(
        "bridge_node",
        "bridge",
        config=("bridge.yaml", *robot, *rate),
        parameters={"output_mode": [arguments["output"]] * 2, "use_sim_time": use_sim_time},
    )


def _sim_nodes(arguments: Arguments) -> tuple[Node, ...]:
    sim = Node(
        "sim_node",
        "sim",
        config=("sim.yaml",),
        parameters={
            "task": arguments["task"],
            "seed": integer(arguments, "seed"),
            "mode": arguments["mode"],
            "command_mode": arguments["output"],
            "replan_period_s": number(arguments, "replan"),
        },
    )
    return (
        sim,
        _bridge(arguments, use_sim_time=True),
        policy(arguments, use_sim_time=True),
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
                "episodes": integer(arguments, "episodes"),
                "timeout_s": number(arguments, "timeout"),
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
    return (
        _publisher(description, use_sim_time=False),
        manager,
        *_SPAWNERS,
        _bridge(arguments, use_sim_time=False),
        policy(arguments, use_sim_time=False, config=("policy_robot.yaml",)),
    )


def _gazebo_nodes(arguments: Arguments) -> tuple[Node, ...]:
    """Return all but the Gazebo server itself: launch/gazebo.launch.py includes that."""
    controllers = str(share_dir() / "config" / "controllers.yaml")
    mappings = (("hardware", "gazebo"), ("controllers", controllers))
    spawn = Node(
        "create",
        "spawn_arms",
        "ros_gz_sim",
        arguments=("-name", "bimanual_yam", "-topic", "robot_description"),
        is_required=False,
    )
    images = [f"/{camera}/image_raw" for camera in ("top", "left_wrist", "right_wrist")]
    carried = ("/clock@rosgraph_msgs/msg/Clock[gz.msgs.Clock",) + tuple(
        f"{name}@sensor_msgs/msg/Image[gz.msgs.Image" for name in images
    )
    return (
        _publisher(Xacro("bimanual_yam.urdf.xacro", mappings), use_sim_time=True),
        Node("parameter_bridge", "gz_bridge", "ros_gz_bridge", arguments=carried),
        spawn,
        *_SPAWNERS,
        _bridge(arguments, use_sim_time=True),
        policy(arguments, use_sim_time=True),
    )


def _publisher(description: Xacro, *, use_sim_time: bool) -> Node:
    return Node(
        "robot_state_publisher",
        "robot_state_publisher",
        "robot_state_publisher",
        parameters={"robot_description": description, "use_sim_time": use_sim_time},
    )


_SPAWNERS = tuple(
    Node(
        "spawner",
        f"spawn_{controller}",
        "controller_manager",
        arguments=(controller,),
        is_required=False,
        is_renamed=False,
    )
    for controller in ("joint_state_broadcaster", "left_arm_controller", "right_arm_controller")
)

_POLICY_ARGUMENTS = (
    Argument("checkpoint", "", "Checkpoint folder; empty: the shipped resource/nano"),
    STEPS,
    NOISE,
    Argument("replan", "0.24", "Time between the observations that the policy answers [s]"),
    Argument(
        "output",
        "joint_trajectory",
        "What the controllers take: trajectories that end at rest, single points, or positions",
        ("joint_trajectory", "joint_trajectory_point", "forward_position"),
    ),
)

_SIM_ARGUMENTS = (
    Argument("task", "place", "Task of the simulated table: one, several with commas, or all"),
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
            Argument(
                "timeout",
                "0.0",
                "Simulated time after which an episode has failed [s]; 0: task's own",
            ),
            Argument("out", os.path.join("out", "demo"), "Folder for the recording"),
        ),
        _demo_nodes,
    ),
    LIBERO,
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
            Argument("rate", "100", "Control periods a second of the bridge", ("100", "250")),
            *_POLICY_ARGUMENTS,
        ),
        _robot_nodes,
    ),
    Graph(
        "gazebo",
        "Two YAM arms at their table in Gazebo Sim (Harmonic), the policy and the bridge. Needs "
        "a ROS 2 installation with ros_gz_sim, ros_gz_bridge and gz_ros2_control.",
        (
            Argument("gui", "true", "Show Gazebo's window", ("true", "false")),
            *_POLICY_ARGUMENTS,
        ),
        _gazebo_nodes,
    ),
)
