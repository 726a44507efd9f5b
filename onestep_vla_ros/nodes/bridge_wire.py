# SPDX-License-Identifier: Apache-2.0
"""What a profile of the bridge reads and writes: names, units and the arms' topics."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.node import Node

from onestep_vla_ros.core.bridge_config import PROFILES, BridgeConfig
from onestep_vla_ros.core.delta_config import DeltaConfig
from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.core.wire_units import StateUnits, WireUnits
from onestep_vla_ros.nodes.action_output import ActionOutputs
from onestep_vla_ros.nodes.outputs import Outputs
from onestep_vla_ros.nodes.params import read_parameters


@dataclass(frozen=True, slots=True)
class BridgeWire:
    """One profile's side of the wire.

    Attributes:
        units: Reads joint_states.
        state_names: Columns of policy/start_pose.
        action_names: Columns of action_chunk.
        outputs: Where commands go.
        is_delta: Are chunks increments? Then there is no plan in positions, which bridge/plan
            would tell, and what became of each chunk is told on bridge/verdict.
    """

    units: StateUnits
    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    outputs: Outputs | ActionOutputs
    is_delta: bool


def read_profile(node: Node) -> BridgeConfig | DeltaConfig:
    """Return the parameters of the profile that `node` was given; errors as `read_parameters`."""
    given = node._parameter_overrides.get("profile")  # noqa: SLF001 - no public way
    if given is not None and given.value == PROFILES[1]:
        return read_parameters(node, DeltaConfig)
    return read_parameters(node, BridgeConfig)


def open_wire(node: Node, config: BridgeConfig | DeltaConfig) -> BridgeWire:
    """Return the wire of a profile, with its publishers on `node`."""
    if isinstance(config, DeltaConfig):
        states, actions = config.state_names, config.action_names
        units = StateUnits(states, [1.0] * len(states), [0.0] * len(states))
        outputs = ActionOutputs(node, actions, config.control_period_s)
        return BridgeWire(units, states, actions, outputs, is_delta=True)
    return BridgeWire(
        WireUnits(config), JOINT_NAMES, JOINT_NAMES, Outputs(node, config), is_delta=False
    )
