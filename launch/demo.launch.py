# SPDX-License-Identifier: Apache-2.0
"""The seeded, recorded episodes of `onestep-vla demo`: graph "demo" of onestep_vla_ros.graph."""

from onestep_vla_ros.launching import describe


def generate_launch_description():
    return describe("demo")
