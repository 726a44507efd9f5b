# SPDX-License-Identifier: Apache-2.0
"""The deployment of LIBERO: one simulated Panda arm, the policy and the bridge's other profile."""

from __future__ import annotations

import os
from pathlib import Path

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.deployment import Argument, Arguments, Graph, Node
from onestep_vla_ros.files import share_dir
from onestep_vla_ros.policy_deployment import NOISE, STEPS, integer, number, policy
from onestep_vla_ros.sim.libero_suites import check_backend, check_suite


def _nodes(arguments: Arguments) -> tuple[Node, ...]:
    replan_s, episodes = number(arguments, "replan"), integer(arguments, "episodes")
    if episodes < 0:
        raise ConfigError("argument 'episodes'", got=episodes, allowed="0, or how many to run")
    check_backend()
    sim = Node(
        "sim_node",
        "sim",
        config=("sim.yaml", "sim_libero.yaml"),
        parameters={
            "suite": check_suite(arguments["suite"]),
            "task": str(integer(arguments, "task")),
            "seed": integer(arguments, "seed"),
            "mode": arguments["mode"],
            "rendering": arguments["rendering"],
            # pictures are dear, and no other is looked at
            "camera_period_s": replan_s,
            "replan_period_s": replan_s,
        },
    )
    bridge = Node(
        "bridge_node",
        "bridge",
        config=("bridge_libero.yaml",),
        parameters={"use_sim_time": True},
    )
    brain = policy(
        arguments,
        use_sim_time=True,
        config=("policy_libero.yaml",),
        checkpoint=share_dir() / "resource" / "libero",
    )
    return (sim, bridge, brain, *([_conductor(arguments, episodes)] if episodes else []))


def _conductor(arguments: Arguments, episodes: int) -> Node:
    return Node(
        "demo_conductor",
        "conductor",
        config=("conductor.yaml",),
        parameters={
            "folder": str(Path(arguments["out"]).resolve()),
            "episodes": episodes,
            "keep_actions": True,
            "use_sim_time": True,
        },
    )


LIBERO = Graph(
    "libero",
    "A task of LIBERO, the policy and the bridge. The arm moves once the service bridge/enable is "
    "called with data true; lockstep begins with the first sim/reset. Needs the pip extra libero.",
    (
        Argument("suite", "libero_object", "Suite of LIBERO or LIBERO-Pro, as libero_spatial"),
        Argument("task", "0", "Place of the task in its suite, from 0"),
        Argument("seed", "0", "First initial state; each sim/reset goes on to the next"),
        Argument(
            "mode",
            "lockstep",
            "lockstep: waits for the chunk and every action; realtime: paced to the wall clock",
            ("lockstep", "realtime"),
        ),
        Argument(
            "rendering",
            "full",
            "full: as the package renders; fast: no multi-sampling, shadows or reflections",
            ("full", "fast"),
        ),
        Argument("checkpoint", "", "Checkpoint folder; empty: resource/libero"),
        STEPS,
        NOISE,
        Argument("replan", "0.4", "Time between the observations that the policy answers [s]"),
        Argument("episodes", "0", "Run so many episodes, write them to out, end; 0: until Ctrl-C"),
        Argument("out", os.path.join("out", "libero"), "Folder for the episodes' result"),
    ),
    _nodes,
)
