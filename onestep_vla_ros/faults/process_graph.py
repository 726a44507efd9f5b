# SPDX-License-Identifier: Apache-2.0
"""The graphs of the process rows: the real bridge between stand-ins or the real policy."""

from __future__ import annotations

from dataclasses import replace

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.deployment import Node
from onestep_vla_ros.files import read_parameters, shipped_checkpoint

SETTINGS = ("source", "points", "positions", "policy", "starved", "clock", "relay")
"""What sends the chunks, and on which clock the graph runs.

source: stand-in policy; points, positions: the same with these outputs instead of trajectories;
policy: the real policy_node with the shipped checkpoint; starved: the
same policy, whose memory the rig can end; all on real time, as on a robot. clock: stand-in
policy on a /clock that the rig can bend. relay: stand-in policy behind a relay process, which is
what a partition cuts.
"""

CHUNK_PERIOD_S = 0.12
REPLAN_S = 0.24
"""Period of the real policy [s]."""
FROZEN_IMAGES = 10
"""So many equal pictures in a row are refused by the policy."""

_OUTPUTS = {
    "points": {"output_mode": ["joint_trajectory_point"] * 2},
    "positions": {"output_mode": ["forward_position"] * 2},
}
_BRIDGE_FILES = ("bridge.yaml", "bridge_robot.yaml")


def nodes(setting: str, **bridge: object) -> tuple[Node, ...]:
    """Return the graph's nodes: the robot first, the checker second, the bridge third.

    Args:
        setting: One of `SETTINGS`.
        bridge: Parameters of the bridge (and of the checker, which reads the same).

    Raises:
        ConfigError: There is no such setting.
    """
    if setting not in SETTINGS:
        raise ConfigError("no such graph", got=repr(setting), allowed=list(SETTINGS))
    is_sim = setting == "clock"
    bridge = {**_OUTPUTS.get(setting, {}), **bridge}
    robot = Node(
        "stand_in_robot",
        "stand_in_robot",
        parameters={
            "has_cameras": setting in ("policy", "starved"),
            "clock": "published" if is_sim else "system",
        },
    )
    found = [robot, _bridge("wire_checker", is_sim, bridge), bridge_node(is_sim, **bridge)]
    if setting in ("policy", "starved"):
        executable = "policy_node" if setting == "policy" else "starved_policy"
        found.append(replace(policy_node(), executable=executable))
    else:
        topic = "action_chunk_near" if setting == "relay" else "action_chunk"
        parameters = {"period_s": CHUNK_PERIOD_S, "topic": topic, "use_sim_time": is_sim}
        found.append(Node("chunk_source", "chunk_source", parameters=parameters))
    if setting == "relay":
        found.append(Node("chunk_relay", "chunk_relay"))
    return tuple(found)


def bridge_node(is_sim: bool = False, **parameters: object) -> Node:
    """Return the real bridge with a robot's parameters."""
    return _bridge("bridge_node", is_sim, parameters)


def policy_node(**parameters: object) -> Node:
    """Return the real policy with the shipped checkpoint, on real time."""
    checkpoint = str(shipped_checkpoint())
    given = {
        "checkpoint": checkpoint,
        "replan_period_s": REPLAN_S,
        "frozen_images": FROZEN_IMAGES,
        "use_sim_time": False,
    }
    return Node("policy_node", "policy", config=("policy.yaml",), parameters=given | parameters)


def bridge_parameters() -> dict[str, object]:
    """Return the bridge's parameters as the files give them."""
    found: dict[str, object] = {}
    for name in _BRIDGE_FILES:
        found |= read_parameters(name)
    return found


def _bridge(executable: str, is_sim: bool, parameters: dict[str, object]) -> Node:
    name = "bridge" if executable == "bridge_node" else executable
    given = {"use_sim_time": is_sim, **parameters}
    return Node(executable, name, config=_BRIDGE_FILES, parameters=given)


def policy_parameter(name: str) -> float:
    """Return one of the policy's numbers as its file gives it."""
    return float(read_parameters("policy.yaml")[name])  # type: ignore[arg-type]
