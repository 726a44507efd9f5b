# SPDX-License-Identifier: Apache-2.0
"""A task of LIBERO, the policy and the bridge: the graph "libero" of onestep_vla_ros.graph."""

from onestep_vla_ros.launching import describe


def generate_launch_description():
    return describe("libero")
