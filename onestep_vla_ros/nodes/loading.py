# SPDX-License-Identifier: Apache-2.0
"""From policy_node's parameters to a policy that fits this robot."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from onestep_vla_ros.core.config import PolicyNodeConfig
from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.files import shipped_checkpoint
from onestep_vla_ros.policy.decoder import AUTO
from onestep_vla_ros.policy.policy import OneStepPolicy, load_policy

_CAMERA = re.compile(r"([A-Za-z]\w*):([1-9]\d{0,4})x([1-9]\d{0,4})")
_STEPS: dict[int, int | str | None] = {-1: None, 0: AUTO}
"""What `steps` means beside a number of steps; a ROS parameter has one type."""


def load_checked(config: PolicyNodeConfig) -> OneStepPolicy:
    """Return the checkpoint's policy, checked against the robot and warm.

    Raises:
        CheckpointError: Missing, damaged, or made for another robot.
        ConfigError: A camera of the parameters is not written name:widthxheight, or steps is
            auto and the checkpoint carries no calibration.
    """
    cameras = []
    for text in config.cameras:
        match = _CAMERA.fullmatch(text)
        if match is None:
            raise ConfigError(
                "parameter 'cameras' names a camera wrongly",
                got=repr(text),
                allowed="name:widthxheight, for example top:192x192",
            )
        cameras.append(CameraSpec(match[1], int(match[3]), int(match[2])))
    if config.threads:
        torch.set_num_threads(config.threads)
    folder = config.checkpoint or str(shipped_checkpoint())
    policy = load_policy(
        Path(folder),
        steps=_STEPS.get(config.steps, config.steps),
        noise=None if config.noise == "checkpoint" else config.noise,
        seed=config.seed,
        device=config.device,
        is_measured=config.measure_ambiguity,
    )
    contract = policy.contract
    contract.check(config.joint_names, cameras, config.waypoint_period_s)
    states = contract.embodiment.state_names
    if len(config.wire_names) != len(states):
        raise ConfigError(
            "parameter 'wire_names' has the wrong length",
            got=f"{len(config.wire_names)} names",
            allowed=f"{len(states)}, what {contract.embodiment.name} calls {', '.join(states)}",
        )
    policy.warm_up()
    return policy
