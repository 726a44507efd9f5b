# SPDX-License-Identifier: Apache-2.0
"""Two simulated YAM arms, the policy and the bridge: the graph "sim" of onestep_vla_ros.graph."""

from onestep_vla_ros.launching import describe


def generate_launch_description():
    return describe("sim")
