# SPDX-License-Identifier: Apache-2.0
"""Real arms or ros2_control's mock of them: the graph "robot" of onestep_vla_ros.graph."""

from onestep_vla_ros.launching import describe


def generate_launch_description():
    return describe("robot")
