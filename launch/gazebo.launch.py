# SPDX-License-Identifier: Apache-2.0
"""Two YAM arms in Gazebo Sim: the graph "gazebo" of onestep_vla_ros.graph beside the server."""

from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, PythonExpression
from launch_ros.substitutions import FindPackageShare

from onestep_vla_ros.files import share_dir
from onestep_vla_ros.launching import describe


def generate_launch_description():
    world = str(share_dir() / "urdf" / "worlds" / "bimanual_table.sdf")
    source = PathJoinSubstitution([FindPackageShare("ros_gz_sim"), "launch", "gz_sim.launch.py"])
    # -r: run at once; -s: the server only, which still renders the cameras
    window = PythonExpression(["'' if '", LaunchConfiguration("gui"), "' == 'true' else ' -s'"])
    server = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(source),
        launch_arguments={"gz_args": [world, " -r", window], "on_exit_shutdown": "true"}.items(),
    )
    return describe("gazebo", server)
