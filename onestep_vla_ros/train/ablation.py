# SPDX-License-Identifier: Apache-2.0
"""A policy without its eyes, its joints or its sentence, at evaluation alone.

The network stays as it was trained; one input is replaced by a constant that says nothing:

- image: every image is mid-grey.
- state: the network reads the mean state of the demonstrations. Its arm joints are deltas, and
  those are still added to the true state: what is taken away is what the network knows, not
  what the arms are. A chunk relative to the mean pose would jump there and be refused, which
  would measure the bridge. So this is weaker than a policy trained without state.
- prompt: a sentence that asks for nothing in particular.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.joints import ARM_JOINT_INDEX
from onestep_vla_ros.core.observation import Observation
from onestep_vla_ros.policy.policy import OneStepPolicy
from onestep_vla_ros.sim.rollout import Infer
from onestep_vla_ros.train.cells import NO_ABLATION

GREY = 128
NEUTRAL_PROMPT = "do the task"


def without(ablation: str, policy: OneStepPolicy) -> Infer:
    """Return `policy.infer` with one input replaced.

    Args:
        ablation: One of `cells.ABLATIONS`.
        policy: The policy; its own `infer` is left alone.
    """
    if ablation == NO_ABLATION:
        return policy.infer
    return {"image": _blind, "state": _numb, "prompt": _deaf}[ablation](policy)


def _blind(policy: OneStepPolicy) -> Infer:
    grey = {
        c.name: np.full((c.height, c.width, 3), GREY, np.uint8) for c in policy.contract.cameras
    }

    def infer(observation: Observation) -> Chunk:
        stamps = dict.fromkeys(grey, observation.stamp_s)
        return policy.infer(replace(observation, images=grey, image_stamps_s=stamps))

    return infer


def _numb(policy: OneStepPolicy) -> Infer:
    mean = policy.checkpoint.normalizer.state_mean.cpu().numpy().astype(np.float64)
    arms = list(ARM_JOINT_INDEX)

    def infer(observation: Observation) -> Chunk:
        chunk = policy.infer(replace(observation, q=mean))
        q = chunk.q.copy()
        q[:, arms] += observation.q[arms] - mean[arms]
        return Chunk(q, chunk.stamp_s, chunk.period_s)

    return infer


def _deaf(policy: OneStepPolicy) -> Infer:
    return lambda observation: policy.infer(replace(observation, instruction=NEUTRAL_PROMPT))
